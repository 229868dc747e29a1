"""The stages of a dvc.yaml, each with its variables filled in, and those of `foreach` and `matrix` one by one.

Sources: https://dvc.org/doc/user-guide/project-structure/dvcyaml-files and, for the names of a matrix's stages,
https://github.com/iterative/dvc/pull/9725
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import field
from typing import Any  # what a YAML file holds

from mlci.scaffold.dvc_interpolation import UnknownVariable, interpolated, merged
from mlci_dataclasses import dataclass

#: Keys of a stage that are translated. Of others, a comment tells.
_KEYS = frozenset({"cmd", "wdir", "deps", "params", "outs", "metrics", "plots", "desc", "meta", "vars"})
_DEFAULT_PARAMS = "params.yaml"
_MAX_STAGES = 200


@dataclass(frozen=True)
class DvcStage:
    """One stage. Paths are relative to `working_dir`, and `params` are the files that it reads params from.

    `remarks` say what of it has no translation.
    """

    name: str
    commands: tuple[str, ...]
    working_dir: str = "."
    deps: tuple[str, ...] = ()
    params: tuple[str, ...] = ()
    outs: tuple[str, ...] = ()
    metrics: tuple[str, ...] = ()
    description: str = ""
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True)
class DvcPipeline:
    """The stages of a dvc.yaml, and the remarks that belong to none of them. `metrics` are those on the top level."""

    stages: tuple[DvcStage, ...] = ()
    metrics: tuple[str, ...] = ()
    remarks: tuple[str, ...] = field(default=())


def read_pipeline(document: Any, read_yaml: Callable[[str], Any]) -> DvcPipeline:
    """Returns the stages of a dvc.yaml's document. `read_yaml` returns the content of a params file, None if it has
    none that can be read."""
    if not isinstance(document, dict) or not isinstance(document.get("stages", {}), dict | None):
        return DvcPipeline(remarks=("dvc.yaml has no stages that can be read.",))
    context = _context(document.get("vars"), read_yaml, _mapping(read_yaml(_DEFAULT_PARAMS)))
    stages: list[DvcStage] = []
    remarks: list[str] = []
    for name, written in (document.get("stages") or {}).items():
        try:
            expanded = list(itertools.islice(_expanded(str(name), written, context), _MAX_STAGES + 1))
            stages += [_stage(each, body, around, read_yaml) for each, body, around in expanded[:_MAX_STAGES]]
        except UnknownVariable as error:
            remarks.append(f'The stage "{name}" is not translated: no variable gives ${{{error.args[0]}}} a value.')
            continue
        if len(expanded) > _MAX_STAGES:
            remarks.append(f'Of the stage "{name}", only {_MAX_STAGES} are translated: `matrix:` in a step has more.')
    top = _paths(document.get("metrics"))
    return DvcPipeline(tuple(stages), tuple(top), tuple(remarks))


def _expanded(name: str, written: Any, context: Mapping[str, Any]) -> Iterator[tuple[str, Any, dict[str, Any]]]:
    """Yields each stage that an entry stands for: its name, its body, and its variables."""
    body = _mapping(written)
    if "foreach" in body:
        items = interpolated(body["foreach"], context)
        pairs = items.items() if isinstance(items, dict) else enumerate(items if isinstance(items, list) else [items])
        for key, item in pairs:
            label = item if not isinstance(items, dict) and not isinstance(item, dict | list) else key
            yield f"{name}@{label}", body.get("do"), {**context, "item": item, "key": key}
    elif "matrix" in body:
        axes = _mapping(interpolated(body["matrix"], context))
        lists = [values if isinstance(values, list) else [values] for values in axes.values()]
        rest = {key: value for key, value in body.items() if key != "matrix"}
        for places in itertools.product(*(range(len(values)) for values in lists)):
            chosen = {axis: values[place] for axis, values, place in zip(axes, lists, places, strict=True)}
            key = "-".join(
                f"{axis}{place}" if isinstance(value, dict | list) else str(value)
                for (axis, value), place in zip(chosen.items(), places, strict=True)
            )
            yield f"{name}@{key}", rest, {**context, "item": chosen, "key": key}
    else:
        yield name, body, dict(context)


def _stage(name: str, written: Any, context: Mapping[str, Any], read_yaml: Callable[[str], Any]) -> DvcStage:
    body = _mapping(written)
    context = _context(body.get("vars"), read_yaml, context)
    body = {key: interpolated(value, context) for key, value in body.items() if key != "vars"}
    command = body.get("cmd")
    metrics = _paths(body.get("metrics"))
    return DvcStage(
        name=name,
        commands=tuple(str(line) for line in (command if isinstance(command, list) else [command]) if line),
        working_dir=str(body.get("wdir") or "."),
        deps=tuple(_paths(body.get("deps"))),
        params=tuple(dict.fromkeys(_params_files(body.get("params")))),
        outs=tuple(dict.fromkeys([*_paths(body.get("outs")), *metrics, *_paths(body.get("plots"))])),
        metrics=tuple(metrics),
        description=str(body.get("desc") or ""),
        remarks=tuple(f'"{key}" of the stage has no translation.' for key in body if key not in _KEYS),
    )


def _context(written: Any, read_yaml: Callable[[str], Any], context: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the variables, with those of `vars`: maps, and files, of which only some keys may be wanted."""
    result = dict(context)
    for entry in written if isinstance(written, list) else []:
        if isinstance(entry, dict):
            result = merged(result, entry)
        elif isinstance(entry, str):
            path, colon, keys = interpolated(entry, result).rpartition(":")
            values = _mapping(read_yaml(path if colon else keys))
            wanted = keys.split(",") if colon else list(values)
            result = merged(result, {key: values[key] for key in wanted if key in values})
    return result


def _paths(written: Any) -> list[str]:
    """Returns the paths of `deps`, `outs`, `metrics` or `plots`: texts, or maps from a path to its options."""
    entries: Sequence[Any] = written if isinstance(written, list) else list(_mapping(written))
    return [str(path) for entry in entries for path in (entry if isinstance(entry, dict) else [entry])]


def _params_files(written: Any) -> Iterator[str]:
    for entry in written if isinstance(written, list) else []:
        if isinstance(entry, dict):
            yield from (str(path) for path in entry)
        else:
            yield _DEFAULT_PARAMS


def _mapping(value: Any) -> dict[str, Any]:
    return {str(key): item for key, item in value.items()} if isinstance(value, dict) else {}
