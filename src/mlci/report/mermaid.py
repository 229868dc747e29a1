"""A flow drawn as a Mermaid graph, which GitHub shows as a picture; coloured by outcome where there is one.

Source: https://mermaid.js.org/syntax/flowchart.html
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from mlci.backends.progress import StepStatus
from mlci.flow import dependencies
from mlci.flow.models import Flow, RepositoryPath, S3Location, Step
from mlci.flow.names import written_name
from mlci.report.formatting import count
from mlci.report.signs import STEP_COLOURS, STEP_SIGNS, rule_colour, rule_sign
from mlci.report.untrusted_text import mermaid_label

GATE_NODE = "gate_"


def mermaid(flow: Flow, outcome: Mapping[str, StepStatus] | None = None, gate_held: bool | None = None) -> str:
    """The flow as Mermaid text: data, steps and the gate; what reads what is an arrow."""
    cells: dict[str, list[str]] = {}
    for name in flow.steps:
        cells.setdefault(written_name(name), []).append(name)
    steps = {name: f"s{number}" for number, names in enumerate(cells.values(), 1) for name in names}
    places = dict.fromkeys(place for step in flow.steps.values() for place in _places(step))
    data = {place: f"d{number}" for number, place in enumerate(places, 1)}
    lines = [
        "flowchart LR",
        *(_step_node(steps[names[0]], flow, names, outcome or {}) for names in cells.values()),
        *(f'{node}[("{mermaid_label(place)}")]' for place, node in data.items()),
        *([f'{GATE_NODE}{{"{_gate_label(gate_held)}"}}'] if flow.gate else []),
        *dict.fromkeys(_arrows(flow, steps, data)),
        *_styles(
            {steps[names[0]]: _status_of(names, outcome or {}) for names in cells.values()},
            gate_held if flow.gate else None,
        ),
    ]
    return "\n  ".join(lines) + "\n"


def _places(step: Step) -> Iterator[str]:
    """The data that a step reads from outside of the flow."""
    for source in step.inputs.values():
        if isinstance(source, RepositoryPath):
            yield source.path
        elif isinstance(source, S3Location):
            yield source.uri


#: A step with a matrix has the first of these that one of its cells has.
_WORST_FIRST: tuple[StepStatus, ...] = ("failed", "stopped", "running", "waiting", "skipped", "reused", "succeeded")


def _status_of(names: Sequence[str], outcome: Mapping[str, StepStatus]) -> StepStatus | None:
    found = {outcome[name] for name in names if name in outcome}
    return next((status for status in _WORST_FIRST if status in found), None)


def _step_node(node: str, flow: Flow, names: Sequence[str], outcome: Mapping[str, StepStatus]) -> str:
    """A step, with the number of its cells if it has a matrix."""
    step, status = flow.steps[names[0]], _status_of(names, outcome)
    name = written_name(step.name)
    label = f"{STEP_SIGNS[status]} {name}" if status else name
    cells = f", {count(len(names), 'cell')}" if step.cell else ""
    place = " in the build" if step.runs_on else ""
    return f'{node}["{mermaid_label(label)}<br/><small>{step.uses}{place}{cells}</small>"]'


def _arrows(flow: Flow, steps: Mapping[str, str], data: Mapping[str, str]) -> Iterator[str]:
    judged = [step for rule in flow.gate for step in rule.steps]
    places = {name: number for number, name in enumerate(steps)}
    for name, before in dependencies(flow).items():
        step = flow.steps[name]
        yield from (f"{data[place]} --> {steps[name]}" for place in _places(step))
        line = "-. if .->" if step.when else "-->"
        if step.is_after_gate:
            yield f"{GATE_NODE} {line} {steps[name]}"
        through_gate = judged if step.is_after_gate else ()
        drawn = sorted(places.keys() & before.difference(through_gate), key=places.__getitem__)
        yield from (f"{steps[other]} {line} {steps[name]}" for other in drawn)
    yield from (f"{steps[name]} --> {GATE_NODE}" for name in judged)


def _styles(statuses: Mapping[str, StepStatus | None], gate_held: bool | None) -> Iterator[str]:
    for node, status in statuses.items():
        if status and status in STEP_COLOURS:
            yield f"style {node} stroke:{STEP_COLOURS[status]},stroke-width:3px"
    if gate_held is not None:
        yield f"style {GATE_NODE} stroke:{rule_colour(gate_held)},stroke-width:3px"


def _gate_label(held: bool | None) -> str:
    return "gate" if held is None else f"{rule_sign(held)} gate"
