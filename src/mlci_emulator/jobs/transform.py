"""The container of a transform job: what can run here, its files and command, and what becomes of its outputs.

On SageMaker the model's container is a web server that gets the records of each object; here `inference.py` calls the
model's own script with them.

Sources: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateTransformJob.html;
sagemaker-inference-toolkit, environment.py and parameters.py (which script).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlci_emulator.jobs import failure_reason, inference
from mlci_emulator.jobs.containers import Container, base_environment, write_json
from mlci_emulator.jobs.requests import CannotRunHere, Invalid
from mlci_emulator.jobs.transfer import TransferFailed, download, files, unpack, upload
from mlci_emulator.jobs.workspace import Workspace
from mlci_emulator.store.directory import DirectoryStore

#: Source: API_CreateTransformJob.html, MaxPayloadInMB; API_ModelClientConfig.html, InvocationsTimeoutInSeconds.
DEFAULTPAYLOAD_MB, LARGESTPAYLOAD_MB, MEGABYTE = 6, 100, 1024 * 1024
DEFAULT_TIMEOUT_S = 600
#: Source: https://docs.aws.amazon.com/general/latest/gr/sagemaker.html, "Longest run time for a transform job": 5 days.
MAX_RUNTIME_S = 5 * 24 * 60 * 60
PAYLOAD = "payload"
_IN_MODEL = ("/opt/ml/model/code", "file:///opt/ml/model/code")


@dataclass(frozen=True)
class ModelFiles:
    """What a model is made of: its archive, or a prefix with its files."""

    name: str
    image: str
    uri: str | None
    is_archive: bool
    environment: Mapping[str, str]


@dataclass(frozen=True)
class TransformRequest:
    """A transform job that can run here. `filters` are None where records pass through as they are."""

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
    def program(self) -> str:
        return self.environment.get("SAGEMAKER_PROGRAM", "inference.py")

    @property
    def code_uri(self) -> str | None:
        """Where the script comes from; None where it lies in the model."""
        given = self.environment.get("SAGEMAKER_SUBMIT_DIRECTORY", _IN_MODEL[0])
        return None if given.rstrip("/") in _IN_MODEL else given


def model_files(given: Mapping[str, Any]) -> ModelFiles:
    """What a CreateModel request's container needs.

    Raises: CannotRunHere
    """
    name = given["ModelName"]
    containers = [given["PrimaryContainer"]] if given.get("PrimaryContainer") else given.get("Containers") or []
    if len(containers) != 1:
        raise CannotRunHere(f'the model "{name}" has {len(containers)} containers; the local cloud runs one.')
    (container,) = containers
    for field in ("ModelPackageName", "MultiModelConfig", "AdditionalModelDataSources"):
        if container.get(field):
            raise CannotRunHere(f'the model "{name}" has a {field}, which the local cloud does not run.')
    if container.get("Mode", "SingleModel") != "SingleModel":
        raise CannotRunHere(f'the model "{name}" has the mode {container["Mode"]}; the local cloud runs SingleModel.')
    environment = container.get("Environment") or {}
    source = (container.get("ModelDataSource") or {}).get("S3DataSource")
    if source is None:
        return ModelFiles(name, container.get("Image", ""), container.get("ModelDataUrl"), True, environment)
    is_archive = source["CompressionType"] == "Gzip"
    if is_archive != (source["S3DataType"] == "S3Object") or source.get("ManifestS3Uri"):
        raise CannotRunHere(f'the model "{name}" is neither one archive nor a prefix with its files.')
    return ModelFiles(name, container.get("Image", ""), source["S3Uri"], is_archive, environment)


def read(given: Mapping[str, Any], model: ModelFiles) -> TransformRequest:
    """A CreateTransformJob request that the API takes.

    Raises: Invalid, CannotRunHere
    """
    name = given["TransformJobName"]
    if given["TransformResources"]["InstanceCount"] != 1:
        raise CannotRunHere(f'the transform job "{name}" asks for several instances; the local cloud is one.')
    if given.get("DataCaptureConfig"):
        raise CannotRunHere(f'the transform job "{name}" has a DataCaptureConfig, which the local cloud does not do.')
    source, target = given["TransformInput"], given["TransformOutput"]
    data = source["DataSource"]["S3DataSource"]
    for field, value, plain in (
        ("S3DataType", data["S3DataType"], ("S3Prefix",)),
        ("CompressionType", source.get("CompressionType", "None"), ("None",)),
        ("SplitType", source.get("SplitType", "None"), ("None", "Line")),
    ):
        if value not in plain:
            raise CannotRunHere(f'"{name}" has {field} {value}; the local cloud does {field} {" and ".join(plain)}.')
    request = TransformRequest(
        name,
        model,
        data["S3Uri"],
        target["S3OutputPath"],
        source.get("ContentType"),
        target.get("Accept") or model.environment.get("SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT", inference.JSON),
        source.get("SplitType", "None"),
        given.get("BatchStrategy", "MultiRecord"),
        target.get("AssembleWith", "None"),
        _max_bytes(given),
        (given.get("ModelClientConfig") or {}).get("InvocationsTimeoutInSeconds", DEFAULT_TIMEOUT_S),
        _filters(given),
        {**model.environment, **(given.get("Environment") or {})},
    )
    if request.filters is not None:
        _expect_associable(request)
    return request


def _max_bytes(given: Mapping[str, Any]) -> int:
    size = given.get("MaxPayloadInMB", DEFAULTPAYLOAD_MB)
    if size * max(1, given.get("MaxConcurrentTransforms", 1)) > LARGESTPAYLOAD_MB:
        raise Invalid(f"MaxConcurrentTransforms * MaxPayloadInMB can't be more than {LARGESTPAYLOAD_MB} MB")
    return int(size) * MEGABYTE


def _filters(given: Mapping[str, Any]) -> dict[str, Any] | None:
    """None where nothing is filtered or joined. Source: API_DataProcessing.html"""
    fields = given.get("DataProcessing") or {}
    filters = {"input": fields.get("InputFilter", "$"), "output": fields.get("OutputFilter", "$")}
    for field, path in filters.items():
        if inference.steps(path) is None:
            raise CannotRunHere(
                f'the {field.capitalize()}Filter "{path}" is not one that the local cloud knows: it takes names, '
                "indexes, *, and slices without an end."
            )
    joins = fields.get("JoinSource", "None") == "Input"
    return {**filters, "joins": joins} if joins or set(filters.values()) != {"$"} else None


def _expect_associable(request: TransformRequest) -> None:
    kinds = (inference.CSV, inference.JSON, inference.JSON_LINES)
    if request.content_type not in kinds or request.accept not in kinds:
        raise Invalid(f"DataProcessing needs a ContentType and an Accept of {', '.join(kinds)}")
    lines = {request.split, request.assemble} == {"Line"}
    if (inference.CSV in (request.content_type, request.accept) and not lines) or request.split != request.assemble:
        raise Invalid("DataProcessing needs SplitType and AssembleWith to be Line (or, for JSON, both None)")


def fill(
    request: TransformRequest,
    space: Workspace,
    store: DirectoryStore,
    is_stopped: Callable[[], bool],
    payload: bytes | None = None,
) -> str:
    """Make the job's folder what the container finds as `/opt/ml`; where the order lies in there.

    With a payload, that is the one file of the input.

    Raises: TransferFailed
    """
    code, place = space.ml / "model" / "code", space.ml / "transform"
    _fill_model(request, space, store, is_stopped)
    if request.code_uri is not None:
        code = space.ml / "code"
        unpack(store, request.code_uri, code, space.temporary)
    if not (code / request.program).is_file():
        where = request.code_uri or f"the folder code of {request.model.uri}"
        raise TransferFailed(
            f'ClientError: there is no "{request.program}" in {where}. Only models with an inference script of their '
            "own can run here: the algorithms that images bring are not on this machine."
        )
    if payload is None:
        download(store, request.source_uri, place / "input", is_stopped)
    else:
        (place / "input").mkdir(parents=True)
        (place / "input" / PAYLOAD).write_bytes(payload)
    (place / "output").mkdir()
    order: dict[str, Any] = {
        "inputs": [name for name, _ in files(place / "input", space.ml)],
        "code": code.relative_to(space.ml).as_posix(),
        "program": request.program,
        "is_scikit_learn": "scikit-learn" in request.model.image,
        "content_type": request.content_type,
        "accept": request.accept,
        "split": request.split,
        "strategy": request.strategy,
        "assemble": request.assemble,
        "max_bytes": request.max_bytes,
        "timeout_s": request.timeout_s,
        "filters": dict(request.filters) if request.filters is not None else None,
    }
    write_json(place / "order.json", order)
    return "/opt/ml/transform/order.json"


def _fill_model(
    request: TransformRequest, space: Workspace, store: DirectoryStore, is_stopped: Callable[[], bool]
) -> None:
    model = space.ml / "model"
    if request.model.uri is None:
        model.mkdir()
    elif request.model.is_archive:
        unpack(store, request.model.uri, model, space.temporary)
    else:
        download(store, request.model.uri, model, is_stopped)


def container(
    request: TransformRequest, order: str, host: Mapping[str, str], python: str, temporary: Path
) -> Container:
    """What to run."""
    environment = {
        **base_environment(host, python, temporary),
        "SAGEMAKER_BATCH": "true",
        "SM_MODEL_DIR": "/opt/ml/model",
        **request.environment,
    }
    return Container((python, inference.__file__, order), environment, "/opt/ml")


def keep(request: TransformRequest, space: Workspace, store: DirectoryStore) -> None:
    """Upload what became of each file that went well."""
    upload(store, [(space.ml / "transform" / "output", request.output_uri)], space.ml)


def answer(space: Workspace) -> tuple[bytes, str] | None:
    """What became of the payload, and its type; None where it went wrong."""
    place = space.ml / "transform"
    file = place / "output" / f"{PAYLOAD}.out"
    if not file.is_file():
        return None
    types: dict[str, str] = json.loads((place / "types.json").read_text(encoding="utf-8"))
    return file.read_bytes(), types[PAYLOAD]


def reason(exit_code: int, space: Workspace, tail: str, advice: str) -> str:
    """Why the job failed: the first problem, or else its log's end."""
    found = failure(space)
    if found is None:
        return failure_reason.processing(exit_code, tail, advice)
    kind, text = found
    return f"{kind}: See job logs for more information\n{text}\n{advice}".rstrip()[: failure_reason.LIMIT]


def failure(space: Workspace) -> tuple[str, str] | None:
    """The first problem, and whose it is: ClientError or AlgorithmError."""
    try:
        kind, text = json.loads((space.ml / "transform" / "failure.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return kind, text
