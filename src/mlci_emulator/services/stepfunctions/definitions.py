"""Loads definitions, and checks them as CreateStateMachine does: the language, and the tasks that can run here."""

from __future__ import annotations

import functools
from typing import Any

import mlci_asl as asl
from mlci_emulator.protocol.operations import ApiError, Request, Response
from mlci_emulator.services.stepfunctions.task_handlers import TaskHandlers

_MOST_DIAGNOSTICS = 100
#: The number of parsed definitions that are cached, so that starting an execution does not parse its definition again.
_CACHED_DEFINITIONS = 64


class Definitions:
    """Loads definitions, and caches the most recent ones."""

    def __init__(self, tasks: TaskHandlers) -> None:
        self._tasks = tasks
        self._read = functools.lru_cache(maxsize=_CACHED_DEFINITIONS)(_read)

    def load(self, definition: str, kind: str) -> asl.Machine:
        """Return the state machine, all of whose tasks can run here.

        Raises: ApiError InvalidDefinition.
        """
        try:
            return self._checked(definition, kind)
        except asl.DefinitionError as error:
            raise _invalid(error) from error

    def parse(self, definition: str, kind: str) -> asl.Machine:
        """Return the state machine, without a check of its tasks.

        Raises: ApiError InvalidDefinition.
        """
        try:
            return self._read(definition, kind)
        except asl.DefinitionError as error:
            raise _invalid(error) from error

    def references(self, definition: str, kind: str) -> dict[str, Any]:
        """Return the member `variableReferences` if the definition has variables."""
        found = asl.variable_references(self._read(definition, kind))
        return {"variableReferences": found} if found else {}

    def validate(self, request: Request) -> Response:
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
        machine = self._read(definition, kind)
        problems = self._tasks.problems(machine)
        if problems:
            raise asl.DefinitionError(problems)
        return machine


def _read(definition: str, kind: str) -> asl.Machine:
    return asl.load(definition, is_express=kind == "EXPRESS")


def _invalid(error: asl.DefinitionError) -> ApiError:
    text = ", ".join(_problem_text(problem) for problem in error.problems)
    return ApiError("InvalidDefinition", f"Invalid State Machine Definition: '{text}'")


def _problem_text(problem: asl.Problem) -> str:
    return f"{problem.code}: {problem.message}" + (f" at {problem.location or '/'}" if _has_location(problem) else "")


def _has_location(problem: asl.Problem) -> bool:
    return problem.code != "MISSING_END_STATE"  # the only problem that AWS reports without a location


def _diagnostic(problem: asl.Problem) -> Response:
    location = {"location": problem.location or "/"} if _has_location(problem) else {}
    return {"severity": "ERROR", "code": problem.code, "message": problem.message, **location}
