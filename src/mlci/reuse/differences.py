"""The ingredients of a step that differ between two runs, in words."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping

from mlci.flow.models import Json
from mlci.reuse.ingredients import PARTS
from mlci.reuse.key_document import RunKeys
from mlci.step_types.script_start import ARCHIVE_FOLDER, DOCUMENT, STARTER_PREFIX
from mlci_dataclasses import dataclass

#: Of more changes of one kind, only the number is told.
_NAMED = 10
#: So many steps are named, one behind the other, whose outputs an input is made of.
_MAKERS = 3
_TEXT_CHARS = 80


@dataclass(frozen=True)
class Explanation:
    """The changes of a step since the earlier run that is nearest to it, in words; none if nothing that counts has
    changed. `run_id` is None where no earlier run has the step. A step without a key reads what can't be looked at."""

    step: str
    run_id: str | None = None
    changes: tuple[str, ...] = ()
    has_key: bool = True


def explain(step: str, current: RunKeys, earlier: Iterable[tuple[str, RunKeys]]) -> Explanation:
    """Return what has changed of a step since the nearest of the runs, which come newest first: it has the fewest
    changes."""
    if step not in current.steps:
        return Explanation(step, has_key=False)
    nearest: Explanation | None = None
    for run_id, keys in earlier:
        if step not in keys.steps:
            continue
        found = Explanation(step, run_id, tuple(differences(step, keys, current)))
        if nearest is None or len(found.changes) < len(nearest.changes):
            nearest = found
        if not nearest.changes:
            break
    return nearest or Explanation(step)


def step_changes(
    before: RunKeys, after: RunKeys, in_words: Callable[[str, RunKeys, RunKeys], Iterable[str]]
) -> dict[str, tuple[str, ...]]:
    """Return the changes of each step that has another key, or that only one of two runs has. `in_words` returns those
    of a step that both have.

    Nothing is known of a step without a key in one of the runs, so it is left out.
    """
    changes: dict[str, tuple[str, ...]] = {}
    for step in dict.fromkeys([*after.steps, *before.steps]):
        if step in before.without_key or step in after.without_key:
            continue
        if step not in before.steps or step not in after.steps:
            changes[step] = (_came(step in after.steps),)
        elif before.steps[step].key != after.steps[step].key:
            changes[step] = tuple(in_words(step, before, after))
    return changes


def differences(step: str, before: RunKeys, after: RunKeys, makers: int = _MAKERS) -> Iterator[str]:
    """Yield the changes of a step's ingredients, a line each: `hyperparameter max_depth: 4 → 5`.

    Of an input, the changes of the step that makes it are named, of as many as `makers` one behind the other.
    """
    if before.steps[step].key == after.steps[step].key:
        return
    lines = list(_Comparison(step, before, after, makers).lines())
    yield from lines or ["mlci itself: it runs the step in another way"]


def own_differences(step: str, before: RunKeys, after: RunKeys) -> tuple[str, ...]:
    """Return the changes of a step's own ingredients, in the same words; () for one of which nothing has changed but
    the steps that it reads from."""
    if before.steps[step].key == after.steps[step].key:
        return ()
    comparison = _Comparison(step, before, after, makers=0, is_own=True)
    lines = tuple(comparison.lines())
    return lines if lines or comparison.follows() else tuple(differences(step, before, after))


