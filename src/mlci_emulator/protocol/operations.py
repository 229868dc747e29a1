"""The interface of a service: operations by their API names, in the API's own shapes.

A service is called in process (by a state machine's tasks) and over HTTP (by `mlci serve`). Both pass the operation's
input as botocore's model describes it, and get its output: JSON values, with `datetime` where the model has a timestamp
and `bytes` where it has a blob. The caller converts these to text.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeAlias

Request: TypeAlias = Mapping[str, Any]
Response: TypeAlias = dict[str, Any]


class ApiError(Exception):
    """An error of an API: `code` is the exception's name in the model, `message` the API's own text."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(code, message, status)
        self.code, self.message, self.status = code, message, status

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"


class Service(Protocol):
    """One AWS service. Safe to call from any thread."""

    def call(self, operation: str, request: Request, region: str) -> Response:
        """Return an operation's output.

        Raises: ApiError.
        """
        ...


class LateService:
    """A service that is created at its first call: its import would take longer than a short run."""

    def __init__(self, create: Callable[[], Service]) -> None:
        self._create = create
        self._lock = threading.Lock()
        self._service: Service | None = None

    def call(self, operation: str, request: Request, region: str) -> Response:
        """Return an operation's output.

        Raises: ApiError.
        """
        with self._lock:
            if self._service is None:
                self._service = self._create()
        return self._service.call(operation, request, region)
