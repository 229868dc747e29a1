"""Reads CreateProcessingJob and CreateTrainingJob requests into the jobs that can run on this machine.

`protocol.sagemaker_validation` checks requests against the API's model. This module rejects the requests that AWS
accepts and this machine can't run (groups of instances, Pipe mode, a built-in algorithm); it never ignores them
silently. Fields that only concern the cluster (roles, disks, networks, tags) have no effect here.

Source: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateProcessingJob.html and
API_CreateTrainingJob.html
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from mlci_dataclasses import dataclass
from mlci_emulator.errors import OperationError
from mlci_emulator.jobs import algorithms
from mlci_emulator.jobs.hosts import MAX_INSTANCES
from mlci_emulator.jobs.image_toolkits import refusal
from mlci_emulator.jobs.training_toolkit import decode_hyperparameter
from mlci_emulator.protocol import sagemaker_validation
from mlci_emulator.protocol.models import Shape, input_shape
from mlci_emulator.store.s3_uris import canonical_s3_uri

if TYPE_CHECKING:
    from mlci_asl import Json


#: Source: API_CreateProcessingJob.html, StoppingCondition; API_StoppingCondition.html. Both default to one day.
DEFAULT_MAX_RUNTIME_S = 24 * 60 * 60
#: Fields of a training job that only AWS supports. The SDK always sets the debugger's hook and the profiler, which only
#: observe; they matter where they have rules, because somebody reads the rules' results.
_UNSUPPORTED_FIELDS = (
    "DebugRuleConfigurations",
    "ProfilerRuleConfigurations",
    "TensorBoardOutputConfig",
    "ServerlessJobConfig",
    "MlflowConfig",
    "ModelPackageConfig",
)
#: The longest time that machines are kept for another job.
#: Source: https://docs.aws.amazon.com/sagemaker/latest/dg/train-warm-pools.html
MAX_KEEP_ALIVE_S = 3_600
#: The distribution of an input's objects to the instances that gives each a part of them.
_SHARDED = "ShardedByS3Key"
#: Source: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CheckpointConfig.html
DEFAULT_CHECKPOINT_FOLDER = "/opt/ml/checkpoints/"
_SCALAR_TYPES = {"string": str, "integer": int, "long": int, "boolean": bool, "float": float, "double": float}


def _nested_shape(shape: Shape) -> Any:
    """Return a shape as nested fields: a name that ends in "!" is required, and None stands for a map of texts."""
    match shape.type_name:
        case "structure":
            return {
                f"{name}!" if name in shape.required_members else name: _nested_shape(member)
                for name, member in shape.members.items()
            }
        case "list":
            return [_nested_shape(shape.member)]
        case kind:
            return _SCALAR_TYPES.get(kind)


#: The shapes of the two requests, for callers that only check the names and types of fields.
PROCESSING: dict[str, Any] = _nested_shape(input_shape("sagemaker", "CreateProcessingJob"))
TRAINING: dict[str, Any] = _nested_shape(input_shape("sagemaker", "CreateTrainingJob"))


class MalformedRequest(Exception):
    """Step Functions rejects these parameters; the text says why."""


class InvalidRequest(Exception):
    """SageMaker rejects the request with a ValidationException; the text is its message."""


class UnsupportedRequest(Exception):
    """AWS accepts the request, and this machine can't run it; the text says what to do."""


@dataclass(frozen=True)
class S3Transfer:
    """The prefix of a processing job's input or output, and its folder in the container.

    Of an input that `is_sharded`, each instance gets a part of the objects.
    """

    name: str
    uri: str
    path: str
    is_continuous: bool = False
    is_sharded: bool = False


@dataclass(frozen=True)
class ProcessingRequest:
    """A processing job that can run here; `api_request` is the request as it was sent.

    Without a `command`, its image starts by itself, with `arguments`.
    """

    name: str
    image: str
    command: tuple[str, ...]
    inputs: tuple[S3Transfer, ...]
    outputs: tuple[S3Transfer, ...]
    environment: Mapping[str, str]
    max_runtime_s: int
    api_request: Mapping[str, Json]
    instance_count: int = 1
    arguments: tuple[str, ...] = ()

    @property
    def is_offline(self) -> bool:
        """True if the job has no network but its own."""
        return bool(_member(self.api_request, "NetworkConfig").get("EnableNetworkIsolation"))


