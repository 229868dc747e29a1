"""Reference paths: paths that identify a single node, so that a value can be written there (ResultPath)."""

from __future__ import annotations

from mlci_asl.jsontext import Json
from mlci_asl.path_tokens import Indexes, Names, PathSyntaxError
from mlci_asl.paths import INPUT, Path, parse_path


class ReferencePathConflict(ValueError):
    """A value can't be written at a reference path, for `value` has no `step`."""

    def __init__(self, step: str | int, value: Json) -> None:
        super().__init__(step, value)
        self.step, self.value = step, value


def parse_reference(text: str, *, is_for_writing: bool = False) -> Path:
    """A reference path: names and single indexes only, none of `@ .. , : ? *`.

    Raises: PathSyntaxError.
    """
    path = parse_path(text)
    for token in path.tokens:
        is_single = (isinstance(token, Names) and len(token.names) == 1) or (
            isinstance(token, Indexes) and len(token.indexes) == 1
        )
        if not is_single:
            raise PathSyntaxError("it must identify a single node: no wildcard, slice, filter or ..")
    if is_for_writing and path.root != INPUT:
        raise PathSyntaxError("only the state's input can be written to")
    return path


def write(path: Path, input: Json, value: Json) -> Json:
    """`input` with `value` at `path`. Missing objects are created; values of other types are not replaced.

    Raises: ReferencePathConflict.
    """
    return _write([_step(token) for token in path.tokens], input, value)


def _step(token: object) -> str | int:
    if isinstance(token, Names):
        return token.names[0]
    assert isinstance(token, Indexes), token
    return token.indexes[0]


def _write(steps: list[str | int], input: Json, value: Json) -> Json:
    if not steps:
        return value
    step, rest = steps[0], steps[1:]
    if isinstance(step, str) and isinstance(input, dict):
        return {**input, step: _write(rest, input.get(step, {}), value)}
    if isinstance(step, int) and isinstance(input, list) and -len(input) <= step < len(input):
        return [_write(rest, item, value) if index == step % len(input) else item for index, item in enumerate(input)]
    raise ReferencePathConflict(step, input)
