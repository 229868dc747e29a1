"""What AWS allows, as far as a flow can break it: each number and pattern once, with its unit and its source.

The numbers are those of the SageMaker API model that botocore carries (sagemaker/2017-07-24/service-2.json), which the
API reference repeats: https://docs.aws.amazon.com/sagemaker/latest/APIReference/Welcome.html. Account quotas that are
lower, and that AWS raises on request, are left to AWS.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

_DAY_S = 86_400


@dataclass(frozen=True)
class JobLimits:
    """What one type of job allows; `max_inputs` leaves out the one that mlci itself adds."""

    max_inputs: int
    max_timeout_s: int
    max_instances: int | None
    max_env_name_chars: int
    max_env_value_chars: int


#: Processing has 10 inputs, one of which is `code`, and ProcessingStoppingCondition allows 777,600 seconds:
#: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateProcessingJob.html
#: Training has 20 channels, and of StoppingCondition it is said that "the maximum value is 28 days":
#: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateTrainingJob.html
JOB_LIMITS: Mapping[str, JobLimits] = {
    "processing": JobLimits(
        max_inputs=9,
        max_timeout_s=9 * _DAY_S,
        max_instances=100,
        max_env_name_chars=256,
        max_env_value_chars=256,
    ),
    "training": JobLimits(
        max_inputs=20,
        max_timeout_s=28 * _DAY_S,
        max_instances=None,
        max_env_name_chars=512,
        max_env_value_chars=512,
    ),
}

#: ProcessingOutputConfig, https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_ProcessingOutputConfig.html
MAX_PROCESSING_OUTPUTS = 10
#: Both environment maps; see the two API pages above.
MAX_ENV_ENTRIES = 100
#: AppSpecification, https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_AppSpecification.html
MAX_ARGUMENTS = 100
MAX_ARGUMENT_CHARS = 256
MAX_IMAGE_CHARS = 255
#: AlgorithmSpecification and HyperParameters in CreateTrainingJob. Values are counted as they are sent, JSON-encoded.
MAX_HYPERPARAMETERS = 100
MAX_HYPERPARAMETER_NAME_CHARS = 256
MAX_HYPERPARAMETER_VALUE_CHARS = 2_500
#: Script mode sends sagemaker_program, _submit_directory, _container_log_level, _job_name and _region on top.
SCRIPT_MODE_HYPERPARAMETERS = 5
SCRIPT_MODE_PREFIX = "sagemaker_"
#: ProcessingClusterConfig, https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_ProcessingClusterConfig.html
MIN_VOLUME_GB, MAX_VOLUME_GB = 1, 16_384
#: S3Uri, https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_ProcessingS3Input.html
MAX_S3_URI_CHARS = 1_024

#: A state machine's name has 80 characters, and `mlci-<flow>` and what is derived from it must fit.
#: https://docs.aws.amazon.com/step-functions/latest/apireference/API_CreateStateMachine.html
MAX_FLOW_NAME_CHARS = 60
FLOW_NAME = re.compile(r"[a-zA-Z][a-zA-Z0-9-]*")
#: A step's name is a state's name (80 characters) and part of a job's (63 characters).
MAX_STEP_NAME_CHARS = 63
STEP_NAME = re.compile(r"[a-zA-Z][a-zA-Z0-9_-]*")
#: Channel, https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_Channel.html; used for every input and output,
#: because each is also a folder's name.
MAX_CHANNEL_NAME_CHARS = 64
CHANNEL_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
#: ProcessingEnvironmentKey and TrainingEnvironmentKey.
ENV_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
#: Instance types are many and grow monthly, so only their shape is checked.
INSTANCE_TYPE = re.compile(r"ml\.[a-z0-9-]+\.[a-z0-9-]+")
#: https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
BUCKET_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
