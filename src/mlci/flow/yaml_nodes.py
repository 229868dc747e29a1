"""YAML's nodes with their marks, composed within bounds, and PyYAML's syntax errors as problems of a flow.

PyYAML's parser (libyaml's where it is there, which is ten times as fast) gives events, and PyYAML's composer makes
nodes of them; no constructor runs. Bounds are checked while composing, so a hostile text is left at its first excess.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Protocol

import yaml
from yaml.composer import Composer
from yaml.error import Mark
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from yaml.parser import Parser
from yaml.reader import Reader
from yaml.scanner import Scanner

from mlci.errors import InputError, Problem
from mlci_dataclasses import dataclass

__all__ = ["MappingNode", "Mark", "Node", "ScalarNode", "SequenceNode", "compose", "is_plain"]

#: The tags that we give to nodes that carry none of their own; a tag of YAML's is never spelt like these.
_PLAIN, _QUOTED, _COLLECTION = " plain", " quoted", ""
#: libyaml's words for more than 1,000 levels, since PyYAML 6.0.4.
_TOO_DEEP = "exceeded maximum nesting depth"


class Events(Protocol):
    """A YAML parser: PyYAML's own or libyaml's."""

    def check_event(self, *choices: Any) -> bool: ...
    def peek_event(self) -> Any: ...
    def get_event(self) -> Any: ...


class PythonEvents(Reader, Scanner, Parser):
    """PyYAML's own parser, for where libyaml is not."""

    def __init__(self, text: str) -> None:
        Reader.__init__(self, text)
        Scanner.__init__(self)
        Parser.__init__(self)


def fastest_events(text: str) -> Events:
    """libyaml's parser, or PyYAML's own where that was not built."""
    try:
        from yaml.cyaml import CParser  # type: ignore[attr-defined]  # its stub leaves the name out
    except ImportError:
        return PythonEvents(text)
    events: Events = CParser(text)
    return events


def is_plain(node: Node) -> bool:
    """Says whether this is a scalar without quotes and without a tag."""
    return bool(node.tag == _PLAIN)


def tag_of(node: Node) -> str | None:
    """Returns the tag that the text gives this node; None if it gives none."""
    return None if node.tag in (_PLAIN, _QUOTED, _COLLECTION) else str(node.tag)


def compose(
    text: str, file: str, max_nodes: int, max_depth: int, events: Callable[[str], Events] = fastest_events
) -> Node | None:
    """Returns the node that the text holds; None if it holds none.

    Raises:
        InputError: it is not valid YAML, or beyond the bounds.
    """
    try:
        node: Node | None = _Composer(events(text), file, max_nodes, max_depth).get_single_node()
        return node
    except yaml.MarkedYAMLError as error:
        if error.problem == _TOO_DEEP and events is not PythonEvents:
            # libyaml looks ahead, and gives up before the first node is there; PyYAML's own parser gets to the place.
            return compose(text, file, max_nodes, max_depth, PythonEvents)
        raise _translated(error, text, file) from None
    except yaml.YAMLError as error:
        raise InputError([Problem(file, 1, 1, f"this is not valid YAML: {error}")]) from None


class _Composer(Composer):
    """PyYAML's composer, with bounds, over any parser's events, and without tags of its own."""

    def __init__(self, events: Events, file: str, max_nodes: int, max_depth: int) -> None:
        super().__init__()
        self.check_event, self.peek_event, self.get_event = events.check_event, events.peek_event, events.get_event
        self._file, self._max_depth = file, max_depth
        self._nodes_left, self._depth = max_nodes, 0

    def compose_node(self, parent: Node | None, index: int) -> Node | None:
        self._nodes_left -= 1
        self._depth += 1
        if self._nodes_left < 0:
            raise self._refusal("the file holds more values than a flow can", "Is this the right file?")
        if self._depth > self._max_depth:
            raise self._refusal(f"this is nested more than {self._max_depth} levels deep", "Is this the right file?")
        node: Node | None = super().compose_node(parent, index)
        self._depth -= 1
        return node

    def descend_resolver(self, current_node: Node | None, current_index: Any) -> None:
        """Nothing to do: tags here do not depend on where a node is."""

    def ascend_resolver(self) -> None:
        """Nothing to do, likewise."""

    def resolve(self, kind: type[Node], value: Any, implicit: Any) -> str:
        if kind is not ScalarNode:
            return _COLLECTION
        return _PLAIN if implicit[0] else _QUOTED

    def _refusal(self, what: str, hint: str) -> InputError:
        mark = self.peek_event().start_mark
        return InputError([Problem(self._file, mark.line + 1, mark.column + 1, what, hint)])


@dataclass(frozen=True)
class _Syntax:
    """The meaning of a PyYAML message for the author of a flow. `{name}` is filled in from the message."""

    message: re.Pattern[str]
    what: str
    hint: str


_SYNTAX = tuple(
    _Syntax(re.compile(message), what, hint)
    for message, what, hint in (
        (
            "cannot start any token",
            'a value cannot begin with "{character}"',
            "Put it in quotes",
        ),
        (
            "mapping values are not allowed",
            'there is a ":" where no key can be',
            'Check the indentation of this line, or put a value that contains ": " in quotes',
        ),
        (
            "expected alphabetic or numeric character",
            "a value that begins with * is an alias, and with & an anchor, and this one has no name",
            "Put the value in quotes",
        ),
        (
            "undefined alias '?(?P<name>[^']*)",
            "the alias *{name} has no anchor before it",
            "Put a text that begins with * in quotes",
        ),
        ("duplicate anchor", "this anchor is given twice", "Rename one"),
        ("another document", "the file holds a second document", "Keep one, and remove the line with ---"),
        (
            "unknown escape character",
            "a backslash in double quotes begins an escape, and this one is unknown",
            "Use single quotes, or double the backslash",
        ),
        (
            r"expected ',' or|expected the node content|expected node content",
            "the list or mapping in brackets is not closed, or lacks a comma",
            "Check the brackets, and put values with special characters in quotes",
        ),
        (
            "could not find expected ':'",
            'a key has no ":" after it, on this line or the one before',
            "Write key: value",
        ),
        (
            "unexpected end of stream",
            "a quote is opened here and not closed",
            "Add the closing quote",
        ),
        (
            r"expected <block end>|expected key|expected '-' indicator",
            "the indentation does not fit what is above",
            "Keys of one mapping, and the dashes of one list, stand in one column",
        ),
    )
)


def _translated(error: yaml.MarkedYAMLError, text: str, file: str) -> InputError:
    message = error.problem or error.context or "unknown reason"
    mark: Mark | None = error.problem_mark or error.context_mark
    if "unexpected end of stream" in message:
        mark = error.context_mark or mark
    line, column, index = (mark.line + 1, mark.column + 1, mark.index) if mark else (1, 1, 0)
    what, hint = _explained(message, text, index)
    return InputError([Problem(file, line, column, what, hint)])


def _explained(message: str, text: str, index: int) -> tuple[str, str]:
    character = text[index : index + 1]
    if character == "\t" or re.search(r"\n[ ]*\t[ \t]*$", text[max(0, index - 80) : index]):
        return "a tab stands where YAML wants spaces", "Indent with spaces"
    if "expected ',' or" in message and "${{" in text[max(0, index - 3) : index + 3]:
        return "a reference inside [ ] or { } must be in quotes", 'Write "${{ … }}"'
    for syntax in _SYNTAX:
        if match := syntax.message.search(message):
            return syntax.what.format(character=character, **match.groupdict()), syntax.hint
    return f"this is not valid YAML: {message}", ""
