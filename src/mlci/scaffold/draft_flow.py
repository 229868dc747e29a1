"""A flow that is drafted for a repository, and its text: YAML with comments, which `mlci init` writes as flow.yaml."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import field
from typing import TypeAlias

from mlci.flow.invalid_value import InvalidValue
from mlci.flow.models import Scalar
from mlci.flow.yaml_scalars import read_plain
from mlci_dataclasses import dataclass

DraftValue: TypeAlias = "Scalar | None | Sequence[DraftValue] | Mapping[str, DraftValue]"

#: Text that no reader of YAML takes for anything else, words such as `no` aside.
_PLAIN = re.compile(r"[A-Za-z_./](?:[A-Za-z0-9_./@=:-]*[A-Za-z0-9_./])?|[0-9]+[smh]")
#: No step has this name: `after: gate` means the flow's gate.
RESERVED = "gate"

_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9]+")
_WIDTH = 100


@dataclass(frozen=True)
class DraftStep:
    """A step: its keys in the order in which they are written, and comments above it."""

    name: str
    keys: Mapping[str, DraftValue]
    comments: tuple[str, ...] = ()


@dataclass(frozen=True)
class DraftFlow:
    """A flow. `comments` stand on top of it; `metrics` are examples of what a rule could name."""

    name: str
    steps: tuple[DraftStep, ...]
    params: Mapping[str, Scalar] = field(default_factory=dict)
    defaults: Mapping[str, DraftValue] = field(default_factory=dict)
    comments: tuple[str, ...] = ()
    metrics: tuple[str, ...] = ()


def render_flow(flow: DraftFlow, schema: str) -> str:
    """Returns the text of flow.yaml. `schema` is the path of its JSON schema, for editors."""
    lines = [f"# yaml-language-server: $schema=./{schema}", "#", *_comments(flow.comments), f"flow: {flow.name}", ""]
    if flow.params:
        lines += [
            "params: # `mlci run --param <name>=<value>` sets another value for one run",
            *_map(flow.params, 1),
            "",
        ]
    if flow.defaults:
        lines += ["defaults:", *_map(flow.defaults, 1), ""]
    lines.append("steps:")
    measured = [step.name for step in flow.steps if "metrics" in step.keys]
    for step in flow.steps:
        lines += [*_comments(step.comments, 1), f"  {step.name}:", *_map(step.keys, 2)]
    return "\n".join([*lines, "", *_gate(flow.metrics, measured)]) + "\n"


def _gate(metrics: Sequence[str], measured: Sequence[str]) -> Iterator[str]:
    """Yields a gate that is a comment: nobody knows yet which numbers are good enough."""
    yield "# What the metrics must meet: each rule fails the build if it is missed. Take out the # to judge."
    if not measured:
        yield "# A step has metrics if it names the file that it writes them to: `metrics: <output>/metrics.json`."
    yield "# With a table of test cases (`cases: <output>/cases.csv`), max_drop can tell a worse model from bad luck."
    yield "# gate:"
    for metric in metrics[:5] or (f"{measured[0] if measured else '<step>'}.<metric>",):
        yield f"#   - metric: {metric}"
        yield "#     min: 0.9"
        yield "#     max_drop: 2%  # against the last passing run on the base branch"


def name_for(text: str, taken: Iterable[str] = (), max_chars: int = 40, fallback: str = "step") -> str:
    """Returns a name of letters, digits and - for a step, an output or a flow, which nobody has taken.

    >>> name_for("train@a/b_1"), name_for("0.5", fallback="out"), name_for("data", ["data"])
    ('train-a-b-1', 'out-0-5', 'data-2')
    """
    plain = _NOT_IN_NAMES.sub("-", text).strip("-")
    if not plain or not plain[0].isalpha():
        plain = f"{fallback}-{plain}".strip("-")
    plain = plain[:max_chars].rstrip("-")
    folded = {name.lower().replace("_", "-") for name in taken}
    name, number = plain, 2
    while name.lower() in folded:
        name, number = f"{plain[: max_chars - 4]}-{number}", number + 1
    return name


def _comments(texts: Iterable[str], depth: int = 0) -> Iterator[str]:
    for text in texts:
        for line in text.splitlines() or [""]:
            printable = "".join(character if character.isprintable() else "?" for character in line)
            yield f"{'  ' * depth}# {printable}".rstrip()


def _map(values: Mapping[str, DraftValue], depth: int) -> Iterator[str]:
    for name, value in values.items():
        start = f"{'  ' * depth}{_scalar(name)}:"
        if isinstance(value, Mapping) and value and not (depth > 2 and _is_short(start, value)):
            yield start
            yield from _map(value, depth + 1)
            continue
        flat = _flow_style(value)
        if (
            isinstance(value, Mapping)
            or len(start) + len(flat) < _WIDTH
            or isinstance(value, str)
            or not isinstance(value, Sequence)
        ):
            yield f"{start} {flat}"
            continue
        yield start
        yield from (f"{'  ' * (depth + 1)}- {_flow_style(item)}" for item in value)


def _is_short(start: str, value: Mapping[str, DraftValue]) -> bool:
    return len(start) + len(_flow_style(value)) < _WIDTH


def _flow_style(value: DraftValue) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_scalar(name)}: {_flow_style(item)}" for name, item in value.items()) + "}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "[" + ", ".join(_flow_style(item) for item in value) + "]"
    return _scalar(value)


def _scalar(value: Scalar | None) -> str:
    """Returns a scalar in YAML: text in quotes where it could be read as anything else."""
    if not isinstance(value, str):
        return json.dumps(value)
    try:
        is_plain = bool(_PLAIN.fullmatch(value)) and read_plain(value) == value
    except InvalidValue:
        is_plain = False
    if is_plain:
        return value
    quoted = json.dumps(value, ensure_ascii=False)
    return "".join(each if each.isprintable() else f"\\U{ord(each):08x}" for each in quoted)
