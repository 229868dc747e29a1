"""The Lambda functions that were created in moto, for Invoke, which runs them as processes instead of in Docker."""

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
    from mlci_emulator.server.moto_services.moto_server import MotoServer


class MotoFunctions:
    """Finds functions that were created in moto, and unpacks their code in `folder` when it is first needed."""

    def __init__(self, moto: MotoServer, folder: Path) -> None:
        self._moto, self._folder = moto, folder
        self._lock = threading.Lock()

    def find(self, name: str, region: str) -> FunctionCode | None:
        """Return the function of a name or an ARN; None if there is no such function.

        Raises: ApiError, for a function that cannot run here.
        """
        read = parse_function_name(name)
        if read is None:
            return None
        with self._moto.backend("lambda", read.region or region) as backend:
            function = _get_function(backend, read.name, read.qualifier)
            if function is None:
                return None
            _expect_runnable(function)
            return FunctionCode(
                read.name,
                self._unpacked(function.code_bytes, str(function.code_sha_256)),
                function.handler,
                timeout_s=float(function.timeout),
                memory_mb=int(function.memory_size),
                environment=dict(function.environment_vars),
                version=str(function.version),
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


class _MotoFunction(Protocol):
    """The attributes of moto's LambdaFunction that are used."""

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


def _get_function(backend: Any, name: str, qualifier: str | None) -> _MotoFunction | None:
    from moto.awslambda.exceptions import LambdaClientError, UnknownFunctionException

    try:
        function: _MotoFunction = backend.get_function(name, qualifier)
    except (UnknownFunctionException, LambdaClientError):
        return None
    return function


def _expect_runnable(function: _MotoFunction) -> None:
    what = None
    if function.package_type == "Image":
        what = "a container image: there is no Docker here. Give it a zip file with a Python handler."
    elif not (function.run_time or "").startswith("python"):
        what = f"the runtime {function.run_time}: only Python functions run here."
    elif function.layers:
        what = "layers: put what is in them into the function's zip file."
    if what is not None:
        raise ApiError("InvalidRequestContentException", f"mlci serve does not run functions with {what}", 501)
