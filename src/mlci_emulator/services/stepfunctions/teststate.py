"""TestState: runs one state by itself, or with a mock in place of its work.

Errors have AWS's messages where LocalStack's tests test_state recorded them. Members that concern a distributed Map are
rejected, as such a Map is.
Source: https://docs.aws.amazon.com/step-functions/latest/apireference/API_TestState.html
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import mlci_asl as asl
from mlci_asl.branch import BranchExecution
from mlci_asl.errors import StateError
from mlci_asl.events import EventChain, History
from mlci_asl.inspection import Mock, StateInspection, inspect_state
from mlci_asl.jsontext import JsonText, parse
from mlci_asl.model import Map, Parallel, State, Task
from mlci_asl.variables import Variables
from mlci_emulator.integrations import mocks
from mlci_emulator.protocol.operations import ApiError, Request, Response
from mlci_emulator.services.stepfunctions.definitions import Definitions
from mlci_emulator.services.timestamps import Clock

_ROLE = "arn:aws:iam::000000000000:role/mlci-test-state"
#: The name of a state that the request gives without a state machine.
_NAME = "StateName"
_TESTABLE_TYPES = "Task, Wait, Pass, Succeed, Fail, Choice"
_CONTEXT = "Invalid Context object provided"
#: The fields that a context object may have. Source: https://docs.aws.amazon.com/step-functions/latest/dg/input-output-contextobject.html
_CONTEXT_FIELDS: Mapping[str, frozenset[str]] = {
    "Execution": frozenset({"Id", "Input", "Name", "RedriveCount", "RedriveTime", "RoleArn", "StartTime"}),
    "State": frozenset({"EnteredTime", "Name", "RetryCount"}),
    "StateMachine": frozenset({"Id", "Name"}),
    "Task": frozenset({"Token"}),
}
_NON_TEXT_FIELDS = ("Input", "RedriveCount", "RetryCount")
_PATTERNS_WITH_TASK = (".sync", ".sync:2", ".waitForTaskToken")
_MOCKABLE_TYPES = ("Task", "Map", "Parallel")
#: Members of `stateConfiguration` that concern distributed Maps, which are rejected.
_DISTRIBUTED = ("mapIterationFailureCount", "mapItemReaderData")


class _TestedState(NamedTuple):
    """The state to test, with its name and the query language of its state machine."""

    name: str
    state: Mapping[str, Any]
    language: str

    @property
    def is_jsonata(self) -> bool:
        return bool(self.state.get("QueryLanguage", self.language) == "JSONata")


class TestState:
    """Runs single states."""

    def __init__(self, definitions: Definitions, handlers: asl.Handlers, account: str, now: Clock) -> None:
        self._definitions, self._handlers, self._account, self._now = definitions, handlers, account, now

    def test(self, request: Request, region: str) -> Response:
        """TestState.

        Raises: ApiError.
        """
        tested = _find(request)
        _check(request, tested)
        test_input, mock = _json(request.get("input") or "{}", "input"), _read_mock(request)
        state = self._load(tested, mock)
        if mock is not None and mock.result is not None:
            _check_result(request, state, mock.result.value)
        scope = self._scope(request, region, test_input)
        retries = int((request.get("stateConfiguration") or {}).get("retrierRetryCount") or 0)
        result = inspect_state(
            state,
            test_input,
            scope,
            mock=mock,
            retries=retries,
            context=_context_object(request, state),
            is_jsonata=tested.is_jsonata,
        )
        return _response(result, is_shown=request.get("inspectionLevel", "INFO") != "INFO")

    def _load(self, tested: _TestedState, mock: Mock | None) -> State:
        """Return the state; a mocked task need not be one that can run here."""
        targets = {target: {"Type": "Succeed"} for target in _targets(tested.state) if target != tested.name}
        states = {tested.name: tested.state, **targets}
        around = json.dumps({"QueryLanguage": tested.language, "StartAt": tested.name, "States": states})
        read = self._definitions.load if mock is None else self._definitions.parse
        return read(around, "STANDARD").root.states[tested.name]

    def _scope(self, request: Request, region: str, test_input: JsonText) -> BranchExecution:
        variables = request.get("variables")
        return BranchExecution(
            context=self._context(region, str(request.get("roleArn") or _ROLE)),
            input=test_input.value,
            handlers=self._handlers,
            now=self._now,
            pause=asl.StopSignal.wait,
            chain=EventChain(History(_discard, self._now)),
            stop=asl.StopSignal(),
            variables=Variables(_object(variables, "variables") if variables else {}),
        )

    def _context(self, region: str, role: str) -> asl.Context:
        name, machine, arn = str(uuid.uuid4()), str(uuid.uuid4()), f"arn:aws:states:{region}:{self._account}"
        return asl.Context(
            execution_arn=f"{arn}:express:{machine}:{name}",
            execution_name=name,
            role_arn=role,
            started=self._now(),
            machine_arn=f"{arn}:stateMachine:{machine}",
            machine_name=machine,
        )


def _discard(event: asl.Event) -> None:
    """Discard an event: TestState has no history."""


def _find(request: Request) -> _TestedState:
    """Return the state of the definition, or the state of a state machine that `stateName` names, at any depth."""
    try:
        definition = json.loads(str(request["definition"]))
    except ValueError as error:
        raise ApiError("InvalidDefinition", f"Invalid State Machine Definition: '{error}'") from error
    if not isinstance(definition, dict):
        message = "Invalid State Machine Definition: 'Definition must be a valid JSON object'"
        raise ApiError("InvalidDefinition", message)
    language = str(definition.get("QueryLanguage", "JSONPath"))
    if not isinstance(definition.get("States"), dict):
        return _TestedState(_NAME, definition, language)
    name = str(request.get("stateName") or definition.get("StartAt"))
    for state in _states(definition):
        if name in state:
            return _TestedState(name, state[name], language)
    raise ApiError("ValidationException", "State not found in definition")


def _check_cause(request: Request, tested: _TestedState) -> None:
    """Check that the state that `errorCausedByState` names exists; the name does not change the result.

    Raises: ApiError.
    """
    cause = (request.get("stateConfiguration") or {}).get("errorCausedByState")
    if cause is not None and not any(cause in states for states in _states({"States": {tested.name: tested.state}})):
        raise _invalid("State not found in definition")


def _states(machine: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield the states of a state machine, then those of the branches inside them."""
    states = machine.get("States")
    if not isinstance(states, dict):
        return
    yield {name: state for name, state in states.items() if isinstance(state, dict)}
    for state in states.values():
        if isinstance(state, dict):
            for branch in (*_list(state, "Branches"), state.get("ItemProcessor"), state.get("Iterator")):
                if isinstance(branch, dict):
                    yield from _states(branch)


