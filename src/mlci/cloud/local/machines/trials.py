"""TestState: one state, run by itself.

The state stands in a machine of its own, in which each state that it could go to is a Succeed, and is run with the
interpreter and the handlers that executions have. Retry is not run but told (RETRIABLE), as on AWS.

Not done, and refused: what the state's data was on its way (DEBUG, TRACE), mocks, and variables.
Source: https://docs.aws.amazon.com/step-functions/latest/dg/test-state-isolation.html
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Mapping
from typing import Any

from mlci import asl
from mlci.asl.errors import StateError, is_matched
from mlci.cloud.local.api import Answer, ApiError, Request
from mlci.cloud.local.machines.definitions import Definitions
from mlci.cloud.local.machines.moments import Clock

_ALONE = ("Task", "Pass", "Wait", "Choice", "Succeed", "Fail")
_NOT_DONE = ("mock", "context", "variables", "stateConfiguration", "revealSecrets")
#: Source: https://states-language.net/#errors (MaxAttempts)
_DEFAULT_ATTEMPTS = 3
_ROLE = "arn:aws:iam::000000000000:role/mlci-test-state"


class Trials:
    """Runs states by themselves."""

    def __init__(self, definitions: Definitions, handlers: asl.Handlers, account: str, now: Clock) -> None:
        self._definitions, self._handlers, self._account, self._now = definitions, handlers, account, now

    def test(self, request: Request, region: str) -> Answer:
        """TestState.

        Raises: ApiError.
        """
        asked = [name for name in _NOT_DONE if request.get(name)]
        if request.get("inspectionLevel", "INFO") != "INFO":
            asked.append("inspectionLevel")
        if asked:
            raise ApiError("UnsupportedOperation", f"the local cloud's TestState does not do {', '.join(asked)}", 501)
        name, state, language = _state(request)
        machine = self._definitions.load(json.dumps(_around(name, state, language)), "STANDARD")
        events: list[asl.Event] = []
        outcome = asl.execute(
            machine,
            str(request.get("input") or "{}"),
            context=self._context(region, str(request.get("roleArn") or _ROLE)),
            handlers=self._handlers,
            stop=asl.StopSignal(),
            on_event=events.append,
            now=self._now,
        )
        return _answer(name, state, outcome, events)

    def _context(self, region: str, role: str) -> asl.Context:
        name, arn = str(uuid.uuid4()), f"arn:aws:states:{region}:{self._account}"
        return asl.Context(
            execution_arn=f"{arn}:execution:TestState:{name}",
            execution_name=name,
            role_arn=role,
            started=self._now(),
            machine_arn=f"{arn}:stateMachine:TestState",
            machine_name="TestState",
        )


def _state(request: Request) -> tuple[str, dict[str, Any], str]:
    """The state's name, the state, and the query language that it is written in."""
    try:
        given = json.loads(str(request["definition"]))
    except ValueError as error:
        raise ApiError("InvalidDefinition", f"Invalid State Machine Definition: '{error}'") from error
    if not isinstance(given, dict):
        raise ApiError(
            "InvalidDefinition", "Invalid State Machine Definition: 'Definition must be a valid JSON object'"
        )
    name, language = "S", str(given.get("QueryLanguage", "JSONPath"))
    if isinstance(given.get("States"), dict):
        name = str(request.get("stateName") or given.get("StartAt"))
        if name not in given["States"]:
            raise ApiError("ValidationException", f"State '{name}' not found in definition")
        given = given["States"][name]
    if given.get("Type") not in _ALONE:
        what = f"the local cloud's TestState does not do a state of type '{given.get('Type')}'"
        raise ApiError("UnsupportedOperation", what, 501)
    return name, given, language


def _around(name: str, state: Mapping[str, Any], language: str) -> dict[str, Any]:
    alone = {member: value for member, value in state.items() if member != "Retry"}
    targets = {target: {"Type": "Succeed"} for target in _targets(state) if target != name}
    return {"QueryLanguage": language, "StartAt": name, "States": {name: alone, **targets}}


def _targets(state: Mapping[str, Any]) -> Iterator[str]:
    ways = [state, *(state.get("Choices") or ()), *(state.get("Catch") or ())]
    for way in ways:
        for member in ("Next", "Default"):
            if isinstance(way.get(member), str):
                yield way[member]


def _answer(name: str, state: Mapping[str, Any], outcome: asl.Outcome, events: list[asl.Event]) -> Answer:
    failed = _failure(events)
    error = StateError(*failed) if failed else None
    if error is not None and _is_retried(state, error):
        return {"status": "RETRIABLE", **_told(error)}
    if outcome.status != "SUCCEEDED":
        return {"status": "FAILED", **{k: v for k, v in (("error", outcome.error), ("cause", outcome.cause)) if v}}
    exited = next(event for event in events if event.type.endswith("StateExited") and _name(event) == name)
    answer: Answer = {"output": exited.details["stateExitedEventDetails"]["output"]}  # type: ignore[index, call-overload]
    following = [_name(event) for event in events if event.type.endswith("StateEntered")][1:]
    if following:
        answer["nextState"] = following[0]
    if error is not None:
        return {"status": "CAUGHT_ERROR", **answer, **_told(error)}
    return {"status": "SUCCEEDED", **answer}


def _told(error: StateError) -> Answer:
    return {"error": error.error, **({"cause": error.cause} if error.cause else {})}


def _name(event: asl.Event) -> str:
    details: Any = next(iter(event.details.values()), {})
    return str(details.get("name", ""))


def _failure(events: list[asl.Event]) -> tuple[str, str | None] | None:
    """The error with which the state failed, if it did."""
    for event in reversed(events):
        is_states = not event.type.startswith(("Execution", "Fail"))
        if is_states and event.type.endswith(("Failed", "TimedOut")):
            details: Any = next(iter(event.details.values()), {})
            return str(details.get("error", "")), details.get("cause")
    return None


def _is_retried(state: Mapping[str, Any], error: StateError) -> bool:
    for retrier in state.get("Retry") or ():
        if is_matched(error, retrier["ErrorEquals"]):
            return int(retrier.get("MaxAttempts", _DEFAULT_ATTEMPTS)) > 0
    return False
