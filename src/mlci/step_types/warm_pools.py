"""The key of training jobs for managed warm pools: machines that wait for the next job, and which job that can be.

A pool is kept of a job that ends with a `KeepAlivePeriodInSeconds`, and waits for a job with the same role, machines,
network and encryption. Until the account's quota is raised from 0, none is kept, and jobs start as ever.

Source: https://docs.aws.amazon.com/sagemaker/latest/dg/train-warm-pools.html
"""

from __future__ import annotations

from collections.abc import Mapping

from mlci.step_types.keys import Json, Key
from mlci.step_types.request_parts import field_at

#: "The maximum KeepAlivePeriodInSeconds for a single training job is 3600 seconds". The API's model allows more.
MAX_KEEP_ALIVE_S = 3_600
#: The place of the field in a request.
KEEP_ALIVE_FIELD = ("ResourceConfig", "KeepAlivePeriodInSeconds")

KEEP_ALIVE = Key(
    "keep_alive",
    "duration",
    "How long the machines are kept after the job for the next one like it, which then starts on them at once: a "
    "managed warm pool, at most 1h. They are paid for while they wait, and need a quota (training).",
    examples=("30m",),
    in_defaults=True,
    pattern=r"^(?=.)(\d+d)?(\d+h)?(\d+m)?(\d+s)?$|\$\{\{",
    becomes=field_at(*KEEP_ALIVE_FIELD),
)

#: The fields of ResourceConfig and VpcConfig that must be the same for a pool to be reused, beside those below.
_CLUSTER = ("InstanceCount", "InstanceType", "VolumeKmsKeyId", "VolumeSizeInGB")
_NETWORK = ("SecurityGroupIds", "Subnets")


def keep_alive_s(request: Mapping[str, Json]) -> int:
    """Return the seconds that a training job's machines are kept after it; 0 if they are not.

    >>> keep_alive_s({"ResourceConfig": {"KeepAlivePeriodInSeconds": 1800}})
    1800
    """
    seconds = _map(request.get("ResourceConfig")).get("KeepAlivePeriodInSeconds")
    return seconds if isinstance(seconds, int) and not isinstance(seconds, bool) else 0


def pool_criteria(request: Mapping[str, Json]) -> tuple[Json, ...]:
    """Return what of a training job's request decides which pools it can start on: those of jobs with the same.

    Source: https://docs.aws.amazon.com/sagemaker/latest/dg/train-warm-pools.html#train-warm-pools-matching-criteria
    """
    cluster, network = _map(request.get("ResourceConfig")), _map(request.get("VpcConfig"))
    return (
        request.get("RoleArn"),
        *(cluster.get(name) for name in _CLUSTER),
        *(network.get(name) for name in _NETWORK),
        request.get("EnableInterContainerTrafficEncryption") is True,
        request.get("EnableNetworkIsolation") is True,
    )


def quota_name(instance: str) -> str:
    """Return the name of the quota of an instance type's pools, as Service Quotas has it.

    >>> quota_name("ml.m5.xlarge")
    'ml.m5.xlarge for training warm pool usage'
    """
    return f"{instance} for training warm pool usage"


def _map(value: Json) -> Mapping[str, Json]:
    return value if isinstance(value, dict) else {}
