"""CreateProcessingJob and CreateTrainingJob: which requests AWS takes, and which of them can run here.

The shapes are those of the API, so that a misspelt field is refused here as it is on AWS. What AWS takes and this
machine can't do (several instances, Pipe mode, a built-in algorithm) is refused too, and never left out in silence;
what only concerns the cluster (roles, disks, networks, tags) has no effect here.

Source: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateProcessingJob.html and
API_CreateTrainingJob.html, by botocore's model of 2026.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias, cast

if TYPE_CHECKING:
    from mlci.asl import Json


#: A shape is a scalar type, a list of one shape, `MAP` (text to text), or fields; a field ending in "!" is required.
Shape: TypeAlias = "type | list[Shape] | dict[str, Shape] | None"
MAP: Shape = None

_EXPERIMENT: Shape = {"ExperimentName": str, "TrialName": str, "TrialComponentDisplayName": str, "RunName": str}
_VPC: Shape = {"SecurityGroupIds": [str], "Subnets": [str]}
_TAGS: Shape = [{"Key!": str, "Value!": str}]

PROCESSING: dict[str, Shape] = {
    "ProcessingJobName!": str,
    "AppSpecification!": {"ImageUri!": str, "ContainerEntrypoint": [str], "ContainerArguments": [str]},
    "ProcessingInputs": [
        {
            "InputName!": str,
            "AppManaged": bool,
            "S3Input": {
                "S3Uri!": str,
                "LocalPath": str,
                "S3DataType!": str,
                "S3InputMode": str,
                "S3DataDistributionType": str,
                "S3CompressionType": str,
            },
            "DatasetDefinition": {},
        }
    ],
    "ProcessingOutputConfig": {
        "Outputs!": [
            {
                "OutputName!": str,
                "AppManaged": bool,
                "S3Output": {"S3Uri!": str, "LocalPath": str, "S3UploadMode!": str},
                "FeatureStoreOutput": {},
            }
        ],
        "KmsKeyId": str,
    },
    "ProcessingResources!": {
        "ClusterConfig!": {
            "InstanceCount!": int,
            "InstanceType!": str,
            "VolumeSizeInGB!": int,
            "VolumeKmsKeyId": str,
        }
    },
    "StoppingCondition": {"MaxRuntimeInSeconds!": int},
    "Environment": MAP,
    "NetworkConfig": {
        "EnableInterContainerTrafficEncryption": bool,
        "EnableNetworkIsolation": bool,
        "VpcConfig": _VPC,
    },
    "RoleArn!": str,
    "Tags": _TAGS,
    "ExperimentConfig": _EXPERIMENT,
}

TRAINING: dict[str, Shape] = {
    "TrainingJobName!": str,
    "AlgorithmSpecification!": {
        "TrainingImage": str,
        "AlgorithmName": str,
        "TrainingInputMode!": str,
        "MetricDefinitions": [{"Name!": str, "Regex!": str}],
        "EnableSageMakerMetricsTimeSeries": bool,
        "ContainerEntrypoint": [str],
        "ContainerArguments": [str],
        "TrainingImageConfig": {"TrainingRepositoryAccessMode": str, "TrainingRepositoryAuthConfig": MAP},
    },
    "HyperParameters": MAP,
    "InputDataConfig": [
        {
            "ChannelName!": str,
            "DataSource!": {
                "S3DataSource": {
                    "S3DataType!": str,
                    "S3Uri!": str,
                    "S3DataDistributionType": str,
                    "AttributeNames": [str],
                    "InstanceGroupNames": [str],
                },
                "FileSystemDataSource": {},
            },
            "ContentType": str,
            "CompressionType": str,
            "RecordWrapperType": str,
            "InputMode": str,
            "ShuffleConfig": {"Seed!": int},
        }
    ],
    "OutputDataConfig!": {"KmsKeyId": str, "S3OutputPath!": str, "CompressionType": str},
    "ResourceConfig!": {
        "InstanceType": str,
        "InstanceCount": int,
        "VolumeSizeInGB!": int,
        "VolumeKmsKeyId": str,
        "KeepAlivePeriodInSeconds": int,
        "InstanceGroups": [{"InstanceType!": str, "InstanceCount!": int, "InstanceGroupName!": str}],
        "TrainingPlanArn": str,
    },
    "StoppingCondition!": {"MaxRuntimeInSeconds": int, "MaxWaitTimeInSeconds": int, "MaxPendingTimeInSeconds": int},
    "Environment": MAP,
    "RoleArn!": str,
    "Tags": _TAGS,
    "VpcConfig": _VPC,
    "EnableNetworkIsolation": bool,
    "EnableInterContainerTrafficEncryption": bool,
    "EnableManagedSpotTraining": bool,
    "CheckpointConfig": {"S3Uri!": str, "LocalPath": str},
    "DebugHookConfig": {
        "LocalPath": str,
        "S3OutputPath!": str,
        "HookParameters": MAP,
        "CollectionConfigurations": [{}],
    },
    "DebugRuleConfigurations": [{}],
    "TensorBoardOutputConfig": {"LocalPath": str, "S3OutputPath!": str},
    "ProfilerConfig": {
        "S3OutputPath": str,
        "ProfilingIntervalInMilliseconds": int,
        "ProfilingParameters": MAP,
        "DisableProfiler": bool,
    },
    "ProfilerRuleConfigurations": [{}],
    "ExperimentConfig": _EXPERIMENT,
    "RetryStrategy": {"MaximumRetryAttempts!": int},
    "RemoteDebugConfig": {"EnableRemoteDebug": bool},
    "InfraCheckConfig": {"EnableInfraCheck": bool},
    "SessionChainingConfig": {"EnableSessionTagChaining": bool},
}

#: Source: API_CreateProcessingJob.html, StoppingCondition; API_StoppingCondition.html. Both default to one day.
DEFAULT_MAX_RUNTIME_S = 24 * 60 * 60
#: Source: the same pages, the names of jobs.
NAME = re.compile(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}")


class Malformed(Exception):
    """Step Functions does not take these parameters; the text says why."""


class Invalid(Exception):
    """SageMaker answers with a ValidationException; the text is its message."""


class CannotRunHere(Exception):
    """AWS would take it, and this machine can't do it; the text says what to do."""


