"""Reading one state of a definition: its fields as AWS allows them for its type, typed, with all problems noted.

Source: https://states-language.net/spec.html and the guide's page of each state.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime

from mlci.asl.errors import ALL
from mlci.asl.fields import MAX_COUNT, Fields
from mlci.asl.intrinsics import is_intrinsic
from mlci.asl.model import (
    WHOLE,
    Branch,
    Catcher,
    Choice,
    ChoiceBranch,
    DataFlow,
    Fail,
    Parallel,
    Pass,
    Retrier,
    State,
    Succeed,
    Task,
    Wait,
)
from mlci.asl.paths import Path, parse_path
from mlci.asl.references import parse_reference
from mlci.asl.rules import read_rule
from mlci.asl.templates import Expression, Template, parse_expression, parse_template
from mlci.asl.timestamps import parse_timestamp

_JSONATA = "is a field of the JSONata query language, which is not covered here; use JSONPath"

#: What AWS has and this interpreter refuses, so that nothing is guessed.
UNCOVERED: Mapping[str, str] = {
    "Assign": "variables (Assign) are not covered here; hand the value on through ResultPath",
    "Arguments": f'"Arguments" {_JSONATA} (Parameters)',
    "Output": f'"Output" {_JSONATA} (ResultSelector, ResultPath, OutputPath)',
    "Condition": f'"Condition" {_JSONATA} (Variable and an operator)',
    "Items": f'"Items" {_JSONATA}',
    "ItemReader": "ItemReader belongs to the Map state, which is not covered here",
}

_COMMON = {"Type", "Comment", "QueryLanguage"}
_PATHS = {"InputPath", "OutputPath"}
_STEP = {"Next", "End"}
_RESULT = {"Parameters", "ResultSelector", "ResultPath", "Retry", "Catch"}
_TIMEOUTS = {"TimeoutSeconds", "TimeoutSecondsPath", "HeartbeatSeconds", "HeartbeatSecondsPath"}

_FIELDS: Mapping[str, set[str]] = {
    "Task": _COMMON | _PATHS | _STEP | _RESULT | _TIMEOUTS | {"Resource", "Credentials"},
    "Pass": _COMMON | _PATHS | _STEP | {"Parameters", "Result", "ResultPath"},
    "Choice": _COMMON | _PATHS | {"Choices", "Default"},
    "Wait": _COMMON | _PATHS | _STEP | {"Seconds", "SecondsPath", "Timestamp", "TimestampPath"},
    "Succeed": _COMMON | _PATHS,
    "Fail": _COMMON | {"Error", "ErrorPath", "Cause", "CausePath"},
    "Parallel": _COMMON | _PATHS | _STEP | _RESULT | {"Branches"},
}

_ARN = re.compile(r"arn:aws[a-z-]*:[a-z0-9-]+:[a-z0-9-]*:\d*:\S+")

#: ErrorPath and CausePath take the functions that give a string.
#: Source: https://docs.aws.amazon.com/step-functions/latest/dg/state-fail.html
_STRING_FUNCTIONS = frozenset(
    f"States.{name}"
    for name in ("Format", "JsonToString", "ArrayGetItem", "Base64Encode", "Base64Decode", "Hash", "UUID")
)


def read_state(name: str, fields: Fields, read_branch: Callable[[Fields], Branch | None]) -> State | None:
    """The state, or None where its type is unknown or it lacks what it can't be without."""
    if not fields.require("Type"):
        return None
    kind = fields.text("Type")
    if kind == "Map":
        fields.problem("the Map state is not covered here; write the items' states out, or use Parallel", "Type")
        return None
    if kind not in _FIELDS:
        fields.problem(f'"{kind}" is no state type; there are {", ".join(_FIELDS)} and Map', "Type")
        return None
    check_query_language(fields)
    fields.check_known(_FIELDS[kind], UNCOVERED, f"a {kind} state")
    if kind == "Parallel":
        branches = tuple(filter(None, map(read_branch, fields.children("Branches"))))
        fields.require("Branches")
        flow, next_state = _flow(fields), _next(fields)
        return Parallel(name, flow, next_state, branches, _retriers(fields), _catchers(fields))
    return _READERS[kind](name, fields)


