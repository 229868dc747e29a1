"""Prepares the process of an endpoint (files, environment, command), and waits until it responds.

The process is `serving.py`, which calls the model's own script.
"""

from __future__ import annotations

import contextlib
import http.client
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from mlci_emulator.jobs import serving, transform
from mlci_emulator.jobs.containers import ContainerCommand, base_environment
from mlci_emulator.jobs.python_overlay import JobPython
from mlci_emulator.jobs.transform_request import TransformRequest
from mlci_emulator.jobs.workspace import Workspace
from mlci_emulator.store.directory import DirectoryStore

_PORT_FILE = f"/opt/ml/transform/{serving.PORT_FILE}"
_LOOK_S, _PING_S = 0.05, 2.0


def prepare_folder(
    request: TransformRequest, space: Workspace, store: DirectoryStore, is_stopped: Callable[[], bool]
) -> str:
    """Fill the container's folder with the model and its script, and return the path of the request in it.

    Raises: TransferFailed
    """
    return transform.prepare_folder(request, space, store, is_stopped, payload=b"")


def container_command(
    request: TransformRequest, request_file: str, host: Mapping[str, str], python: JobPython, temporary: Path
) -> ContainerCommand:
    """Return the command that serves the model."""
    environment = {**base_environment(host, python, temporary), "SM_MODEL_DIR": "/opt/ml/model", **request.environment}
    return ContainerCommand((python.executable, "-u", serving.__file__, request_file), environment, "/opt/ml")


def wait_for_ping(space: Workspace, is_over: Callable[[float], bool], timeout_s: float) -> int | None:
    """Return the port of a container once it responds to /ping; None if it does not in time.

    `is_over` waits so many seconds, and returns True if the container has ended.
    """
    until = time.monotonic() + timeout_s
    while time.monotonic() < until and not is_over(_LOOK_S):
        port = space.read(_PORT_FILE, 16)
        if port is not None and _responds(int(port)):
            return int(port)
    return None


def _responds(port: int) -> bool:
    with contextlib.suppress(OSError, http.client.HTTPException):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_PING_S)
        with contextlib.closing(connection):
            connection.request("GET", "/ping")
            return connection.getresponse().status == 200
    return False