@dataclass(frozen=True)
class Transfer:
    """Objects under a URI, and the folder in the container where they are to be, or come from."""

    name: str
    uri: str
    path: str


@dataclass(frozen=True)
class ProcessingRequest:
    """A processing job that can run here; `given` is the request as it came."""

    name: str
    command: tuple[str, ...]
    inputs: tuple[Transfer, ...]
    outputs: tuple[Transfer, ...]
    environment: Mapping[str, str]
    max_runtime_s: int
    given: Mapping[str, Json]


@dataclass(frozen=True)
class Channel:
    """One input of a training job. `config` is what `inputdataconfig.json` says of it."""

    name: str
    uri: str
    config: Mapping[str, Json]


@dataclass(frozen=True)
class TrainingRequest:
    """A training job in script mode that can run here. `hyperparameters` are as the API has them: JSON in text."""

    name: str
    program: str
    code_uri: str
    hyperparameters: Mapping[str, str]
    channels: tuple[Channel, ...]
    output_uri: str
    instance: str
    environment: Mapping[str, str]
    max_runtime_s: int
    given: Mapping[str, Json]


def processing(parameters: Json) -> ProcessingRequest:
    """A CreateProcessingJob request.

    Raises:
        Malformed, Invalid, CannotRunHere
    """
    given = _checked(PROCESSING, parameters)
    name = _name(given, "ProcessingJobName")
    application = _fields(given, "AppSpecification")
    entry = cast("list[str]", application.get("ContainerEntrypoint") or [])
    if not entry:
        raise CannotRunHere(
            f'the processing job "{name}" has no ContainerEntrypoint, so it runs its image\'s own entry point, and '
            "that is not on this machine. Give the step a script by `run:` (ContainerEntrypoint in a request)."
        )
    cluster = _fields(_fields(given, "ProcessingResources"), "ClusterConfig")
    _expect_one_instance(name, cluster)
    outputs = cast("list[dict[str, Json]]", _fields(given, "ProcessingOutputConfig").get("Outputs", []))
    return ProcessingRequest(
        name,
        (*entry, *cast("list[str]", application.get("ContainerArguments") or [])),
        tuple(_input(fields) for fields in cast("list[dict[str, Json]]", given.get("ProcessingInputs", []))),
        tuple(_output(fields) for fields in outputs),
        cast("dict[str, str]", given.get("Environment", {})),
        cast(int, _fields(given, "StoppingCondition").get("MaxRuntimeInSeconds", DEFAULT_MAX_RUNTIME_S)),
        given,
    )


