"""Keys of training jobs for spot machines, which AWS may take back, and for the checkpoints to go on from.

A job has one CheckpointConfig, and by it metrics come to S3 file by file as well: they are a folder among checkpoints.

Sources: https://docs.aws.amazon.com/sagemaker/latest/dg/model-managed-spot-training.html and model-checkpoints.html.
"""

from __future__ import annotations

from mlci.step_types.keys import Key
from mlci.step_types.request_parts import field_at

#: The folder of the script's checkpoints, which is SageMaker's default.
CHECKPOINTS = "/opt/ml/checkpoints"

SPOT_KEYS = (
    Key(
        "spot",
        "boolean",
        "The job runs on spot machines, which cost less and which AWS may take back; it then starts again. Needs "
        "max_wait.",
        examples=(True,),
        in_defaults=True,
        becomes=field_at("EnableManagedSpotTraining"),
    ),
    Key(
        "max_wait",
        "duration",
        "The longest time that a job on spot machines may take: the wait for machines and the run. At least timeout.",
        examples=("2h",),
        in_defaults=True,
        pattern=r"^(?=.)(\d+d)?(\d+h)?(\d+m)?(\d+s)?$|\$\{\{",
        becomes=field_at("StoppingCondition", "MaxWaitTimeInSeconds"),
    ),
    Key(
        "checkpoints",
        "boolean",
        f"{CHECKPOINTS} is kept in step with S3, below the run: a job that starts again finds there what it left.",
        examples=(True,),
        in_defaults=True,
    ),
)
