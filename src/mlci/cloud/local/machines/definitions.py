"""Definitions, checked as at creation: by the language, and by what tasks can do here."""

from __future__ import annotations

from typing import Protocol

from mlci import asl
from mlci.cloud.local.api import Answer, ApiError, Request
from mlci.cloud.local.machines.tasks import Tasks

_MOST_DIAGNOSTICS = 100


class Checked(Protocol):
    """What handlers may know of definitions besides: unknown resources, parameters that can't be right."""

    def problems(self, machine: asl.Machine) -> tuple[asl.Problem, ...]: ...


class Definitions:
    """Reads definitions; the last ones are kept as they were read."""

    def __init__(self, tasks: Tasks) -> None:
        self._tasks = tasks

    def load(self, definition: str, kind: str) -> asl.Machine:
        """The machine.

        Raises: ApiError InvalidDefinition.
        """
        try:
            machine = self._checked(definition, kind)
        except asl.DefinitionError as error:
            told = ", ".join(_told(problem) for problem in error.problems)
            raise ApiError("InvalidDefinition", f"Invalid State Machine Definition: '{told}'") from error
        return machine

    def validate(self, request: Request) -> Answer:
        """ValidateStateMachineDefinition."""
        try:
            self._checked(str(request["definition"]), str(request.get("type", "STANDARD")))
            problems: tuple[asl.Problem, ...] = ()
        except asl.DefinitionError as error:
            problems = error.problems
        most = int(request.get("maxResults") or _MOST_DIAGNOSTICS)
        return {
            "result": "FAIL" if problems else "OK",
            "diagnostics": [_diagnostic(problem) for problem in problems[:most]],
            "truncated": len(problems) > most,
        }

    def _checked(self, definition: str, kind: str) -> asl.Machine:
        machine = asl.load(definition, is_express=kind == "EXPRESS")
        problems = self._tasks.problems(machine)
        if problems:
            raise asl.DefinitionError(problems)
        return machine


def _told(problem: asl.Problem) -> str:
    return f"{problem.code}: {problem.what}" + (f" at {problem.place or '/'}" if _has_place(problem) else "")


def _has_place(problem: asl.Problem) -> bool:
    return problem.code != "MISSING_END_STATE"  # the only one that AWS gives no place


def _diagnostic(problem: asl.Problem) -> Answer:
    place = {"location": problem.place or "/"} if _has_place(problem) else {}
    return {"severity": "ERROR", "code": problem.code, "message": problem.what, **place}