def training(parameters: Json) -> TrainingRequest:
    """A CreateTrainingJob request.

    Raises:
        Malformed, Invalid, CannotRunHere
    """
    from mlci.cloud.local.toolkit import decoded

    given = _checked(TRAINING, parameters)
    name = _name(given, "TrainingJobName")
    algorithm = _fields(given, "AlgorithmSpecification")
    hyperparameters = cast("dict[str, str]", given.get("HyperParameters", {}))
    program = decoded(hyperparameters.get("sagemaker_program", "null"))
    code_uri = decoded(hyperparameters.get("sagemaker_submit_directory", "null"))
    if algorithm.get("ContainerEntrypoint") or not isinstance(program, str) or not isinstance(code_uri, str):
        raise CannotRunHere(
            f'the training job "{name}" is not in script mode (it lacks the hyperparameters sagemaker_program and '
            "sagemaker_submit_directory, or has a ContainerEntrypoint), so it runs its image's own algorithm, and that "
            "is not on this machine. Give the step a script by `run:`."
        )
    resources = _fields(given, "ResourceConfig")
    _expect_one_instance(name, resources)
    for field in ("CheckpointConfig", "DebugRuleConfigurations", "ProfilerRuleConfigurations"):
        if given.get(field):
            raise CannotRunHere(f'the training job "{name}" has a {field}, which the local cloud does not do. Drop it.')
    return TrainingRequest(
        name,
        program,
        code_uri,
        hyperparameters,
        tuple(
            _channel(fields, cast(str, algorithm["TrainingInputMode"]))
            for fields in cast("list[dict[str, Json]]", given.get("InputDataConfig", []))
        ),
        cast(str, _fields(given, "OutputDataConfig")["S3OutputPath"]),
        cast(str, resources.get("InstanceType", "local")),
        cast("dict[str, str]", given.get("Environment", {})),
        cast(int, _fields(given, "StoppingCondition").get("MaxRuntimeInSeconds", DEFAULT_MAX_RUNTIME_S)),
        given,
    )


def _input(given: Mapping[str, Json]) -> Transfer:
    name = cast(str, given["InputName"])
    if given.get("DatasetDefinition") is not None or given.get("S3Input") is None:
        raise CannotRunHere(f'the input "{name}" does not come from S3; the local cloud reads S3Input only.')
    source = _fields(given, "S3Input")
    _expect_plain(name, source, {"S3InputMode": "File", "S3CompressionType": "None", "S3DataType": "S3Prefix"})
    return Transfer(name, cast(str, source["S3Uri"]), _container_path(name, source.get("LocalPath")))


def _output(given: Mapping[str, Json]) -> Transfer:
    name = cast(str, given["OutputName"])
    if given.get("FeatureStoreOutput") is not None or given.get("S3Output") is None:
        raise CannotRunHere(f'the output "{name}" does not go to S3; the local cloud writes S3Output only.')
    target = _fields(given, "S3Output")
    if target["S3UploadMode"] not in ("EndOfJob", "Continuous"):
        raise Invalid(f'S3UploadMode of "{name}" is "{target["S3UploadMode"]}"; it is EndOfJob or Continuous')
    return Transfer(name, cast(str, target["S3Uri"]), _container_path(name, target.get("LocalPath")))


