"""The limits that any flow can break, which are AWS's but for its size: each once, with its unit and its source.

The limits of one type of step stand in its module in `step_types`. Account quotas that are lower, and that AWS raises
on request, are left to AWS.
"""

from __future__ import annotations

import re

#: The largest flow.yaml that is read.
MAX_BYTES = 1_000_000

#: S3Uri, https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_ProcessingS3Input.html
MAX_S3_URI_CHARS = 1_024

#: A state machine's name has 80 characters, and `mlci-<flow>` and what is derived from it must fit.
#: https://docs.aws.amazon.com/step-functions/latest/apireference/API_CreateStateMachine.html
MAX_FLOW_NAME_CHARS = 60
FLOW_NAME = re.compile(r"[a-zA-Z][a-zA-Z0-9-]*")
#: A step's name is a state's name (80 characters) and part of a job's (63 characters).
MAX_STEP_NAME_CHARS = 63
STEP_NAME = re.compile(r"[a-zA-Z][a-zA-Z0-9_-]*")
#: https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
BUCKET_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