@dataclass(frozen=True)
class _Comparison:
    """`is_own` leaves out the inputs of which nothing has changed but the steps that make them."""

    step: str
    before: RunKeys
    after: RunKeys
    makers: int
    is_own: bool = False

    def lines(self) -> Iterator[str]:
        old, new = self.before.steps[self.step].ingredients, self.after.steps[self.step].ingredients
        for kind in dict.fromkeys([*new, *old]):
            if old.get(kind) != new.get(kind):
                yield from _WORDS.get(kind, _values(kind))(self, old.get(kind), new.get(kind))

    def files(self, label: str, old: Json, new: Json) -> Iterator[str]:
        """Yield a line for each file that has changed. Those that mlci adds itself have no names."""
        was, will_be = _in_repository(_map(old)), _in_repository(_map(new))
        changed = [path for path in sorted({*was, *will_be}) if was.get(path) != will_be.get(path)]
        own = [path for path in changed if path.startswith(STARTER_PREFIX)]
        if DOCUMENT in own:
            yield f"{label}: the script starts in another way"
        elif own:
            yield f"{label}: mlci's own part changed"
        others = [path for path in changed if path not in own]
        for path in others[:_NAMED]:
            yield f"{label}: {path} {'changed' if path in was and path in will_be else _came(path in will_be)}"
        if len(others) > _NAMED:
            yield f"{label}: {len(others) - _NAMED} more files changed"

    def args(self, old: Json, new: Json) -> Iterator[str]:
        was, will_be = (value if isinstance(value, list) else [] for value in (old, new))
        if len(was) != len(will_be):
            yield f"arguments: {_words(was)} → {_words(will_be)}"
            return
        for number, (left, right) in enumerate(zip(was, will_be, strict=True), 1):
            if left != right:
                yield f"argument {number}: {_shown(left)} → {_shown(right)}"

    def inputs(self, old: Json, new: Json) -> Iterator[str]:
        was, will_be = _map(old), _map(new)
        for name in dict.fromkeys([*will_be, *was]):
            left, right = was.get(name), will_be.get(name)
            if left == right:
                continue
            if left is None or right is None:
                yield f"input {name} {_came(right is not None)}"
            elif not (self.is_own and self._is_followed(name, _map(left), _map(right))):
                yield f"input {name}: {self._source(name, _map(left), _map(right))}"

    def follows(self) -> bool:
        """Return True if the step reads what another one makes that has changed."""
        was, will_be = (_map(keys.steps[self.step].ingredients.get("inputs")) for keys in (self.before, self.after))
        return any(
            was[name] != will_be[name] and self._is_followed(name, _map(was[name]), _map(will_be[name]))
            for name in was.keys() & will_be.keys()
        )

    def _is_followed(self, name: str, old: Mapping[str, Json], new: Mapping[str, Json]) -> bool:
        """Return True if nothing has changed of an input but the steps that make it."""
        is_of_same = self._origin(self.before, name, old) == self._origin(self.after, name, new)
        return is_of_same and _without_keys(old) == _without_keys(new)

    def _source(self, name: str, old: Mapping[str, Json], new: Mapping[str, Json]) -> str:
        """Return what has changed of one input."""
        left, right = self._origin(self.before, name, old), self._origin(self.after, name, new)
        if left != right:
            return f"{left} → {right}"
        maker = self._maker(self.after, new)
        if maker and maker in self.before.steps and old.get("key") != new.get("key") and self.makers:
            return f"{right}{_inner(list(differences(maker, self.before, self.after, self.makers - 1)))}"
        if maker or "keys" in new or "of" in new:
            return f"{right}, which has changed"
        if old.get("objects") != new.get("objects"):
            return f"{_changed_objects(_map(old.get('objects')), _map(new.get('objects')))}{right} changed"
        if old.get("digest") != new.get("digest"):
            return f"{right} changed"
        return f"{right}, {', '.join(_compared('', dict(old), dict(new)))}"

    def _maker(self, keys: RunKeys, source: Mapping[str, Json]) -> str:
        return keys.maker(str(source["key"])) if "key" in source else ""

    def _origin(self, keys: RunKeys, name: str, source: Mapping[str, Json]) -> str:
        """Return where an input comes from, in words."""
        if "uri" in source:
            return str(source["uri"])
        if "baseline" in source:
            return f"{source['baseline']} of the baseline"
        if "digest" in source:
            return keys.steps[self.step].paths.get(name, "a file")
        output = str(source.get("output"))
        if "key" in source:
            maker = self._maker(keys, source)
            return f'"{output}" made by step {maker}' if maker else f'"{output}" of an earlier run'
        return f'"{output}" of the best cell' if "of" in source else f'"{output}" of all cells'

    def image(self, old: Json, new: Json) -> Iterator[str]:
        if isinstance(old, dict) and isinstance(new, dict):
            yield "image: what it is built from changed"
        else:
            built = "one that is built from a folder"
            yield _line("image", *(built if isinstance(value, dict) else value for value in (old, new)))

    def software(self, old: Json, new: Json) -> Iterator[str]:
        was, will_be = self.before.software, self.after.software
        changed = [name for name in dict.fromkeys([*will_be, *was]) if was.get(name) != will_be.get(name)]
        for name in changed[:_NAMED]:
            label = "Python" if name == "python" else f"package {name}"
            yield _line(label, was.get(name), will_be.get(name))
        if len(changed) > _NAMED:
            yield f"{len(changed) - _NAMED} more packages changed"