def _channel(given: Mapping[str, Json], mode: str) -> Channel:
    name = cast(str, given["ChannelName"])
    source = _fields(given, "DataSource").get("S3DataSource")
    if not isinstance(source, dict):
        raise CannotRunHere(f'the channel "{name}" does not come from S3; the local cloud reads S3DataSource only.')
    _expect_plain(name, source, {"S3DataType": "S3Prefix"})
    _expect_plain(name, given, {"CompressionType": "None", "RecordWrapperType": "None"})
    if given.get("InputMode", mode) not in ("File", "FastFile"):  # a script sees files either way
        raise CannotRunHere(f'the channel "{name}" is in {given.get("InputMode", mode)} mode; locally there are files.')
    # Source: https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-training-algo-running-container.html
    config: dict[str, Json] = {
        "TrainingInputMode": given.get("InputMode", mode),
        "S3DistributionType": source.get("S3DataDistributionType", "FullyReplicated"),
        "RecordWrapperType": "None",
    }
    if "ContentType" in given:
        config["ContentType"] = given["ContentType"]
    return Channel(name, cast(str, source["S3Uri"]), config)


def _expect_one_instance(name: str, cluster: Mapping[str, Json]) -> None:
    if cluster.get("InstanceGroups") or cluster.get("InstanceCount", 1) != 1:
        raise CannotRunHere(
            f'the job "{name}" asks for {cluster.get("InstanceCount", "groups of")} instances; the local cloud is one. '
            "Use one instance for local runs (`instance_count: 1`)."
        )


def _expect_plain(name: str, given: Mapping[str, Json], plain: Mapping[str, str]) -> None:
    for field, value in plain.items():
        if given.get(field, value) != value:
            raise CannotRunHere(f'"{name}" has {field} {given[field]}; the local cloud does {field} {value} only.')


def _container_path(name: str, path: Json) -> str:
    parts = str(path or "").split("/")
    if parts[:4] != ["", "opt", "ml", "processing"] or ".." in parts:
        raise Invalid(f'LocalPath of "{name}" is "{path or ""}"; it has to be a path under /opt/ml/processing')
    return str(path)


def _name(given: Mapping[str, Json], field: str) -> str:
    name = cast(str, given[field])
    if len(name) > 63 or not NAME.fullmatch(name):
        raise Invalid(
            f"Value '{name}' at '{field}' failed to satisfy constraint: Member must have length less than or equal to "
            f"63 and satisfy regular expression pattern: {NAME.pattern}"
        )
    return name


def _fields(given: Mapping[str, Json], name: str) -> Mapping[str, Json]:
    return cast("dict[str, Json]", given.get(name) or {})


def _checked(shape: dict[str, Shape], parameters: Json) -> Mapping[str, Json]:
    """The parameters, once they have the shape.

    Source of the wording: https://github.com/aws/aws-step-functions-data-science-sdk-python/issues/15
    """
    problems = list(_problems(shape, parameters, ""))
    if problems:
        raise Malformed(
            "The Parameters could not be used to start the Task: [" + ", ".join(dict.fromkeys(problems)) + "]"
        )
    return cast("dict[str, Json]", parameters)


def _problems(shape: Shape, value: Json, place: str) -> Iterator[str]:
    match shape:
        case None:
            yield from _problems_of_map(value, place)
        case dict():
            yield from _problems_of_fields(shape, value, place)
        case list():
            if not isinstance(value, list):
                yield f'The value for the field "{place}" must be a list'
                return
            for index, item in enumerate(value):
                yield from _problems(shape[0], item, f"{place}[{index}]")
        case _:
            if type(value) is not shape:
                yield f'The value for the field "{place}" must be {_KINDS[shape]}'


_KINDS = {str: "a text", int: "a whole number", bool: "true or false"}


def _problems_of_map(value: Json, place: str) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f'The value for the field "{place}" must be an object'
        return
    for key, text in value.items():
        if not isinstance(text, str):
            yield f'The value for the field "{place}.{key}" must be a text'


def _problems_of_fields(shape: dict[str, Shape], value: Json, place: str) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f'The value for the field "{place}" must be an object' if place else "The Parameters must be an object"
        return
    known = {name.removesuffix("!"): (inner, name.endswith("!")) for name, inner in shape.items()}
    for name, (_, is_required) in known.items():
        if is_required and name not in value:
            yield f'The field "{_below(place, name)}" is required but was missing'
    for name, inner in value.items():
        if name in known:
            yield from _problems(known[name][0], inner, _below(place, name))
        elif known:  # a shape without fields is one that is refused as a whole later
            yield f'The field "{_below(place, name)}" is not supported by Step Functions'


def _below(place: str, name: str) -> str:
    return f"{place}.{name}" if place else name