def check_query_language(fields: Fields) -> None:
    language = fields.text("QueryLanguage", "JSONPath")
    if language == "JSONata":
        fields.problem("the query language JSONata is not covered here; use JSONPath", "QueryLanguage")
    elif language != "JSONPath":
        fields.problem('"QueryLanguage" must be JSONPath or JSONata', "QueryLanguage")


def _task(name: str, fields: Fields) -> State:
    fields.require("Resource")
    resource = fields.text("Resource")
    if "Resource" in fields and not _ARN.fullmatch(resource):
        fields.problem(f'"{resource}" is not a valid ARN', "Resource")
    for field in ("TimeoutSeconds", "HeartbeatSeconds"):
        fields.at_most_one(field, f"{field}Path")
    timeout = _seconds(fields, "TimeoutSeconds", 1)
    heartbeat = _seconds(fields, "HeartbeatSeconds", 1)
    _check_heartbeat(fields, heartbeat, timeout)
    credentials = _template(fields, "Credentials")
    flow, after = _flow(fields), _next(fields)
    return Task(name, resource, flow, after, timeout, heartbeat, credentials, _retriers(fields), _catchers(fields))


def _check_heartbeat(fields: Fields, heartbeat: int | Path | None, timeout: int | Path | None) -> None:
    if isinstance(heartbeat, int) and isinstance(timeout, int) and heartbeat >= timeout:
        fields.problem('"HeartbeatSeconds" must be smaller than "TimeoutSeconds"', "HeartbeatSeconds")


def _pass(name: str, fields: Fields) -> State:
    return Pass(name, _flow(fields), _next(fields), fields.members.get("Result"), "Result" in fields)


def _choice(name: str, fields: Fields) -> State:
    fields.require("Choices")
    choices: list[ChoiceBranch] = []
    for child in fields.children("Choices"):
        has_next = child.require("Next")
        rule = read_rule(child, UNCOVERED, is_top=True)
        if rule is not None and has_next:
            choices.append(ChoiceBranch(rule, child.text("Next")))
    default = fields.text("Default") if "Default" in fields else None
    return Choice(name, _flow(fields), tuple(choices), default)


def _wait(name: str, fields: Fields) -> State:
    kinds = ("Seconds", "SecondsPath", "Timestamp", "TimestampPath")
    if sum(kind in fields for kind in kinds) != 1:
        fields.problem(f"exactly one of {', '.join(kinds)} is required")
    timestamp: datetime | Path | None = fields.parsed("Timestamp", _timestamp, None)
    timestamp = fields.parsed("TimestampPath", parse_reference, timestamp)
    return Wait(name, _flow(fields), _next(fields), _seconds(fields, "Seconds", 0), timestamp)


def _timestamp(text: str) -> datetime:
    moment = parse_timestamp(text)
    if moment is None:
        raise ValueError("it does not match an RFC3339 timestamp such as 2016-03-14T01:59:00Z")
    return moment


def _succeed(name: str, fields: Fields) -> State:
    return Succeed(name, _flow(fields))


def _fail(name: str, fields: Fields) -> State:
    return Fail(name, _text_or_expression(fields, "Error"), _text_or_expression(fields, "Cause"))


def _text_or_expression(fields: Fields, name: str) -> str | Expression | None:
    fields.at_most_one(name, f"{name}Path")
    text = fields.text(name) if name in fields else None
    expression: Expression | None = fields.parsed(f"{name}Path", _string_expression, None)
    return text if expression is None else expression


def _string_expression(text: str) -> Expression:
    if not is_intrinsic(text):
        return parse_reference(text)
    expression = parse_expression(text)
    if not isinstance(expression, Path) and expression.function not in _STRING_FUNCTIONS:
        raise ValueError(f"{expression.function} does not give a string")
    return expression


_READERS: Mapping[str, Callable[[str, Fields], State]] = {
    "Task": _task,
    "Pass": _pass,
    "Choice": _choice,
    "Wait": _wait,
    "Succeed": _succeed,
    "Fail": _fail,
}


