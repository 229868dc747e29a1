"""Parses the text of a JSONPath into tokens: names, brackets, and the conditions of filters."""

from __future__ import annotations

import re
from collections.abc import Iterator

from mlci_asl.filters import OPERATORS, FilterAnd, FilterComparison, FilterExists, FilterNot, FilterOr, Operand
from mlci_asl.jsontext import parse
from mlci_asl.path_tokens import (
    Filter,
    FilterCondition,
    Indexes,
    Names,
    PathSyntaxError,
    Scan,
    Selector,
    Slice,
    Token,
    Wildcard,
)


class FilterSyntaxError(ValueError):
    """A text that is not a condition, or one that AWS does not support."""


def parse_tokens(text: str, at: int) -> Iterator[Token]:
    """The tokens of a path, from position `at` on (after its `$` or `@`).

    Raises: PathSyntaxError.
    """
    while at < len(text):
        is_scan = text.startswith("..", at)
        after = at + 2 if is_scan else at
        if text[after : after + 1] == "[" or text[at : at + 2] == ".[":
            token, at = _bracket(text, after if text[after : after + 1] == "[" else at + 1)
        elif is_scan or text[at] == ".":
            token, at = _name(text, at + 2 if is_scan else at + 1)
        else:
            raise PathSyntaxError(f"unexpected {text[at]!r} at position {at + 1}")
        yield Scan(token) if is_scan else token


def _name(text: str, at: int) -> tuple[Names | Wildcard, int]:
    end = at
    while end < len(text) and text[end] not in ".[ ()'\"\t\r\n,]":
        end += 1
    name, after = text[at:end], text[end : end + 1]
    if not name:
        raise PathSyntaxError(f"a name is missing at position {at + 1}")
    if after == "(":
        raise PathSyntaxError(f"functions such as {name}() are not supported in paths")
    if after not in ("", ".", "["):
        raise PathSyntaxError(f"a name with {after!r} in it is written ['…']")
    return (Wildcard() if name == "*" else Names((name,))), end


def _bracket(text: str, at: int) -> tuple[Selector, int]:
    end = closing(text, at)
    inner = text[at + 1 : end].strip()
    if inner == "*":
        return Wildcard(), end + 1
    if inner.startswith("?"):
        return Filter(_condition(inner)), end + 1
    if inner[:1] in ("'", '"'):
        return Names(_quoted(inner)), end + 1
    return _numbers(inner), end + 1


def closing(text: str, at: int) -> int:
    """The position at which the bracket at `at` closes; quotes and nested brackets are skipped.

    Raises: PathSyntaxError.
    """
    pairs = {"[": "]", "(": ")"}
    pending: list[str] = []
    position = at
    while position < len(text):
        char = text[position]
        if char in "'\"":
            position = _after_quote(text, position) - 1
        elif char in pairs:
            pending.append(pairs[char])
        elif pending and char == pending[-1]:
            pending.pop()
            if not pending:
                return position
        position += 1
    raise PathSyntaxError(f"the bracket at position {at + 1} is not closed")


def _after_quote(text: str, at: int) -> int:
    """The position after the quoted text that starts at `at`."""
    position = at + 1
    while position < len(text):
        if text[position] == text[at]:
            return position + 1
        position += 2 if text[position] == "\\" else 1
    raise PathSyntaxError(f"the quote at position {at + 1} is not closed")


def _condition(inner: str) -> FilterCondition:
    body = inner[1:].strip()
    if not (body.startswith("(") and body.endswith(")")):
        raise PathSyntaxError("a filter is written [?(…)]")
    try:
        return parse_condition(body[1:-1])
    except FilterSyntaxError as error:
        raise PathSyntaxError(str(error)) from error


def _quoted(inner: str) -> tuple[str, ...]:
    """The names in `'a', 'b'`."""
    names: list[str] = []
    at = 0
    while inner[at : at + 1] in ("'", '"') and at < len(inner):
        end = _after_quote(inner, at)
        names.append(_unescaped(inner[at + 1 : end - 1], inner[at]))
        rest = inner[end:].lstrip()
        if not rest:
            return tuple(names)
        if not rest.startswith(","):
            break
        at = len(inner) - len(rest[1:].lstrip())
    raise PathSyntaxError(f"[{inner}] is not a list of names in quotes")


def _unescaped(quoted: str, quote: str) -> str:
    """A backslash escapes the enclosing quote and another backslash; before anything else it is a character."""
    chars: list[str] = []
    at = 0
    while at < len(quoted):
        at += 1 if quoted[at] == "\\" and quoted[at + 1 : at + 2] in ("\\", quote) else 0
        chars.append(quoted[at])
        at += 1
    return "".join(chars)


