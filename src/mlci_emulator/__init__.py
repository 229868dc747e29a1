"""A local AWS: Step Functions, SageMaker jobs, S3 and Lambda, embedded in a run or behind an HTTP endpoint.

It knows nothing of flows, raises errors of its own, and imports `mlci_asl` only. Imports point downwards in this list.

    server/        the HTTP endpoint, and moto for all other services
    embedded.py    the emulator in the caller's process, for one execution at a time
    task_results.py  the results of tasks that wait for a token, from another process
    services/      the services: operations by their API names, in the API's own shapes
    integrations/  the integrations of Step Functions' Task states
    jobs/          runs SageMaker's jobs and functions as subprocesses
    store/         the directory that stands for S3
    protocol/      AWS's protocols, and botocore's models of its APIs
    errors.py      the errors that a user or an embedding program reads
    identity.py    the emulator's account, region, bucket and roles
"""

from __future__ import annotations
