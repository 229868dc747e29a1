"""Reads CreateModel and CreateTransformJob requests into the transform jobs that can run on this machine.

`protocol.sagemaker_validation` checks requests against the API's model. This module rejects the requests that AWS
accepts and this machine can't run.

Sources: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateTransformJob.html;
sagemaker-inference-toolkit, environment.py and parameters.py (which script).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mlci_dataclasses import dataclass
from mlci_emulator.jobs import inference
from mlci_emulator.jobs.algorithms import XGBOOST, is_algorithm
from mlci_emulator.jobs.image_toolkits import repository_of
from mlci_emulator.jobs.requests import InvalidRequest, UnsupportedRequest, s3_uri

#: Source: API_CreateTransformJob.html, MaxPayloadInMB; API_ModelClientConfig.html, InvocationsTimeoutInSeconds.
DEFAULT_PAYLOAD_MB, MAX_PAYLOAD_MB, MEGABYTE = 6, 100, 1024 * 1024
DEFAULT_TIMEOUT_S = 600
#: Source: https://docs.aws.amazon.com/general/latest/gr/sagemaker.html, "Longest run time for a transform job": 5 days.
MAX_RUNTIME_S = 5 * 24 * 60 * 60
_IN_MODEL = ("/opt/ml/model/code", "file:///opt/ml/model/code")


@dataclass(frozen=True)
class ModelFiles:
    """The files of a model: an archive, or a prefix with its files. One that `is_offline` is run without a network."""

    name: str
    image: str
    uri: str | None
    is_archive: bool
    environment: Mapping[str, str]
    is_offline: bool = False


@dataclass(frozen=True)
class TransformRequest:
    """A transform job that can run here. `filters` is None where records pass through unchanged."""

    name: str
    model: ModelFiles
    source_uri: str
    output_uri: str
    content_type: str | None
    accept: str
    split: str
    strategy: str
    assemble: str
    max_bytes: int
    timeout_s: int
    filters: Mapping[str, Any] | None
    environment: Mapping[str, str]
    max_runtime_s: int = MAX_RUNTIME_S

    @property
    def program(self) -> str | None:
        """Return the name of the script that serves the model; None if the image serves it by itself, as XGBoost's."""
        default = None if repository_of(self.model.image) == XGBOOST else "inference.py"
        return self.environment.get("SAGEMAKER_PROGRAM", default)

    @property
    def code_uri(self) -> str | None:
        """Return the URI of the script's archive; None if the script is part of the model."""
        uri = self.environment.get("SAGEMAKER_SUBMIT_DIRECTORY", _IN_MODEL[0])
        return None if uri.rstrip("/") in _IN_MODEL else uri


def model_files(request: Mapping[str, Any]) -> ModelFiles:
    """Read the only container of a CreateModel request.

    Raises: UnsupportedRequest
    """
    name = request["ModelName"]
    containers = [request["PrimaryContainer"]] if request.get("PrimaryContainer") else request.get("Containers") or []
    if len(containers) != 1:
        raise UnsupportedRequest(f'the model "{name}" has {len(containers)} containers; the local cloud runs one.')
    (container,) = containers
    for field in ("ModelPackageName", "MultiModelConfig", "AdditionalModelDataSources"):
        if container.get(field):
            raise UnsupportedRequest(f'the model "{name}" has a {field}, which the local cloud does not run.')
    if container.get("Mode", "SingleModel") != "SingleModel":
        mode = container["Mode"]
        raise UnsupportedRequest(f'the model "{name}" has the mode {mode}; the local cloud runs SingleModel.')
    environment, is_offline = container.get("Environment") or {}, request.get("EnableNetworkIsolation") is True
    source = (container.get("ModelDataSource") or {}).get("S3DataSource")
    if source is None:
        url = container.get("ModelDataUrl")
        uri = s3_uri(name, url) if url else None
        return ModelFiles(name, container.get("Image", ""), uri, True, environment, is_offline)
    is_archive = source["CompressionType"] == "Gzip"
    if is_archive != (source["S3DataType"] == "S3Object") or source.get("ManifestS3Uri"):
        raise UnsupportedRequest(f'the model "{name}" is neither one archive nor a prefix with its files.')
    uri = s3_uri(name, source["S3Uri"])
    return ModelFiles(name, container.get("Image", ""), uri, is_archive, environment, is_offline)


