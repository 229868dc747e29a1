"""The aws cloud: what `cloud.protocol` asks for, done with boto3. The local cloud never imports this package.

`cloud` puts the parts together. One small class stands for each service: `objects` (S3), `machines` and `executions`
(Step Functions), `jobs` (SageMaker), `logs` (CloudWatch Logs), `parameters` (SSM), `identity` (STS). They get their
client, clock and patience from `session`; `calls` alone knows botocore's exceptions. `watch` follows an execution,
`ending` makes sure that nothing of a run is left, `links` leads to the console.
"""

from __future__ import annotations
