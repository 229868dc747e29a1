"""The text of `flow.yaml` as plain values, with the line and column of every part.

PyYAML's nodes become text, numbers, booleans, lists and mappings only. Bytes that are not UTF-8, bad syntax or an alias
bomb end the reading. An error in one part is a flaw, which is reported together with all other problems.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TypeAlias

from mlci.errors import InputError, Problem
from mlci.flow.invalid_value import InvalidValue
from mlci.flow.limits import MAX_BYTES
from mlci.flow.models import Json, Position
from mlci.flow.yaml_nodes import MappingNode, Mark, Node, ScalarNode, SequenceNode, compose, is_plain, tag_of
from mlci.flow.yaml_scalars import describe, read_plain
from mlci_dataclasses import dataclass

Path: TypeAlias = "tuple[str | int, ...]"

#: Bounds that no flow comes near, as MAX_BYTES is; within them, any text is read in well under a second.
MAX_NODES = 10_000
MAX_CHARACTERS = 2_000_000
MAX_DEPTH = 30

#: What YAML counts as the end of a line.
_LINE_END = re.compile("\r\n|[\n\r\x85\u2028\u2029]")
_NOT_PRINTABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]")
_REFERENCE = "${{"
_MERGE_KEY = "<<"
_TAG = "tag:yaml.org,2002:"


@dataclass(frozen=True)
class Flaw:
    """Something wrong with one part; `path` is the value that has no meaning because of it, if it is a value."""

    position: Position
    what: str
    hint: str = ""
    path: Path | None = None


@dataclass(frozen=True)
class SourceSpan:
    """The positions of a value and its key; `start` and `end` are offsets into the text."""

    key: Position | None
    value: Position
    start: int
    end: int
    written: str | None


@dataclass(frozen=True)
class Document:
    """A file's content. Its top level is a mapping, and every key in it is text."""

    file: str
    text: str
    value: Mapping[str, Json]
    spans: Mapping[Path, SourceSpan]
    flaws: tuple[Flaw, ...] = ()

    def position(self, path: Path) -> Position:
        """Returns the position of the value at this path, or of the nearest part around it."""
        place, found = self._nearest(path)
        return place.value if found == path or place.key is None else place.key

    def key_position(self, path: Path) -> Position:
        """Returns the position of the key that this path ends in; for an item of a list, of the item."""
        place, _ = self._nearest(path)
        return place.key or place.value

    def reference_position(self, path: Path, ordinal: int) -> Position:
        """Returns the position of the `${{` of this ordinal (from 0) in the text at this path.

        Where escapes keep the source from showing it, this is the text's own position.
        """
        place, _ = self._nearest(path)
        source = self.text[place.start : place.end]
        offsets = [match.start() for match in re.finditer(re.escape(_REFERENCE), source)]
        if (place.written or "").count(_REFERENCE) != len(offsets) or ordinal >= len(offsets):
            return place.value
        return _advance(place.value, source[: offsets[ordinal]])

    def written(self, path: Path) -> str | None:
        """Returns the scalar at this path as the file has it: `0.20` for 0.2. None if there is none."""
        place = self.spans.get(path)
        return place.written if place else None

    def _nearest(self, path: Path) -> tuple[SourceSpan, Path]:
        while path not in self.spans:
            path = path[:-1]
        return self.spans[path], path


def read(content: bytes, file: str) -> Document:
    """Returns the document in these bytes.

    Raises:
        InputError: they hold none.
    """
    text = _decode(content, file)
    root = compose(text, file, MAX_NODES, MAX_DEPTH)
    if root is None or (is_plain(root) and not root.value):
        raise _refusal(Position(file, 1, 1), "the file is empty", 'Begin with "flow: <name>", or run "mlci init"')
    expansion = _Expansion(file)
    value = expansion.expand(root, (), None)
    if not isinstance(value, dict):
        hint = 'Its keys are "flow", "params", "steps" and "gate"'
        raise _refusal(
            _position(file, root.start_mark), f"the file must hold a mapping, but holds {describe(value)}", hint
        )
    return Document(file, text, value, expansion.spans, tuple(expansion.flaws))


def _decode(content: bytes, file: str) -> str:
    if len(content) > MAX_BYTES:
        what = f"the file has {len(content):,} bytes, and a flow has at most {MAX_BYTES:,}"
        raise _refusal(Position(file, 1, 1), what, "Is this the right file?")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        # `error.object` is what came after a byte order mark, so offsets are into it and not into `content`.
        before = error.object[: error.start].decode("utf-8")
        what = f"the byte 0x{error.object[error.start]:02x} is not UTF-8"
        raise _refusal(_advance(Position(file, 1, 1), before), what, "Save the file as UTF-8") from None
    if match := _NOT_PRINTABLE.search(text):
        code = ord(match.group())
        name = "a NUL byte" if code == 0 else f"the character U+{code:04X}"
        place = _advance(Position(file, 1, 1), text[: match.start()])
        raise _refusal(place, f"{name} is not allowed in YAML", "Is this a text file?" if code == 0 else "Remove it")
    return text