@dataclass(frozen=True)
class Channel:
    """An input of a training job. `config` is its entry in `inputdataconfig.json`."""

    name: str
    uri: str
    config: Mapping[str, Json]

    @property
    def is_sharded(self) -> bool:
        """True if each instance gets a part of the objects."""
        return self.config.get("S3DistributionType") == _SHARDED


@dataclass(frozen=True)
class TrainingRequest:
    """A training job that can run here. `hyperparameters` map names to text, as in the API.

    It is in script mode, or has an entry point, or its image starts by itself, with `arguments`, or else the built-in
    algorithm of the image trains here. Without a script,
    `program` and `code_uri` are "", and there is no training toolkit.

    It is in script mode, or has an entry point; `program` and `code_uri` are "" then, and there is no training toolkit.
    `checkpoints` is the folder that is kept in step with S3, if there is one.
    """

    name: str
    image: str
    program: str
    code_uri: str
    hyperparameters: Mapping[str, str]
    channels: tuple[Channel, ...]
    output_uri: str
    instance: str
    environment: Mapping[str, str]
    max_runtime_s: int
    api_request: Mapping[str, Json]
    checkpoints: S3Transfer | None = None
    instance_count: int = 1
    entrypoint: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()

    @property
    def is_offline(self) -> bool:
        """True if the job has no network but its own."""
        return bool(self.api_request.get("EnableNetworkIsolation"))


def processing(parameters: Json, runs_in_image: Callable[[str], bool] = lambda image: False) -> ProcessingRequest:
    """Read a CreateProcessingJob request. A job on an image that `runs_in_image` may start as its image does.

    Raises:
        MalformedRequest, InvalidRequest, UnsupportedRequest
    """
    request = _checked("CreateProcessingJob", parameters)
    name = cast(str, request["ProcessingJobName"])
    application = _member(request, "AppSpecification")
    entry = cast("list[str]", application.get("ContainerEntrypoint") or [])
    arguments = cast("list[str]", application.get("ContainerArguments") or [])
    if not entry and not runs_in_image(cast(str, application["ImageUri"])):
        raise UnsupportedRequest(
            f'the processing job "{name}" has no ContainerEntrypoint, so it runs its image\'s own entry point, '
            f"that of {application['ImageUri']}, and that needs a container runtime. " + algorithms.WAYS_OUT
        )
    cluster = _member(_member(request, "ProcessingResources"), "ClusterConfig")
    instance_count = _instance_count(name, cluster)
    outputs = tuple(
        _processing_output(fields)
        for fields in cast("list[dict[str, Json]]", _member(request, "ProcessingOutputConfig").get("Outputs", []))
    )
    inputs = tuple(
        _processing_input(fields) for fields in cast("list[dict[str, Json]]", request.get("ProcessingInputs", []))
    )
    # Source: https://github.com/aws/sagemaker-python-sdk/issues/4939 (where SageMaker gives no reason)
    _require_distinct("inputs", "LocalPath", [source.path.rstrip("/") for source in inputs])
    _require_separate_outputs(outputs)
    return ProcessingRequest(
        name,
        cast(str, application["ImageUri"]),
        (*entry, *arguments) if entry else (),
        inputs,
        outputs,
        cast("dict[str, str]", request.get("Environment", {})),
        cast(int, _member(request, "StoppingCondition").get("MaxRuntimeInSeconds", DEFAULT_MAX_RUNTIME_S)),
        request,
        instance_count,
        () if entry else tuple(arguments),
    )


