"""What the services of the local cloud have in common: operations by their API names, in the API's own shapes.

A service is called in process (by a state machine's tasks) and over HTTP (by `mlci serve`). Both give it what
botocore's model calls the operation's input, and get its output: plain JSON values, but for `datetime` where the model
has a timestamp and `bytes` where it has a blob. Whoever is outside turns those into text.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeAlias

Request: TypeAlias = Mapping[str, Any]
Response: TypeAlias = dict[str, Any]


class ApiError(Exception):
    """A refusal in the API's words: `code` is the name of the exception in its model."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(code, message, status)
        self.code, self.message, self.status = code, message, status

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"


class Service(Protocol):
    """One AWS service. Safe to call from any thread."""

    def call(self, operation: str, request: Request, region: str) -> Response:
        """An operation's output.

        Raises: ApiError.
        """
        ...


class LateService:
    """A service that is made when it is first called, for one that takes longer to import than a short run lasts."""

    def __init__(self, make: Callable[[], Service]) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._made: Service | None = None

    def call(self, operation: str, request: Request, region: str) -> Response:
        """An operation's output.

        Raises: ApiError.
        """
        with self._lock:
            if self._made is None:
                self._made = self._make()
        return self._made.call(operation, request, region)
