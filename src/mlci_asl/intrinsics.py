"""The calls of intrinsic functions in payload templates, such as `States.Format('{}', $.a)`: parsing and evaluation.

The functions themselves are in `intrinsic_functions`.
Source: https://docs.aws.amazon.com/step-functions/latest/dg/intrinsic-functions.html
"""

from __future__ import annotations

import re
from typing import NamedTuple, TypeAlias

from mlci_asl.errors import INTRINSIC_FAILURE, RUNTIME, EvaluationError
from mlci_asl.fields import nearest
from mlci_asl.intrinsic_functions import FUNCTIONS, FormatTemplate, FunctionError
from mlci_asl.jsontext import Json, parse
from mlci_asl.path_parser import closing
from mlci_asl.path_tokens import InvalidPath, PathSyntaxError
from mlci_asl.paths import Path, parse_path
from mlci_asl.state_data import StateData

#: Source: the guide, "You can nest up to 10 intrinsic functions within a field".
MAX_NESTING = 10


class IntrinsicSyntaxError(ValueError):
    """A text that is not the call of an intrinsic function."""


class StringLiteral(NamedTuple):
    """A literal `'…'`. `raw` has its escapes still, which States.Format needs to tell `{}` from `\\{\\}`."""

    raw: str


class ConstantArgument(NamedTuple):
    """A number, true, false or null."""

    value: Json


class IntrinsicCall(NamedTuple):
    """One call; `text` is its text in the definition."""

    text: str
    function: str
    arguments: tuple[Argument, ...]

    def evaluate(self, data: StateData) -> Json:
        """The function's value.

        Raises: EvaluationError (States.IntrinsicFailure, or States.Runtime if a path leads to nothing), whose cause
        quotes the whole call, as in AWS.
        """
        try:
            return _evaluate(self, data)
        except FunctionError as error:
            raise EvaluationError(INTRINSIC_FAILURE, self._cause(str(error))) from error
        except _ArgumentNotFound as error:
            raise EvaluationError(RUNTIME, self._cause(str(error))) from error

    def _cause(self, message: str) -> str:
        return f"The function '{self.text}' had the following error: {message}"


Argument: TypeAlias = "StringLiteral | ConstantArgument | Path | IntrinsicCall"


class _ArgumentNotFound(ValueError):
    pass


def _evaluate(call: IntrinsicCall, data: StateData) -> Json:
    values = [_value(argument, data) for argument in call.arguments]
    if call.function == "States.Format" and call.arguments and isinstance(call.arguments[0], StringLiteral):
        return FUNCTIONS[call.function]([FormatTemplate(call.arguments[0].raw), *values[1:]])
    return FUNCTIONS[call.function](values)


def _value(argument: Argument, data: StateData) -> Json:
    if isinstance(argument, StringLiteral):
        return _unescape(argument.raw)
    if isinstance(argument, ConstantArgument):
        return argument.value
    if isinstance(argument, IntrinsicCall):
        return _evaluate(argument, data)
    try:
        return argument.read(data)
    except InvalidPath:
        root_text = quoted_root(argument, data)
        message = f"The JsonPath argument for the field '{argument.text}' could not be found in the input '{root_text}'"
        raise _ArgumentNotFound(message) from None


def quoted_root(path: Path, data: StateData) -> str:
    """The input as causes quote it for a path that leads to nothing: as in AWS, the value that the path starts at."""
    try:
        return data.quoted(path.start(data))
    except InvalidPath:
        return data.quoted(data.input)


def _unescape(raw: str) -> str:
    return re.sub(r"\\(.)", r"\1", raw, flags=re.DOTALL)


_NAME = re.compile(r"States\.[A-Za-z0-9]+")
_LITERAL = re.compile(r"(-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null)(?=\s*(?:[,)]|$))")


def is_intrinsic(text: str) -> bool:
    """True if a text starts as the call of an intrinsic function."""
    return text.lstrip().startswith("States.")


def parse_intrinsic(text: str) -> IntrinsicCall:
    """The call in a text.

    Raises: IntrinsicSyntaxError.
    """
    call, end = _parse_call(text, len(text) - len(text.lstrip()), 1)
    if text[end:].strip():
        raise IntrinsicSyntaxError(f"unexpected {text[end:].strip()!r} after the function")
    return call


def _parse_call(text: str, start: int, depth: int) -> tuple[IntrinsicCall, int]:
    if depth > MAX_NESTING:
        raise IntrinsicSyntaxError(f"intrinsic functions can be nested {MAX_NESTING} deep")
    match = _NAME.match(text, start)
    if match is None:
        raise IntrinsicSyntaxError("an intrinsic function is written States.Name(…)")
    if match[0] not in FUNCTIONS:
        nearest_name = nearest(match[0], FUNCTIONS)
        raise IntrinsicSyntaxError(
            f'unknown function "{match[0]}"' + (f'; did you mean "{nearest_name}"?' if nearest_name else "")
        )
    at = _skip_space(text, match.end())
    if text[at : at + 1] != "(":
        raise IntrinsicSyntaxError(f"{match[0]} needs its arguments in parentheses")
    arguments, end = _parse_arguments(text, at + 1, depth)
    return IntrinsicCall(text[start:end], match[0], tuple(arguments)), end


def _parse_arguments(text: str, at: int, depth: int) -> tuple[list[Argument], int]:
    arguments: list[Argument] = []
    at = _skip_space(text, at)
    if text[at : at + 1] == ")":
        return arguments, at + 1
    while True:
        argument, at = _parse_argument(text, at, depth)
        arguments.append(argument)
        at = _skip_space(text, at)
        end = text[at : at + 1]
        at = _skip_space(text, at + 1)
        if end == ")":
            return arguments, at
        if end != ",":
            raise IntrinsicSyntaxError("a parenthesis is not closed" if not end else f"unexpected {end!r}")


def _parse_argument(text: str, at: int, depth: int) -> tuple[Argument, int]:
    char = text[at : at + 1]
    if char == "'":
        return _parse_string(text, at)
    if char == "$":
        return _parse_path(text, at)
    match = _LITERAL.match(text, at)
    if match:
        return ConstantArgument(_literal(match[1])), match.end(1)
    if char == "S":
        return _parse_call(text, at, depth + 1)
    message = f"{text[at : at + 20]!r}" if char else "the end"
    raise IntrinsicSyntaxError(f"expected a path, a text in single quotes, a number or a function, found {message}")


def _literal(text: str) -> Json:
    try:
        return parse(text)
    except ValueError as error:
        raise IntrinsicSyntaxError(f"{text} is no number: {error}") from error


def _parse_string(text: str, at: int) -> tuple[StringLiteral, int]:
    end = at + 1
    while end < len(text) and text[end] != "'":
        if text[end] == "\\":
            end += 1
            if text[end : end + 1] not in ("'", "{", "}", "\\") or end >= len(text):
                raise IntrinsicSyntaxError("a backslash escapes only ' { } and itself")
        end += 1
    if end >= len(text):
        raise IntrinsicSyntaxError("a single quote is not closed")
    return StringLiteral(text[at + 1 : end]), end + 1


def _parse_path(text: str, at: int) -> tuple[Path, int]:
    end = at
    try:
        while end < len(text) and text[end] not in ",) \t\n":
            end = closing(text, end) + 1 if text[end] == "[" else end + 1
        return parse_path(text[at:end]), end
    except PathSyntaxError as error:
        raise IntrinsicSyntaxError(f'the path "{text[at:end]}" is wrong: {error}') from error


def _skip_space(text: str, at: int) -> int:
    while at < len(text) and text[at] in " \t\n\r":
        at += 1
    return at
