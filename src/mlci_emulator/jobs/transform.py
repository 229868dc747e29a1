"""Prepares the process of a transform job (files, environment, command), and reads and uploads its results.

On SageMaker the model's container is a web server that gets the records of each object. Here `inference.py` calls the
model's own script with them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from mlci_emulator.jobs import failure_reason, inference
from mlci_emulator.jobs.algorithms import XGBOOST
from mlci_emulator.jobs.contained_files import walk
from mlci_emulator.jobs.containers import ContainerCommand, base_environment, write_json
from mlci_emulator.jobs.image_toolkits import repository_of
from mlci_emulator.jobs.python_overlay import JobPython
from mlci_emulator.jobs.transfer import TransferFailed, download, unpack, upload
from mlci_emulator.jobs.transform_request import TransformRequest
from mlci_emulator.jobs.workspace import Workspace
from mlci_emulator.store.directory import DirectoryStore

#: The name of the only input file of an endpoint's invocation.
PAYLOAD = "payload"


def prepare_folder(
    request: TransformRequest,
    space: Workspace,
    store: DirectoryStore,
    is_stopped: Callable[[], bool],
    payload: bytes | None = None,
) -> str:
    """Fill the job's folder, which the container sees as `/opt/ml`, and return the path of the request in it.

    A payload is the only file of the input; without one, the input is downloaded.

    Raises: TransferFailed
    """
    code, folder = space.ml / "model" / "code", space.ml / "transform"
    _prepare_model(request, space, store, is_stopped)
    if request.code_uri is not None:
        code = space.ml / "code"
        unpack(store, request.code_uri, code, space.temporary)
    if request.program is not None and not (code / request.program).is_file():
        source = request.code_uri or f"the folder code of {request.model.uri}"
        raise TransferFailed(
            f'ClientError: there is no "{request.program}" in {source}. Only models with an inference script of their '
            "own can run here: the algorithms that images bring are not on this machine."
        )
    if payload is None:
        download(store, request.source_uri, folder / "input", is_stopped)
    else:
        (folder / "input").mkdir(parents=True)
        (folder / "input" / PAYLOAD).write_bytes(payload)
    (folder / "output").mkdir()
    inputs = [file.name for file in walk(space.ml, ["transform", "input"])]
    write_json(folder / "request.json", _inference_request(request, inputs, code.relative_to(space.ml).as_posix()))
    return "/opt/ml/transform/request.json"


def _inference_request(request: TransformRequest, inputs: list[str], code: str) -> dict[str, Any]:
    """Return the request that `inference.py` reads."""
    return {
        "inputs": inputs,
        "code": code,
        "program": request.program,
        "toolkit": _toolkit(request.model.image),
        "content_type": request.content_type,
        "accept": request.accept,
        "split": request.split,
        "strategy": request.strategy,
        "assemble": request.assemble,
        "max_bytes": request.max_bytes,
        "timeout_s": request.timeout_s,
        "filters": dict(request.filters) if request.filters is not None else None,
    }


def _toolkit(image: str) -> str:
    """Return the name of the image's default handlers that `inference.py` has; "" for those of the toolkit."""
    if repository_of(image) == XGBOOST:
        return "xgboost"
    return "scikit-learn" if "scikit-learn" in image else ""


def _prepare_model(
    request: TransformRequest, space: Workspace, store: DirectoryStore, is_stopped: Callable[[], bool]
) -> None:
    model = space.ml / "model"
    if request.model.uri is None:
        model.mkdir()
    elif request.model.is_archive:
        unpack(store, request.model.uri, model, space.temporary)
    else:
        download(store, request.model.uri, model, is_stopped)


def container_command(
    request: TransformRequest, request_file: str, host: Mapping[str, str], python: JobPython, temporary: Path
) -> ContainerCommand:
    """Return the command that transforms the files of the request."""
    environment = {
        **base_environment(host, python, temporary),
        "SAGEMAKER_BATCH": "true",
        "SM_MODEL_DIR": "/opt/ml/model",
        **request.environment,
    }
    return ContainerCommand((python.executable, inference.__file__, request_file), environment, "/opt/ml")


def upload_outputs(request: TransformRequest, space: Workspace, store: DirectoryStore) -> None:
    """Upload the output of each transformed file."""
    upload(store, [(["transform", "output"], request.output_uri)], space.ml)


def response(space: Workspace) -> tuple[bytes, str] | None:
    """Return the model's response to the payload and its content type; None if it failed."""
    output, types = space.read(f"/opt/ml/transform/output/{PAYLOAD}.out"), space.read("/opt/ml/transform/types.json")
    if output is None or types is None:
        return None
    return output, str(json.loads(types)[PAYLOAD])


def job_failure_reason(exit_code: int, space: Workspace, log_tail: str, hint: str) -> str:
    """Return the failure reason: the first failure, or else the log's end."""
    failure = first_failure(space)
    if failure is None:
        return failure_reason.processing(exit_code, log_tail, hint)
    kind, text = failure
    return f"{kind}: See job logs for more information\n{text}\n{hint}".rstrip()[: failure_reason.LIMIT]


def first_failure(space: Workspace) -> tuple[str, str] | None:
    """Return the kind of the first failure (ClientError or AlgorithmError) and its message; None if nothing failed."""
    try:
        kind, text = json.loads(space.read("/opt/ml/transform/failure.json") or b"")
    except ValueError:
        return None
    return kind, text