_Words = Callable[[_Comparison, Json, Json], Iterator[str]]


def _values(label: str) -> _Words:
    """Return the words for a value, or for each of a map's values that has changed: `label name: 4 → 5`."""
    return lambda _, old, new: _compared(label, old, new)


_WORDS: Mapping[str, _Words] = {
    "args": _Comparison.args,
    "code": lambda comparison, old, new: comparison.files("code", old, new),
    "env": _values("variable"),
    "further_requests": _values(""),
    "hyperparameters": _values("hyperparameter"),
    "image": _Comparison.image,
    "inputs": _Comparison.inputs,
    "requirements": lambda comparison, old, new: comparison.files("requirements", old, new),
    "software": _Comparison.software,
    "values": _values(""),
}


def _compared(label: str, old: Json, new: Json, path: tuple[str, ...] = ()) -> Iterator[str]:
    """Yield a line for each value that differs, by its path; a list, and a text with references, is one value."""
    was, will_be = _inner_map(old), _inner_map(new)
    if was is None or will_be is None:
        yield _line(f"{label} {'.'.join(path)}".strip(), old, new)
        return
    for name in dict.fromkeys([*will_be, *was]):
        if was.get(name) != will_be.get(name):
            yield from _compared(label, was.get(name), will_be.get(name), (*path, name))


def _in_repository(files: Mapping[str, Json]) -> Mapping[str, Json]:
    """Return files by their paths in the repository, which are below a folder of its own in an archive."""
    folder = f"{ARCHIVE_FOLDER}/"
    is_archive = all(path.startswith((folder, STARTER_PREFIX)) for path in files)
    return {path.removeprefix(folder): digest for path, digest in files.items()} if is_archive else files


def _inner_map(value: Json) -> Mapping[str, Json] | None:
    """Return a map's values; None for what is shown as a whole."""
    if value is None:
        return {}
    return value if isinstance(value, dict) and PARTS not in value else None


def _line(label: str, old: Json, new: Json) -> str:
    if old is None:
        return f"{label}: new, {_shown(new)}"
    left, right = _shown(old), "none" if new is None else _shown(new)
    if left == right:  # the text "5" and the number 5
        left, right = _shown([old])[1:-1], _shown([new])[1:-1]
    return f"{label}: {left} → {right}"


def _changed_objects(old: Mapping[str, Json], new: Mapping[str, Json]) -> str:
    """Return how many objects have changed, came or went, as far as that is known."""
    if "digest" in old or "digest" in new or not (old or new):
        return ""
    count = sum(old.get(path) != new.get(path) for path in {*old, *new})
    return f"{count} object{'' if count == 1 else 's'} of "


def _without_keys(source: Mapping[str, Json]) -> dict[str, Json]:
    """Return an input without the keys of the steps that make it, and with the folders of their cells."""
    kept = {name: value for name, value in source.items() if name not in ("key", "of", "by")}
    return {**kept, "keys": [*_map(kept.get("keys"))]}


def _inner(lines: list[str]) -> str:
    """Return the changes of the step that makes an input, in parentheses."""
    if not lines:
        return ""
    more = f"; and {len(lines) - 1} more" if len(lines) > 1 else ""
    return f" ({lines[0]}{more})"


def _came(is_there: bool) -> str:
    return "is new" if is_there else "is gone"


def _words(values: Iterable[Json]) -> str:
    return " ".join(map(_shown, values)) or "none"


def _shown(value: Json) -> str:
    """Return a value as a flow writes it, cut if it is long."""
    if isinstance(value, dict) and isinstance(parts := value.get(PARTS), list):
        text = "".join(part if isinstance(part, str) else _reference(_map(part)) for part in parts)
    else:
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True)
    return f"{text[: _TEXT_CHARS - 1]}…" if len(text) > _TEXT_CHARS else text or '""'


def _reference(reference: Mapping[str, Json]) -> str:
    match reference:
        case {"input": str(name)}:
            return f"${{{{ inputs.{name} }}}}"
        case {"path_of": str(name)}:
            return f"${{{{ outputs.{name} }}}}"
        case {"metric": list(path), "key": str(key)}:
            return f"(metric {'.'.join(map(str, path))} of the step {key[:8]})"
        case {"output": str(name), **rest}:
            return f"(output {name} of the step {str(rest.get('key', ''))[:8]})"
        case _:
            return "…"


def _map(value: Json) -> Mapping[str, Json]:
    return value if isinstance(value, dict) else {}