def training(parameters: Json, runs_in_image: Callable[[str], bool] = lambda image: False) -> TrainingRequest:
    """Read a CreateTrainingJob request. A job on an image that `runs_in_image` may start as its image does.

    Raises:
        MalformedRequest, InvalidRequest, UnsupportedRequest
    """
    request = _checked("CreateTrainingJob", parameters)
    name = cast(str, request["TrainingJobName"])
    algorithm = _member(request, "AlgorithmSpecification")
    hyperparameters = cast("dict[str, str]", request.get("HyperParameters", {}))
    image = _training_image(name, algorithm)
    entrypoint = _entrypoint(algorithm)
    program, code_uri = ("", "") if entrypoint else _script(hyperparameters)
    if algorithms.is_algorithm(image) and algorithm.get("MetricDefinitions"):
        raise InvalidRequest(algorithms.OVERRIDE)
    reason = refusal(image, program, hyperparameters) if program else ""
    arguments: tuple[str, ...] = ()
    if not program and not entrypoint and runs_in_image(image):
        # Source: https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-training-algo-dockerfile.html
        arguments = tuple(cast("list[str]", algorithm.get("ContainerArguments") or [])) or ("train",)
    elif not program and not entrypoint:
        reason = _starts_by_itself(request, image)
    if reason:
        raise UnsupportedRequest(f'the training job "{name}": {reason}')
    resources = _resources(name, _member(request, "ResourceConfig"))
    _require_spot_wait_time(request)
    _require_keepable_machines(request)
    for field in _UNSUPPORTED_FIELDS:
        if request.get(field):
            raise UnsupportedRequest(
                f'the training job "{name}" has a {field}, which the local cloud does not do. Drop it.'
            )
    _require_values(name, _member(request, "OutputDataConfig"), {"CompressionType": "GZIP"})
    channels = tuple(
        _channel(fields, cast(str, algorithm["TrainingInputMode"]))
        for fields in cast("list[dict[str, Json]]", request.get("InputDataConfig", []))
    )
    _require_distinct("channels", "ChannelName", [channel.name for channel in channels])
    if program:
        code_uri = _code_location(name, code_uri, channels, bool(request.get("EnableNetworkIsolation")))
    return TrainingRequest(
        name,
        image,
        program,
        code_uri,
        hyperparameters,
        channels,
        s3_uri("OutputDataConfig", _member(request, "OutputDataConfig")["S3OutputPath"]),
        cast(str, resources.get("InstanceType", "local")),
        cast("dict[str, str]", request.get("Environment", {})),
        cast(int, _member(request, "StoppingCondition").get("MaxRuntimeInSeconds", DEFAULT_MAX_RUNTIME_S)),
        request,
        _checkpoints(name, _member(request, "CheckpointConfig")),
        _instance_count(name, resources),
        entrypoint,
        arguments,
    )


def _checkpoints(name: str, config: Mapping[str, Json]) -> S3Transfer | None:
    if not config:
        return None
    path = str(config.get("LocalPath") or DEFAULT_CHECKPOINT_FOLDER)
    parts = [part for part in path.split("/") if part]
    if parts[:2] != ["opt", "ml"] or len(parts) < 3 or ".." in parts or not path.startswith("/"):
        raise UnsupportedRequest(
            f'the training job "{name}" has its checkpoints in "{path}"; locally they are in a folder below /opt/ml.'
        )
    return S3Transfer("checkpoints", s3_uri("CheckpointConfig", config["S3Uri"]), path, is_continuous=True)


def _entrypoint(algorithm: Mapping[str, Json]) -> tuple[str, ...]:
    """Return the command that a request gives in place of `train`."""
    entry = cast("list[str]", algorithm.get("ContainerEntrypoint") or [])
    return (*entry, *cast("list[str]", algorithm.get("ContainerArguments") or [])) if entry else ()


def _training_image(name: str, algorithm: Mapping[str, Json]) -> str:
    """Source: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_AlgorithmSpecification.html"""
    if bool(algorithm.get("TrainingImage")) == bool(algorithm.get("AlgorithmName")):
        raise InvalidRequest("AlgorithmSpecification has to have one of TrainingImage and AlgorithmName, and not both")
    if algorithm.get("AlgorithmName"):
        raise UnsupportedRequest(f'the training job "{name}" runs an algorithm resource, which is not on this machine.')
    return cast(str, algorithm["TrainingImage"])


def _script(hyperparameters: Mapping[str, str]) -> tuple[str, str]:
    """Return the program of a job in script mode, and the URI of its code; ("", "") of a job in no script mode."""
    program = decode_hyperparameter(hyperparameters.get("sagemaker_program", "null"))
    code_uri = decode_hyperparameter(hyperparameters.get("sagemaker_submit_directory", "null"))
    if not isinstance(program, str) or not isinstance(code_uri, str):
        return "", ""
    return program, code_uri


def _starts_by_itself(request: Mapping[str, Json], image: str) -> str:
    """Return why an image that runs no script can't train here, or ""."""
    algorithm = _member(request, "AlgorithmSpecification")
    channels = cast("list[dict[str, str]]", request.get("InputDataConfig", []))
    types = {channel["ChannelName"]: channel.get("ContentType", "") for channel in channels}
    has_command = bool(algorithm.get("ContainerEntrypoint") or algorithm.get("ContainerArguments"))
    count = cast(int, _member(request, "ResourceConfig").get("InstanceCount", 1))
    hyperparameters = cast("dict[str, str]", request.get("HyperParameters", {}))
    return algorithms.refusal(image, has_command, hyperparameters, types, count)