def transform(request: Mapping[str, Any], model: ModelFiles) -> TransformRequest:
    """Read a CreateTransformJob request that conforms to the API's model.

    Raises: InvalidRequest, UnsupportedRequest
    """
    name = request["TransformJobName"]
    _require_supported(name, request)
    if is_algorithm(model.image) and repository_of(model.image) != XGBOOST:
        what = f"the built-in algorithm {repository_of(model.image)}, which runs on AWS alone. Use --cloud aws."
        raise UnsupportedRequest(f'the transform job "{name}" has a model of {what}')
    source, target = request["TransformInput"], request["TransformOutput"]
    job = TransformRequest(
        name,
        model,
        s3_uri(name, source["DataSource"]["S3DataSource"]["S3Uri"]),
        s3_uri(name, target["S3OutputPath"]),
        source.get("ContentType"),
        target.get("Accept") or model.environment.get("SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT", inference.JSON),
        source.get("SplitType", "None"),
        request.get("BatchStrategy", "MultiRecord"),
        target.get("AssembleWith", "None"),
        _max_bytes(request),
        (request.get("ModelClientConfig") or {}).get("InvocationsTimeoutInSeconds", DEFAULT_TIMEOUT_S),
        _filters(request),
        {**model.environment, **(request.get("Environment") or {})},
    )
    if job.filters is not None:
        _require_associable(job)
    return job


def _require_supported(name: str, request: Mapping[str, Any]) -> None:
    if request.get("DataCaptureConfig"):
        message = f'the transform job "{name}" has a DataCaptureConfig, which the local cloud does not do.'
        raise UnsupportedRequest(message)
    source = request["TransformInput"]
    for field, value, supported in (
        ("S3DataType", source["DataSource"]["S3DataSource"]["S3DataType"], ("S3Prefix",)),
        ("CompressionType", source.get("CompressionType", "None"), ("None",)),
        ("SplitType", source.get("SplitType", "None"), ("None", "Line")),
    ):
        if value not in supported:
            values = " and ".join(supported)
            raise UnsupportedRequest(f'"{name}" has {field} {value}; the local cloud does {field} {values}.')


def _max_bytes(request: Mapping[str, Any]) -> int:
    size = request.get("MaxPayloadInMB", DEFAULT_PAYLOAD_MB)
    if size * max(1, request.get("MaxConcurrentTransforms", 1)) > MAX_PAYLOAD_MB:
        raise InvalidRequest(f"MaxConcurrentTransforms * MaxPayloadInMB can't be more than {MAX_PAYLOAD_MB} MB")
    return int(size) * MEGABYTE


def _filters(request: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the filters; None where nothing is filtered or joined. Source: API_DataProcessing.html"""
    fields = request.get("DataProcessing") or {}
    filters = {"input": fields.get("InputFilter", "$"), "output": fields.get("OutputFilter", "$")}
    for field, path in filters.items():
        if inference.path_steps(path) is None:
            raise UnsupportedRequest(
                f'the {field.capitalize()}Filter "{path}" is not one that the local cloud knows: it takes names, '
                "indexes, *, and slices without an end."
            )
    joins = fields.get("JoinSource", "None") == "Input"
    return {**filters, "joins": joins} if joins or set(filters.values()) != {"$"} else None


def _require_associable(job: TransformRequest) -> None:
    types = (inference.CSV, inference.JSON, inference.JSON_LINES)
    if job.content_type not in types or job.accept not in types:
        raise InvalidRequest(f"DataProcessing needs a ContentType and an Accept of {', '.join(types)}")
    is_by_line = {job.split, job.assemble} == {"Line"}
    if (inference.CSV in (job.content_type, job.accept) and not is_by_line) or job.split != job.assemble:
        raise InvalidRequest("DataProcessing needs SplitType and AssembleWith to be Line (or, for JSON, both None)")