def _advance(position: Position, text: str) -> Position:
    """Returns the position after this text."""
    lines = _LINE_END.split(text)
    column = len(lines[-1]) + (position.column if len(lines) == 1 else 1)
    return Position(position.file, position.line + len(lines) - 1, column)


def _position(file: str, mark: Mark) -> Position:
    return Position(file, mark.line + 1, mark.column + 1)


def _refusal(position: Position, what: str, hint: str = "") -> InputError:
    return InputError([Problem(position.file, position.line, position.column, what, hint)])


class _Expansion:
    """Turns nodes into values: follows aliases and merge keys, within bounds, and notes spans and flaws."""

    def __init__(self, file: str) -> None:
        self.spans: dict[Path, SourceSpan] = {}
        self.flaws: list[Flaw] = []
        self._file = file
        self._nodes = self._characters = 0

    def expand(self, node: Node, path: Path, key: Node | None) -> Json:
        self._count(node, len(path))
        self.spans[path] = SourceSpan(
            key=self._at(key) if key else None,
            value=self._at(node),
            start=node.start_mark.index,
            end=node.end_mark.index,
            written=node.value if isinstance(node, ScalarNode) else None,
        )
        if isinstance(node, ScalarNode):
            return self._scalar(node, path)
        self._check_tag(node)
        if isinstance(node, SequenceNode):
            return [self.expand(item, (*path, index), None) for index, item in enumerate(node.value)]
        if not isinstance(node, MappingNode):  # PyYAML has three kinds of nodes
            raise TypeError(f"unknown node {type(node).__name__}")
        entries = self._entries(node, path, len(path))
        return {name: self.expand(value, (*path, name), key) for name, (key, value) in entries.items()}

    def _count(self, node: Node, depth: int) -> None:
        self._nodes += 1
        self._characters += len(node.value) if isinstance(node, ScalarNode) else 0
        what = "aliases make this file far larger than it looks, or refer to themselves"
        if self._nodes > MAX_NODES or self._characters > MAX_CHARACTERS or depth > MAX_DEPTH:
            raise _refusal(self._at(node), what, "Write the values out, or use params")

    def _at(self, node: Node) -> Position:
        return _position(self._file, node.start_mark)

    def _flaw(self, node: Node, invalid: InvalidValue, path: Path | None = None) -> None:
        self.flaws.append(Flaw(self._at(node), invalid.what, invalid.hint, path))

    def _scalar(self, node: ScalarNode, path: Path) -> Json:
        try:
            if is_plain(node):
                return read_plain(node.value)
            self._check_tag(node)
            if "\0" in node.value:
                raise InvalidValue("a text cannot hold a NUL character", "Remove it")
        except InvalidValue as invalid:
            self._flaw(node, invalid, path)
        return str(node.value)

    def _check_tag(self, node: Node) -> None:
        given = tag_of(node)
        if given not in (None, "!", f"{_TAG}str", f"{_TAG}seq", f"{_TAG}map"):
            tag = f"!!{given.removeprefix(_TAG)}" if given.startswith(_TAG) else given
            self._flaw(node, InvalidValue(f"the YAML tag {tag[:60]} is not allowed", "Remove it"))

    def _entries(self, node: MappingNode, path: Path, depth: int) -> dict[str, tuple[Node, Node]]:
        """The mapping's entries by key, with those that a merge key brings after its own, which win."""
        own: dict[str, tuple[Node, Node]] = {}
        merged: dict[str, tuple[Node, Node]] = {}
        for key, value in node.value:
            self._count(key, depth)
            if isinstance(key, ScalarNode) and is_plain(key) and key.value == _MERGE_KEY:
                for name, entry in self._merged(value, path, depth + 1):
                    merged.setdefault(name, entry)
                continue
            given = self._key(key, path)
            if given in own:
                line = self._at(own[given][0]).line
                self._flaw(
                    key, InvalidValue(f'the key "{given[:60]}" is given twice, first on line {line}', "Remove one")
                )
            elif given is not None:
                own[given] = (key, value)
        return {**own, **{name: entry for name, entry in merged.items() if name not in own}}

    def _merged(self, node: Node, path: Path, depth: int) -> Iterator[tuple[str, tuple[Node, Node]]]:
        self._count(node, depth)
        sources = node.value if isinstance(node, SequenceNode) else [node]
        for source in sources:
            if isinstance(source, MappingNode):
                yield from self._entries(source, path, depth).items()
            else:
                self._flaw(source, InvalidValue(f"{_MERGE_KEY} merges mappings only", "Give it an alias of a mapping"))

    def _key(self, key: Node, path: Path) -> str | None:
        if not isinstance(key, ScalarNode):
            hint = "A reference is written ${{ params.name }}, with a $" if isinstance(key, MappingNode) else ""
            self._flaw(key, InvalidValue("a key must be text, but this one is a list or a mapping", hint), path)
            return None
        self._check_tag(key)
        if not is_plain(key):
            return str(key.value)
        try:
            value = read_plain(key.value)
        except InvalidValue as invalid:
            self._flaw(key, InvalidValue(f"the key {invalid.what}", f'Write "{key.value}": in quotes'))
            return None
        if isinstance(value, str):
            return value
        self._flaw(key, InvalidValue(f"a key must be text, but this one is {describe(value)}", "Put it in quotes"))
        return None