def _numbers(inner: str) -> Indexes | Slice:
    try:
        if ":" in inner:
            start, _, end = inner.partition(":")
            return Slice(int(start) if start.strip() else None, int(end) if end.strip() else None)
        return Indexes(tuple(int(part) for part in inner.split(",")))
    except ValueError:
        raise PathSyntaxError(f"[{inner}] is neither an index, a slice, a name in quotes nor a filter") from None


_OPERAND = re.compile(
    r"""\s*(?:
        (?P<path>[@$])
      | (?P<string>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")
      | (?P<list>\[[^\]]*\])
      | (?P<literal>-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null)
    )""",
    re.VERBOSE,
)
_OPERATOR = re.compile(r"\s*(&&|\|\||==|!=|<=|>=|=~|<|>|!|\(|\)|[A-Za-z_]+)")

#: AWS's words. Source: https://docs.aws.amazon.com/step-functions/latest/dg/amazon-states-language-paths.html
_NO_REGULAR_EXPRESSION = "filtering by regular expression isn't supported"
_NO_OTHER_VALUE = "filtering by referencing another value in the JSON structure isn't supported"


class _FilterReader:
    """Recursive descent over a condition's text: `||` binds less than `&&`, and that less than `!`."""

    def __init__(self, text: str) -> None:
        self.text, self.at = text, 0

    def take(self, *operators: str) -> str:
        """The operator at this position if it is one of these, which is then behind; else nothing."""
        match = _OPERATOR.match(self.text, self.at)
        if match is None or match[1] not in operators:
            return ""
        self.at = match.end()
        return match[1]

    def any_of(self) -> FilterCondition:
        conditions = [self.all_of()]
        while self.take("||"):
            conditions.append(self.all_of())
        return conditions[0] if len(conditions) == 1 else FilterOr(tuple(conditions))

    def all_of(self) -> FilterCondition:
        conditions = [self.condition()]
        while self.take("&&"):
            conditions.append(self.condition())
        return conditions[0] if len(conditions) == 1 else FilterAnd(tuple(conditions))

    def condition(self) -> FilterCondition:
        if self.take("!"):
            return FilterNot(self.condition())
        if self.take("("):
            inner = self.any_of()
            if not self.take(")"):
                raise FilterSyntaxError("a parenthesis in the filter is not closed")
            return inner
        left = self.operand()
        operator = self.take("!=", *OPERATORS)
        if not operator:
            self.check_what_follows()
            return FilterExists(left)
        right = self.operand()
        if left.tokens is not None and right.tokens is not None:
            raise FilterSyntaxError(_NO_OTHER_VALUE)
        return FilterComparison(left, operator, right)

    def check_what_follows(self) -> None:
        """Refuses the operators of Jayway's dialect that AWS does not support."""
        match = _OPERATOR.match(self.text, self.at)
        operator = "" if match is None else match[1]
        if operator == "=~":
            raise FilterSyntaxError(_NO_REGULAR_EXPRESSION)
        if operator.isidentifier():
            raise FilterSyntaxError(f"lexical operators, which are non-symbolic, such as {operator} aren't supported")

    def operand(self) -> Operand:
        match = _OPERAND.match(self.text, self.at)
        if match is None:
            raise self.syntax_error()
        if match["path"]:
            if match["path"] == "$":
                raise FilterSyntaxError(_NO_OTHER_VALUE)
            return self.path(match.end())
        self.at = match.end()
        if match["string"]:
            return Operand(re.sub(r"\\(.)", r"\1", match["string"][1:-1]))
        text = match["literal"] or re.sub(r"'([^']*)'", r'"\1"', match["list"])
        try:
            return Operand(parse(text))
        except ValueError:
            raise FilterSyntaxError(f"the filter {self.text.strip()!r} has an invalid list") from None

    def path(self, start: int) -> Operand:
        end = start
        try:
            while end < len(self.text) and self.text[end] not in " \t\n=!<>&|)(,":
                end = closing(self.text, end) + 1 if self.text[end] == "[" else end + 1
            tokens = tuple(parse_tokens(self.text[start:end], 0))
        except PathSyntaxError as error:
            raise FilterSyntaxError(f"in the filter: {error}") from error
        self.at = end
        return Operand(tokens=tokens)

    def syntax_error(self) -> FilterSyntaxError:
        return FilterSyntaxError(f"the filter {self.text.strip()!r} is not a valid condition")


def parse_condition(text: str) -> FilterCondition:
    """The condition in a filter's parentheses.

    Raises: FilterSyntaxError.
    """
    reader = _FilterReader(text)
    condition = reader.any_of()
    if text[reader.at :].strip():
        raise reader.syntax_error()
    return condition