def _list(state: Mapping[str, Any], member: str) -> list[Any]:
    found = state.get(member)
    return found if isinstance(found, list) else []


def _targets(state: Mapping[str, Any]) -> Iterator[str]:
    for way in (state, *_list(state, "Choices"), *_list(state, "Catch")):
        for member in ("Next", "Default"):
            if isinstance(way, dict) and isinstance(way.get(member), str):
                yield way[member]


def _check(request: Request, tested: _TestedState) -> None:
    """Reject requests that AWS rejects, or that can't run here.

    Raises: ApiError.
    """
    kind, is_mocked = tested.state.get("Type"), bool(request.get("mock"))
    configuration = request.get("stateConfiguration") or {}
    if is_mocked and kind not in _MOCKABLE_TYPES:
        raise _invalid(f"State type '{kind}' is not supported when a mock is specified")
    if is_mocked and request.get("revealSecrets"):
        raise _invalid("TestState does not support RevealSecrets when a mock is specified.")
    for member in () if is_mocked else ("context", *configuration):
        if member in request or configuration.get(member) is not None:
            name = member[:1].upper() + member[1:]
            raise _invalid(f"TestState does not support {name} when a mock is not specified.")
    if not is_mocked and kind in ("Map", "Parallel"):
        message = "TestState API does not support Map or Parallel states. Supported state types include:"
        raise ApiError("InvalidDefinition", f"{message} [{_TESTABLE_TYPES}]")
    if not is_mocked and kind == "Task" and not request.get("roleArn"):
        raise _invalid("RoleArn must be specified when testing a Task state")
    _check_cause(request, tested)
    for member in _DISTRIBUTED:
        if configuration.get(member):
            message = f"the local cloud's TestState does not do {member}: it has no distributed Map"
            raise ApiError("UnsupportedOperation", message, 501)


