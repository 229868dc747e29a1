"""A service for tests of what stands in front of one."""

from __future__ import annotations

from mlci_emulator.protocol.operations import Request, Response


class Recorded:
    """A service that records each call and answers with one response, or raises one error."""

    def __init__(self, answer: Response | Exception) -> None:
        self.answer = answer
        self.asked: list[tuple[str, Request, str]] = []

    def call(self, operation: str, request: Request, region: str) -> Response:
        self.asked.append((operation, request, region))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer
