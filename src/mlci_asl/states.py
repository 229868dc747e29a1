"""Reads one state of a definition: the fields that AWS allows for its type and query language, typed.

Source: https://states-language.net/spec.html and the guide's page of each state.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from mlci_asl.fields import Fields
from mlci_asl.model import Branch, Choice, ChoiceRule, Fail, Map, Parallel, Pass, State, Succeed, Task, Wait
from mlci_asl.query_languages import QueryLanguage, read_query_language
from mlci_asl.retry_catch import read_catchers, read_retriers
from mlci_asl.templates import ConstantTemplate, PayloadTemplate

#: Reads the branch in an object of the definition; the names are extra fields that it may have.
ReadBranch = Callable[[Fields, tuple[str, ...]], "Branch | None"]

_COMMON = {"Type", "Comment", "QueryLanguage"}
_TRANSITION = {"Next", "End"}
_ERROR_HANDLING = {"Retry", "Catch"}

#: The fields of each type that both languages have.
_FIELDS: Mapping[str, set[str]] = {
    "Task": _TRANSITION | _ERROR_HANDLING | {"TimeoutSeconds", "HeartbeatSeconds", "Resource", "Credentials"},
    "Pass": _TRANSITION,
    "Choice": {"Choices", "Default"},
    "Wait": _TRANSITION | {"Seconds", "Timestamp"},
    "Succeed": set(),
    "Fail": {"Error", "Cause"},
    "Parallel": _TRANSITION | _ERROR_HANDLING | {"Branches"},
    "Map": _TRANSITION | _ERROR_HANDLING | {"ItemProcessor", "Iterator", "ItemSelector", "MaxConcurrency"},
}

#: In the order in which AWS lists them.
_TYPES = ("Task", "Wait", "Pass", "Succeed", "Fail", "Choice", "Parallel", "Map")

_DISTRIBUTED_UNSUPPORTED = "distributed Map is not covered here; use an inline Map"

#: Fields that AWS supports and this interpreter refuses, so that nothing is guessed.
UNSUPPORTED: Mapping[str, str] = {
    name: f'"{name}" belongs to distributed Map, which is not covered here; use an inline Map'
    for name in ("ItemReader", "ItemBatcher", "ResultWriter", "Label")
}

_ARN = re.compile(r"arn:aws[a-z-]*:[a-z0-9-]+:[a-z0-9-]*:\d*:\S+")


def read_state(name: str, fields: Fields, default: QueryLanguage, read_branch: ReadBranch) -> State | None:
    """The state; None if its type is unknown or a required part is missing.

    `default` is the query language of the whole definition, which a state may override.
    """
    if not fields.require("Type"):
        return None
    type_name = fields.string("Type")
    if type_name not in _FIELDS:
        fields.add_problem(f"The field 'Type' should have one of these values: [{', '.join(_TYPES)}]", "Type")
        return None
    language = read_query_language(fields, default)
    unsupported = {**language.unsupported_fields, **(UNSUPPORTED if type_name == "Map" else {})}
    fields.check_known(_COMMON | _FIELDS[type_name] | language.fields[type_name], unsupported)
    return _READERS[type_name](name, fields, language, read_branch)


def _task(name: str, fields: Fields, language: QueryLanguage, read_branch: ReadBranch) -> State:
    fields.require("Resource")
    resource = fields.string("Resource")
    if "Resource" in fields and not _ARN.fullmatch(resource):
        fields.add_problem(f'"{resource}" is not a valid ARN', "Resource")
    timeout = language.number(fields, "TimeoutSeconds", 1)
    heartbeat = language.number(fields, "HeartbeatSeconds", 1)
    _check_heartbeat(fields, heartbeat, timeout)
    credentials = _credentials(fields, language)
    flow, next_state = language.flow(fields), _next(fields)
    retry, catch = read_retriers(fields), read_catchers(fields, language)
    return Task(name, resource, flow, next_state, timeout, heartbeat, credentials, retry, catch)


def _credentials(fields: Fields, language: QueryLanguage) -> PayloadTemplate | None:
    child = fields.child("Credentials")
    if child is None:
        return None
    if "RoleArn" not in child and "RoleArn.$" not in child:
        child.add_problem("The field 'RoleArn' is required but was missing")
    return language.payload(fields, "Credentials")


def _check_heartbeat(fields: Fields, heartbeat: PayloadTemplate | None, timeout: PayloadTemplate | None) -> None:
    if isinstance(heartbeat, ConstantTemplate) and isinstance(timeout, ConstantTemplate):
        heartbeat_s, timeout_s = heartbeat.value, timeout.value
        if isinstance(heartbeat_s, int) and isinstance(timeout_s, int) and heartbeat_s >= timeout_s:
            fields.add_problem('"HeartbeatSeconds" must be smaller than "TimeoutSeconds"', "HeartbeatSeconds")


def _pass(name: str, fields: Fields, language: QueryLanguage, read_branch: ReadBranch) -> State:
    return Pass(name, language.flow(fields), _next(fields), fields.members.get("Result"), "Result" in fields)


def _choice(name: str, fields: Fields, language: QueryLanguage, read_branch: ReadBranch) -> State:
    fields.require("Choices")
    flow = language.flow(fields)
    choices: list[ChoiceRule] = []
    for index, child in enumerate(fields.children("Choices")):
        has_next = child.require("Next")
        condition, condition_flow = language.choice_condition(child, flow, f"Choices[{index}]/")
        if condition is not None and has_next:
            choices.append(ChoiceRule(condition, child.string("Next"), condition_flow))
    default = fields.string("Default") if "Default" in fields else None
    return Choice(name, flow, tuple(choices), default)


def _wait(name: str, fields: Fields, language: QueryLanguage, read_branch: ReadBranch) -> State:
    given_fields = [
        type_name for type_name in ("Seconds", "SecondsPath", "Timestamp", "TimestampPath") if type_name in fields
    ]
    if len(given_fields) != 1:
        fields.add_problem("exactly one of Seconds, SecondsPath, Timestamp, TimestampPath is required")
    seconds, timestamp = language.number(fields, "Seconds", 0), language.timestamp(fields, "Timestamp")
    return Wait(name, language.flow(fields), _next(fields), seconds, timestamp)


def _succeed(name: str, fields: Fields, language: QueryLanguage, read_branch: ReadBranch) -> State:
    return Succeed(name, language.flow(fields))


def _fail(name: str, fields: Fields, language: QueryLanguage, read_branch: ReadBranch) -> State:
    return Fail(name, language.string(fields, "Error"), language.string(fields, "Cause"))


def _parallel(name: str, fields: Fields, language: QueryLanguage, read_branch: ReadBranch) -> State:
    fields.require("Branches")
    read = (read_branch(child, ()) for child in fields.children("Branches"))
    branches = tuple(branch for branch in read if branch is not None)
    retry, catch = read_retriers(fields), read_catchers(fields, language)
    return Parallel(name, language.flow(fields), _next(fields), branches, retry, catch)


def _map(name: str, fields: Fields, language: QueryLanguage, read_branch: ReadBranch) -> State | None:
    fields.at_most_one("ItemProcessor", "Iterator")
    fields.at_most_one("ItemSelector", "Parameters")
    child = fields.child("ItemProcessor") or fields.child("Iterator")
    if child is None:
        if "ItemProcessor" not in fields and "Iterator" not in fields:
            fields.require("ItemProcessor")
        return None
    _check_processor_mode(child)
    processor = read_branch(child, ("ProcessorConfig",))
    selector = language.payload(fields, "ItemSelector") or (
        language.payload(fields, "Parameters") if language.name == "JSONPath" else None
    )
    concurrency = language.number(fields, "MaxConcurrency", 0) or ConstantTemplate(0)
    flow, items, next_state = language.flow(fields, parameters=""), language.items(fields), _next(fields)
    retry, catch = read_retriers(fields), read_catchers(fields, language)
    if processor is None:
        return None
    return Map(name, flow, next_state, processor, items, selector, concurrency, retry, catch)


def _check_processor_mode(processor: Fields) -> None:
    config = processor.child("ProcessorConfig")
    if config is None:
        return
    mode = config.string("Mode", "INLINE")
    if mode == "DISTRIBUTED":
        config.add_problem(_DISTRIBUTED_UNSUPPORTED, "Mode")
        return
    config.check_known(("Mode",))
    if mode != "INLINE":
        config.add_problem("Value should be one of the following: [INLINE, DISTRIBUTED]", "Mode")


_READERS: Mapping[str, Callable[[str, Fields, QueryLanguage, ReadBranch], State | None]] = {
    "Task": _task,
    "Pass": _pass,
    "Choice": _choice,
    "Wait": _wait,
    "Succeed": _succeed,
    "Fail": _fail,
    "Parallel": _parallel,
    "Map": _map,
}


def _next(fields: Fields) -> str | None:
    is_end = fields.boolean("End")
    if is_end and "Next" in fields:
        fields.add_problem("only one of Next and End can be given")
    elif "Next" not in fields and fields.members.get("End", False) is False:
        fields.add_problem("one of Next and End is required")
    return fields.string("Next") if "Next" in fields and not is_end else None