def _next(fields: Fields) -> str | None:
    is_end = fields.flag("End")
    if is_end and "Next" in fields:
        fields.problem("only one of Next and End can be given")
    elif "Next" not in fields and fields.members.get("End", False) is False:
        fields.problem("one of Next and End is required")
    return fields.text("Next") if "Next" in fields and not is_end else None


def _flow(fields: Fields) -> DataFlow:
    return DataFlow(
        input_path=fields.parsed_or_null("InputPath", parse_path, WHOLE),
        parameters=_template(fields, "Parameters"),
        result_selector=_template(fields, "ResultSelector"),
        result_path=fields.parsed_or_null("ResultPath", _writable, WHOLE),
        output_path=fields.parsed_or_null("OutputPath", parse_path, WHOLE),
    )


def _template(fields: Fields, name: str) -> Template | None:
    if name not in fields:
        return None
    value = fields.members[name]
    if name == "ResultSelector" and not isinstance(value, dict):
        fields.problem(f'"{name}" must be an object', name)
        return None
    return parse_template(value, f"{fields.place}/{name}", fields.problem_at)


def _writable(text: str) -> Path:
    return parse_reference(text, is_for_writing=True)


def _seconds(fields: Fields, name: str, least: int) -> int | Path | None:
    if name in fields:
        return fields.integer(name, least, least)
    path: Path | None = fields.parsed(f"{name}Path", parse_reference, None)
    return path


def _retriers(fields: Fields) -> tuple[Retrier, ...]:
    found: list[Retrier] = []
    children = fields.children("Retry", is_empty_fine=True)
    for child in children:
        child.check_known(_RETRY_FIELDS, {}, "a retrier")
        interval = child.integer("IntervalSeconds", 1, 1)
        is_capped = "MaxDelaySeconds" in child
        # 31,622,400 s are 366 days. Source: https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html
        max_delay = child.integer("MaxDelaySeconds", MAX_COUNT, 1, 31_622_399) if is_capped else None
        if max_delay is not None and max_delay <= interval:
            child.problem('"MaxDelaySeconds" must be greater than "IntervalSeconds"', "MaxDelaySeconds")
        jitter = child.text("JitterStrategy", "NONE")
        if jitter not in ("FULL", "NONE"):
            child.problem('"JitterStrategy" must be FULL or NONE', "JitterStrategy")
        attempts, backoff = child.integer("MaxAttempts", 3, 0), child.number("BackoffRate", 2.0, 1.0)
        names = _error_equals(child, is_last=child is children[-1])
        found.append(Retrier(names, interval, attempts, backoff, max_delay, jitter == "FULL"))
    return tuple(found)


_RETRY_FIELDS = (
    "Comment",
    "ErrorEquals",
    "IntervalSeconds",
    "MaxAttempts",
    "BackoffRate",
    "MaxDelaySeconds",
    "JitterStrategy",
)


def _catchers(fields: Fields) -> tuple[Catcher, ...]:
    found: list[Catcher] = []
    children = fields.children("Catch", is_empty_fine=True)
    for child in children:
        child.check_known(("Comment", "ErrorEquals", "Next", "ResultPath"), UNCOVERED, "a catcher")
        names = _error_equals(child, is_last=child is children[-1])
        result_path = child.parsed_or_null("ResultPath", _writable, WHOLE)
        if child.require("Next"):
            found.append(Catcher(names, child.text("Next"), result_path))
    return tuple(found)


def _error_equals(fields: Fields, *, is_last: bool) -> tuple[str, ...]:
    if not fields.require("ErrorEquals"):
        return ()
    value = fields.members["ErrorEquals"]
    names = [name for name in value if isinstance(name, str)] if isinstance(value, list) else []
    if not isinstance(value, list) or not value or len(names) < len(value):
        fields.problem('"ErrorEquals" must be a list of one or more error names', "ErrorEquals")
    if ALL in names and len(names) > 1:
        fields.problem(f'"{ALL}" must stand alone', "ErrorEquals")
    if ALL in names and not is_last:
        fields.problem(f'"{ALL}" must be in the last entry', "ErrorEquals")
    return tuple(names)
