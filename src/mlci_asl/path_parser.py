"""From the text of a JSONPath to its tokens: names, brackets, and the conditions of filters."""

from __future__ import annotations

import re
from collections.abc import Iterator

from mlci_asl.filters import OPERATORS, Comparison, Every, Exists, Not, Operand, Some
from mlci_asl.jsontext import parse
from mlci_asl.path_tokens import (
    Condition,
    Filter,
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
    """A text that is not a condition, or one that uses an operator that is not covered."""


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
    """Where the bracket at `at` closes, quotes and nested brackets skipped.

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


def _condition(inner: str) -> Condition:
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
    raise PathSyntaxError(f"[{inner}] is no list of names in quotes")


def _unescaped(quoted: str, quote: str) -> str:
    """A backslash counts before the quote around it and before another one; before anything else it is a character."""
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


_FILTER_TOKEN = re.compile(
    r"""\s*(?:
        (?P<op>&&|\|\||==|!=|<=|>=|<|>|!|\(|\)|\b(?:in|nin)\b)
      | (?P<path>[@$])
      | (?P<string>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")
      | (?P<list>\[[^\]]*\])
      | (?P<literal>-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null)
    )""",
    re.VERBOSE,
)


class _FilterReader:
    """Recursive descent over a condition's text: `||` binds less than `&&`, and that less than `!`."""

    def __init__(self, text: str) -> None:
        self.text, self.at = text, 0

    def peek(self) -> str:
        match = _FILTER_TOKEN.match(self.text, self.at)
        return (match["op"] or "") if match else ""

    def take(self, *ops: str) -> str:
        op = self.peek()
        if op not in ops or not op:
            return ""
        match = _FILTER_TOKEN.match(self.text, self.at)
        self.at = match.end() if match else self.at
        return op

    def some(self) -> Condition:
        parts = [self.every()]
        while self.take("||"):
            parts.append(self.every())
        return parts[0] if len(parts) == 1 else Some(tuple(parts))

    def every(self) -> Condition:
        parts = [self.part()]
        while self.take("&&"):
            parts.append(self.part())
        return parts[0] if len(parts) == 1 else Every(tuple(parts))

    def part(self) -> Condition:
        if self.take("!"):
            return Not(self.part())
        if self.take("("):
            inner = self.some()
            if not self.take(")"):
                raise FilterSyntaxError("a parenthesis in the filter is not closed")
            return inner
        left = self.operand()
        op = self.take("!=", *OPERATORS)
        return Comparison(left, op, self.operand()) if op else Exists(left)

    def operand(self) -> Operand:
        match = _FILTER_TOKEN.match(self.text, self.at)
        if match is None or match["op"]:
            raise FilterSyntaxError(f"the filter {self.text.strip()!r} is not understood")
        if match["path"]:
            return self.path(match.end(), match["path"])
        self.at = match.end()
        if match["string"]:
            return Operand(re.sub(r"\\(.)", r"\1", match["string"][1:-1]))
        text = match["literal"] or re.sub(r"'([^']*)'", r'"\1"', match["list"])
        try:
            return Operand(parse(text))
        except ValueError:
            raise FilterSyntaxError(f"the filter {self.text.strip()!r} has no valid list") from None

    def path(self, start: int, root: str) -> Operand:
        end = start
        try:
            while end < len(self.text) and self.text[end] not in " \t\n=!<>&|)(,":
                end = closing(self.text, end) + 1 if self.text[end] == "[" else end + 1
            tokens = tuple(parse_tokens(self.text[start:end], 0))
        except PathSyntaxError as error:
            raise FilterSyntaxError(f"in the filter: {error}") from error
        self.at = end
        return Operand(tokens=tokens, is_root=root == "$")


def parse_condition(text: str) -> Condition:
    """The condition that a text stands for.

    Raises: FilterSyntaxError.
    """
    reader = _FilterReader(text)
    condition = reader.some()
    if reader.text[reader.at :].strip():
        raise FilterSyntaxError(f"the filter {text.strip()!r} is not understood")
    return condition
