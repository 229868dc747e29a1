"""The Lambda functions that moto keeps, for Invoke, which runs them here as processes instead of in Docker."""

from __future__ import annotations

import io
import re
import threading
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from mlci_emulator.protocol.operations import ApiError
from mlci_emulator.services.lambda_functions import FunctionCode
from mlci_emulator.services.lambda_functions.function_code import parse_function_name

if TYPE_CHECKING:
    from mlci_emulator.server.moto_services.backend import Moto


class MotoFunctions:
    """Finds functions that were created in moto; their code is unpacked in `folder` when it is first needed."""

    def __init__(self, moto: Moto, folder: Path) -> None:
        self._moto, self._folder = moto, folder
        self._lock = threading.Lock()

    def find(self, name: str, region: str) -> FunctionCode | None:
        """The function that a name or an ARN means, or None where there is none.

        Raises: ApiError, for one that can't run here.
        """
        read = parse_function_name(name)
        if read is None:
            return None
        with self._moto.backend("lambda", read.region or region) as backend:
            kept = _kept(backend, read.name, read.qualifier)
            if kept is None:
                return None
            _refuse_what_cannot_run(kept)
            return FunctionCode(
                read.name,
                self._unpacked(kept.code_bytes, str(kept.code_sha_256)),
                kept.handler,
                timeout_s=float(kept.timeout),
                memory_mb=int(kept.memory_size),
                environment=dict(kept.environment_vars),
                version=str(kept.version),
            )

    def _unpacked(self, code: bytes, digest: str) -> Path:
        folder = self._folder / re.sub(r"[^A-Za-z0-9]", "", digest)
        with self._lock:
            if not folder.exists():
                unfinished = folder.with_suffix(".unfinished")
                with zipfile.ZipFile(io.BytesIO(code)) as archive:
                    archive.extractall(unfinished)
                unfinished.rename(folder)
        return folder


class _Kept(Protocol):
    """What is used of moto's LambdaFunction."""

    code_bytes: bytes
    code_sha_256: str
    handler: str
    timeout: int
    memory_size: int
    environment_vars: Mapping[str, str]
    version: int | str
    package_type: str
    run_time: str | None
    layers: list[Any]


def _kept(backend: Any, name: str, qualifier: str | None) -> _Kept | None:
    from moto.awslambda.exceptions import LambdaClientError, UnknownFunctionException

    try:
        found: _Kept = backend.get_function(name, qualifier)
    except (UnknownFunctionException, LambdaClientError):
        return None
    return found


def _refuse_what_cannot_run(kept: _Kept) -> None:
    what = None
    if kept.package_type == "Image":
        what = "a container image: there is no Docker here. Give it a zip file with a Python handler."
    elif not (kept.run_time or "").startswith("python"):
        what = f"the runtime {kept.run_time}: only Python functions run here."
    elif kept.layers:
        what = "layers: put what is in them into the function's zip file."
    if what is not None:
        raise ApiError("InvalidRequestContentException", f"mlci serve does not run functions with {what}", 501)