def _code_location(name: str, code: str, channels: tuple[Channel, ...], is_isolated: bool) -> str:
    """Return the URI of the code, which a channel may hold; a container without a network can't fetch it from S3.

    Source: https://docs.aws.amazon.com/sagemaker/latest/dg/mkt-algo-model-internet-free.html
    """
    for channel in channels:
        folder = f"/opt/ml/input/data/{channel.name}/"
        if code.startswith(folder):
            file = code.removeprefix(folder)
            return channel.uri if channel.uri.endswith(f"/{file}") else f"{channel.uri.rstrip('/')}/{file}"
    if is_isolated:
        raise UnsupportedRequest(
            f'the training job "{name}" has EnableNetworkIsolation, so its container can\'t fetch {code}, and on AWS '
            "the job fails. Pass the archive as a channel, and its path in that as sagemaker_submit_directory."
        )
    return code


def _resources(name: str, resources: Mapping[str, Json]) -> Mapping[str, Json]:
    _instance_count(name, resources)
    if "InstanceType" not in resources or "InstanceCount" not in resources:
        raise InvalidRequest("ResourceConfig has to have an InstanceType and an InstanceCount")
    return resources


def _processing_input(request: Mapping[str, Json]) -> S3Transfer:
    name = cast(str, request["InputName"])
    if request.get("DatasetDefinition") is not None or request.get("S3Input") is None:
        raise UnsupportedRequest(f'the input "{name}" does not come from S3; the local cloud reads S3Input only.')
    source = _member(request, "S3Input")
    _require_values(name, source, {"S3InputMode": "File", "S3CompressionType": "None", "S3DataType": "S3Prefix"})
    path = _container_path(name, source.get("LocalPath"))
    is_sharded = source.get("S3DataDistributionType") == _SHARDED
    return S3Transfer(name, s3_uri(name, source["S3Uri"]), path, is_sharded=is_sharded)


def _processing_output(request: Mapping[str, Json]) -> S3Transfer:
    name = cast(str, request["OutputName"])
    if request.get("FeatureStoreOutput") is not None or request.get("S3Output") is None:
        raise UnsupportedRequest(f'the output "{name}" does not go to S3; the local cloud writes S3Output only.')
    target = _member(request, "S3Output")
    is_continuous = target.get("S3UploadMode") == "Continuous"
    return S3Transfer(
        name, s3_uri(name, target["S3Uri"]), _container_path(name, target.get("LocalPath")), is_continuous
    )


def _channel(request: Mapping[str, Json], mode: str) -> Channel:
    name = cast(str, request["ChannelName"])
    source = _member(request, "DataSource").get("S3DataSource")
    if not isinstance(source, dict):
        raise UnsupportedRequest(
            f'the channel "{name}" does not come from S3; the local cloud reads S3DataSource only.'
        )
    _require_values(name, source, {"S3DataType": "S3Prefix"})
    for field in ("ModelAccessConfig", "HubAccessConfig"):
        if source.get(field):
            raise UnsupportedRequest(f'the channel "{name}" has a {field}; the local cloud reads the store only.')
    _require_values(name, request, {"CompressionType": "None", "RecordWrapperType": "None"})
    if request.get("InputMode", mode) not in ("File", "FastFile"):  # a script sees files either way
        raise UnsupportedRequest(
            f'the channel "{name}" is in {request.get("InputMode", mode)} mode; locally there are files.'
        )
    # Source: https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-training-algo-running-container.html
    config: dict[str, Json] = {
        "TrainingInputMode": request.get("InputMode", mode),
        "S3DistributionType": source.get("S3DataDistributionType", "FullyReplicated"),
        "RecordWrapperType": "None",
    }
    if "ContentType" in request:
        config["ContentType"] = request["ContentType"]
    return Channel(name, s3_uri(name, source["S3Uri"]), config)


def s3_uri(name: str, uri: Json) -> str:
    """Return the `s3://` URI of an input or output, which may be a URL of S3.

    Raises: InvalidRequest
    """
    try:
        return canonical_s3_uri(str(uri))
    except OperationError as error:
        raise InvalidRequest(f'"{name}": {error}') from error


