"""The handlers that local runs call in the place of Lambda functions: what steps name as `local`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from mlci.errors import InputError, Problem
from mlci.flow.models import Flow, Step
from mlci_dataclasses import dataclass

#: What the emulator's name for the log of a function begins with.
FUNCTION_LOG_PREFIX = "lambda-"
_HANDLER = "handler"


@dataclass(frozen=True)
class FunctionHandler:
    """The handler of a function: its file in the repository, and its name as Lambda has it; `step` names it."""

    file: str
    handler: str
    step: str


def function_handlers(flow: Flow) -> dict[str, FunctionHandler]:
    """Returns the handlers of a flow's Lambda functions by their names; the first step that gives one counts."""
    handlers: dict[str, FunctionHandler] = {}
    for step in flow.steps.values():
        function, local = _function(step), _text(step, "local")
        if function and local:
            handlers.setdefault(function, _handler(step, local))
    return handlers


def check_handlers(flow: Flow, base: Path) -> None:
    """Raises InputError if a function has no handler, has two, or one whose file is not below `base`."""
    handlers = function_handlers(flow)
    problems = [problem for step in flow.steps.values() for problem in _problems(flow, step, handlers, base)]
    if problems:
        raise InputError(problems)


def _problems(flow: Flow, step: Step, handlers: dict[str, FunctionHandler], base: Path) -> Iterator[Problem]:
    function, local = _function(step), _text(step, "local")
    if not function:
        return
    at = flow.position("steps", step.name, "local" if local else "function")
    handler = handlers.get(function)
    if handler is None:
        what = f'step "{step.name}" calls the Lambda function "{function}", whose code a local run does not know'
        hint = "Name it: local: functions/notify.py:handler. Or run on AWS, with --cloud aws"
        yield Problem(at.file, at.line, at.column, what, hint)
    elif local and (_handler(step, local).file, _handler(step, local).handler) != (handler.file, handler.handler):
        what = f'the Lambda function "{function}" has another handler in step "{handler.step}"'
        yield Problem(at.file, at.line, at.column, what, "Name one in both")
    elif local and not (base / handler.file).is_file():
        what = f'step "{step.name}": there is no file "{handler.file}"'
        yield Problem(at.file, at.line, at.column, what, "The path is relative to flow.yaml")


def _handler(step: Step, local: str) -> FunctionHandler:
    file, _, name = local.partition(":")
    return FunctionHandler(file, f"{PurePosixPath(file).stem}.{name or _HANDLER}", step.name)


def _function(step: Step) -> str:
    """The name of the function that a step calls, without its qualifier; "" if it calls none."""
    text = _text(step, "function")
    return (text.partition(":function:")[2] or text).partition(":")[0]


def _text(step: Step, key: str) -> str:
    match step.values.get(key):
        case str(text) | (str(text),):
            return text
    return ""
