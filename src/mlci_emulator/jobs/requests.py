"""Create…Job requests: which of those that AWS takes can run here, and what there is to do for them.

What the API's model has to say is validation.py's. What AWS takes and this machine can't do (several instances, Pipe
mode, a built-in algorithm) is refused too, and never left out in silence; what only concerns the cluster (roles, disks,
networks, tags) has no effect here.

Source: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateProcessingJob.html and
API_CreateTrainingJob.html
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from mlci_emulator.protocol import sagemaker_shapes, sagemaker_validation

if TYPE_CHECKING:
    from mlci_asl import Json


#: Source: API_CreateProcessingJob.html, StoppingCondition; API_StoppingCondition.html. Both default to one day.
DEFAULT_MAX_RUNTIME_S = 24 * 60 * 60
#: What a training job can have on AWS only. The debugger's hook and the profiler are set by the SDK unasked, and only
#: watch; where they have rules, somebody waits for what the rules say.
_REFUSED = (
    "CheckpointConfig",
    "DebugRuleConfigurations",
    "ProfilerRuleConfigurations",
    "TensorBoardOutputConfig",
    "ServerlessJobConfig",
    "MlflowConfig",
    "ModelPackageConfig",
)
_SCALARS = {"string": str, "integer": int, "long": int, "boolean": bool, "float": float, "double": float}


def _plain(name: str) -> Any:
    """A shape as nested fields; a name that ends in "!" is required, and None stands for texts by their names."""
    shape = sagemaker_shapes.quick()[name]
    match shape["type"]:
        case "structure":
            required = shape.get("required", [])
            return {
                f"{member}!" if member in required else member: _plain(inner["shape"])
                for member, inner in shape["members"].items()
            }
        case "list":
            return [_plain(shape["member"]["shape"])]
        case kind:
            return _SCALARS.get(kind)


#: The shapes of the two requests, for whoever only asks whether a request has them.
PROCESSING: dict[str, Any] = _plain("CreateProcessingJobRequest")
TRAINING: dict[str, Any] = _plain("CreateTrainingJobRequest")


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
    given = _checked("CreateProcessingJob", parameters)
    name = cast(str, given["ProcessingJobName"])
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
    inputs = tuple(_input(fields) for fields in cast("list[dict[str, Json]]", given.get("ProcessingInputs", [])))
    # Source: https://github.com/aws/sagemaker-python-sdk/issues/4939 (where SageMaker gives no reason)
    _expect_distinct("inputs", "LocalPath", [source.path.rstrip("/") for source in inputs])
    return ProcessingRequest(
        name,
        (*entry, *cast("list[str]", application.get("ContainerArguments") or [])),
        inputs,
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
    from mlci_emulator.jobs.training_toolkit import decoded

    given = _checked("CreateTrainingJob", parameters)
    name = cast(str, given["TrainingJobName"])
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
    # Source: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_AlgorithmSpecification.html
    if bool(algorithm.get("TrainingImage")) == bool(algorithm.get("AlgorithmName")):
        raise Invalid("AlgorithmSpecification has to have one of TrainingImage and AlgorithmName, and not both")
    if algorithm.get("AlgorithmName"):
        raise CannotRunHere(f'the training job "{name}" runs an algorithm resource, which is not on this machine.')
    resources = _fields(given, "ResourceConfig")
    _expect_one_instance(name, resources)
    if "InstanceType" not in resources or "InstanceCount" not in resources:
        raise Invalid("ResourceConfig has to have an InstanceType and an InstanceCount")
    _expect_time_for_spot(given)
    for field in _REFUSED:
        if given.get(field):
            raise CannotRunHere(f'the training job "{name}" has a {field}, which the local cloud does not do. Drop it.')
    _expect_plain(name, _fields(given, "OutputDataConfig"), {"CompressionType": "GZIP"})
    channels = tuple(
        _channel(fields, cast(str, algorithm["TrainingInputMode"]))
        for fields in cast("list[dict[str, Json]]", given.get("InputDataConfig", []))
    )
    _expect_distinct("channels", "ChannelName", [channel.name for channel in channels])
    return TrainingRequest(
        name,
        program,
        code_uri,
        hyperparameters,
        channels,
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
    return Transfer(name, cast(str, target["S3Uri"]), _container_path(name, target.get("LocalPath")))


def _channel(given: Mapping[str, Json], mode: str) -> Channel:
    name = cast(str, given["ChannelName"])
    source = _fields(given, "DataSource").get("S3DataSource")
    if not isinstance(source, dict):
        raise CannotRunHere(f'the channel "{name}" does not come from S3; the local cloud reads S3DataSource only.')
    _expect_plain(name, source, {"S3DataType": "S3Prefix"})
    for field in ("ModelAccessConfig", "HubAccessConfig"):
        if source.get(field):
            raise CannotRunHere(f'the channel "{name}" has a {field}; the local cloud reads the store only.')
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


def _expect_distinct(what: str, field: str, values: list[str]) -> None:
    for value in values:
        if values.count(value) > 1:
            raise Invalid(f'two {what} have the {field} "{value}"')


def _expect_time_for_spot(given: Mapping[str, Json]) -> None:
    """Source: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_StoppingCondition.html"""
    condition = _fields(given, "StoppingCondition")
    wait = cast("int | None", condition.get("MaxWaitTimeInSeconds"))
    runtime = cast(int, condition.get("MaxRuntimeInSeconds", DEFAULT_MAX_RUNTIME_S))
    if given.get("EnableManagedSpotTraining") and (wait is None or wait < runtime):
        raise Invalid("managed spot training needs a MaxWaitTimeInSeconds that is at least MaxRuntimeInSeconds")


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


def _fields(given: Mapping[str, Json], name: str) -> Mapping[str, Json]:
    return cast("dict[str, Json]", given.get(name) or {})


def _checked(operation: str, parameters: Json) -> Mapping[str, Json]:
    """The parameters, once the API takes them.

    Source of the wording: https://github.com/aws/aws-step-functions-data-science-sdk-python/issues/15
    """
    found = sagemaker_validation.problems(operation, parameters)
    malformed = [sagemaker_validation.step_functions(problem) for problem in found if problem.kind != "constraint"]
    if malformed:
        raise Malformed(
            "The Parameters could not be used to start the Task: [" + ", ".join(dict.fromkeys(malformed)) + "]"
        )
    if found:
        raise Invalid(sagemaker_validation.refusal(found).message)
    return cast("dict[str, Json]", parameters)
