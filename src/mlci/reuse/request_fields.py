"""The fields of API requests that can't change a step's result: machines, names, roles, time limits, tags, keys."""

from __future__ import annotations

from collections.abc import Mapping

from mlci.flow.models import Json

#: Sources: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateTrainingJob.html,
#: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateProcessingJob.html,
#: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateTransformJob.html
_UNCOUNTED = frozenset(
    {
        "EnableInterContainerTrafficEncryption",
        "EnableManagedSpotTraining",
        "ExecutionRoleArn",
        "ExperimentConfig",
        "InstanceType",
        "KeepAlivePeriodInSeconds",
        "KmsKeyId",
        "ModelName",
        "ProcessingJobName",
        "RetryStrategy",
        "Role",
        "RoleArn",
        "StoppingCondition",
        "Tags",
        "TrainingJobName",
        "TransformJobName",
        "VolumeKmsKeyId",
        "VolumeSizeInGB",
    }
)
#: Their fields are names that a flow gives.
_MAPS_OF_NAMES = frozenset({"DefaultArguments", "Environment", "HyperParameters", "StaticHyperParameters"})


def counted_fields(request: Mapping[str, Json]) -> dict[str, Json]:
    """Return the fields of a request that can change a step's result, at any depth.

    >>> counted_fields({"RoleArn": "arn", "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 2}})
    {'ResourceConfig': {'InstanceCount': 2}}
    >>> counted_fields({"StoppingCondition": {"MaxRuntimeInSeconds": 60}, "Environment": {"Role": "x"}})
    {'Environment': {'Role': 'x'}}
    """
    return {
        name: value if name in _MAPS_OF_NAMES else _counted(value)
        for name, value in request.items()
        if name not in _UNCOUNTED and (name in _MAPS_OF_NAMES or _has_counted(value))
    }


def _counted(value: Json) -> Json:
    match value:
        case dict():
            return counted_fields(value)
        case list():
            return [_counted(item) for item in value]
        case _:
            return value


def _has_counted(value: Json) -> bool:
    """Return False for an object whose fields are all left out: without them, it would not be there."""
    return not isinstance(value, dict) or not value or bool(counted_fields(value))