def _require_distinct(what: str, field: str, values: list[str]) -> None:
    for value in values:
        if values.count(value) > 1:
            raise InvalidRequest(f'two {what} have the {field} "{value}"')


def _require_separate_outputs(outputs: Sequence[S3Transfer]) -> None:
    """Reject outputs with the same files: SageMaker documents no order or content of their uploads."""
    folders = [f"{re.sub('/+', '/', output.path).rstrip('/')}/" for output in outputs]
    for (one, folder), (other, inner) in itertools.permutations(zip(outputs, folders, strict=True), 2):
        if inner.startswith(folder):
            raise UnsupportedRequest(
                f'the LocalPath of the output "{other.name}" ({other.path}) is that of the output "{one.name}" '
                f"({one.path}) or below it, which the local cloud does not do. Give each output a folder of its own."
            )


def _require_spot_wait_time(request: Mapping[str, Json]) -> None:
    """Source: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_StoppingCondition.html"""
    condition = _member(request, "StoppingCondition")
    wait = cast("int | None", condition.get("MaxWaitTimeInSeconds"))
    runtime = cast(int, condition.get("MaxRuntimeInSeconds", DEFAULT_MAX_RUNTIME_S))
    if request.get("EnableManagedSpotTraining") and (wait is None or wait < runtime):
        raise InvalidRequest("managed spot training needs a MaxWaitTimeInSeconds that is at least MaxRuntimeInSeconds")


def _require_keepable_machines(request: Mapping[str, Json]) -> None:
    """Source: https://docs.aws.amazon.com/sagemaker/latest/dg/train-warm-pools.html#train-warm-pools-considerations"""
    seconds = cast(int, _member(request, "ResourceConfig").get("KeepAlivePeriodInSeconds") or 0)
    if seconds > MAX_KEEP_ALIVE_S:
        raise InvalidRequest(f"KeepAlivePeriodInSeconds is {seconds}; a warm pool waits for at most {MAX_KEEP_ALIVE_S}")
    if seconds and request.get("EnableManagedSpotTraining"):
        raise InvalidRequest("a warm pool (KeepAlivePeriodInSeconds) cannot be used with spot instances")


def _instance_count(name: str, cluster: Mapping[str, Json]) -> int:
    if cluster.get("InstanceGroups"):
        raise UnsupportedRequest(
            f'the job "{name}" asks for groups of instances, which the local cloud does not do. '
            "Use instances of one type (`instance_count`)."
        )
    count = cast(int, cluster.get("InstanceCount", 1))
    if not 1 <= count <= MAX_INSTANCES:
        raise UnsupportedRequest(
            f'the job "{name}" asks for {count} instances; the local cloud starts 1 to {MAX_INSTANCES}. '
            "Use fewer for local runs (`instance_count`)."
        )
    return count


def _require_values(name: str, request: Mapping[str, Json], supported: Mapping[str, str]) -> None:
    for field, value in supported.items():
        if request.get(field, value) != value:
            raise UnsupportedRequest(
                f'"{name}" has {field} {request[field]}; the local cloud does {field} {value} only.'
            )


def _container_path(name: str, path: Json) -> str:
    parts = str(path or "").split("/")
    if parts[:4] != ["", "opt", "ml", "processing"] or ".." in parts:
        raise InvalidRequest(f'LocalPath of "{name}" is "{path or ""}"; it has to be a path under /opt/ml/processing')
    return str(path)


def _member(request: Mapping[str, Json], name: str) -> Mapping[str, Json]:
    return cast("dict[str, Json]", request.get(name) or {})


def _checked(operation: str, parameters: Json) -> Mapping[str, Json]:
    """Return the parameters if the API accepts them.

    Source of the wording: https://github.com/aws/aws-step-functions-data-science-sdk-python/issues/15
    """
    found = sagemaker_validation.problems(operation, parameters)
    malformed = [sagemaker_validation.step_functions_text(problem) for problem in found if not problem.is_constraint]
    if malformed:
        raise MalformedRequest(
            "The Parameters could not be used to start the Task: [" + ", ".join(dict.fromkeys(malformed)) + "]"
        )
    if found:
        raise InvalidRequest(sagemaker_validation.rejection(found).message)
    return cast("dict[str, Json]", parameters)