def _read_mock(request: Request) -> Mock | None:
    mock = request.get("mock")
    if not mock:
        return None
    failure = mock.get("errorOutput")
    if (failure is None) == (mock.get("result") is None):
        raise _invalid("A test mock should have only one of the following fields: [result, errorOutput].")
    if failure is not None:
        return Mock(error=StateError(str(failure.get("error") or ""), failure.get("cause")))
    try:
        return Mock(JsonText(str(mock["result"]), parse(str(mock["result"]))))
    except ValueError as error:
        raise _invalid("Mocked result must be valid JSON") from error


def _check_result(request: Request, state: State, result: asl.Json) -> None:
    if isinstance(state, (Map, Parallel)) and not isinstance(result, list):
        raise _invalid("Mocked result must be an array.")
    if isinstance(state, Parallel) and isinstance(result, list) and len(result) != len(state.branches):
        raise _invalid("Mocked result must contain the same number of items as number of Parallel branches.")
    if isinstance(state, Task):
        wrong = mocks.problem(state.resource, result, request["mock"].get("fieldValidationMode") or "STRICT")
        if wrong:
            raise _invalid(f"Mock result schema validation error: {wrong}")


def _context_object(request: Request, state: State) -> asl.Json:
    """Return the context object of the request.

    Raises: ApiError.
    """
    if request.get("context") is None:
        return None
    found = _object(str(request["context"]), "context")
    if "Map" in found:
        raise _invalid(f"{_CONTEXT}: 'Map' field is not supported when mocking a Context object")
    for name, value in found.items():
        if name not in _CONTEXT_FIELDS:
            raise _invalid(f"{_CONTEXT}: Field '{name}' is not allowed")
        for inner, held in value.items() if isinstance(value, dict) else ():
            if inner not in _CONTEXT_FIELDS[name]:
                raise _invalid(f"{_CONTEXT}: Field '{inner}' is not allowed")
            if inner not in _NON_TEXT_FIELDS and not isinstance(held, str):
                raise _invalid(f"{_CONTEXT}: {name}.{inner} must be a string")
    if "Task" in found and not (isinstance(state, Task) and state.resource.endswith(_PATTERNS_WITH_TASK)):
        message = "Context object contains 'Task' when state is not a Task state with a '.sync' or '.waitForTaskToken'"
        raise _invalid(f"{_CONTEXT}: {message} service integration pattern")
    return found


def _json(text: str, member: str) -> JsonText:
    try:
        return JsonText(text, parse(text))
    except ValueError as error:
        raise _invalid(f"The value of '{member}' is not valid JSON: {error}") from error


def _object(text: str, member: str) -> dict[str, asl.Json]:
    value = _json(text, member).value
    if not isinstance(value, dict):
        raise _invalid(f"The value of '{member}' must be a JSON object")
    return value


def _invalid(message: str) -> ApiError:
    return ApiError("ValidationException", message)


def _response(result: StateInspection, *, is_shown: bool) -> Response:
    response: Response = {"status": result.status}
    if result.output is not None:
        response["output"] = result.output.text
    if result.next is not None:
        response["nextState"] = result.next
    if result.error is not None:
        failure = {"error": result.error.error, "cause": result.error.cause}
        response.update({name: text for name, text in failure.items() if text})
    if is_shown:
        shown: dict[str, Any] = {
            name: value.text if isinstance(value, JsonText) else value for name, value in result.data.items()
        }
        response["inspectionData"] = {
            **shown,
            **({"errorDetails": result.error_details} if result.error_details else {}),
        }
    return response
