"""A flow drawn as a Mermaid graph, which GitHub shows as a picture; coloured by outcome where there is one.

Source: https://mermaid.js.org/syntax/flowchart.html
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from mlci.backends.progress import StepStatus
from mlci.flow import dependencies
from mlci.flow.models import Flow, RepositoryPath, S3Location, Step
from mlci.report.signs import STEP_COLOURS, STEP_SIGNS, rule_colour, rule_sign
from mlci.report.untrusted_text import mermaid_label

GATE_NODE = "gate_"


def mermaid(flow: Flow, outcome: Mapping[str, StepStatus] | None = None, gate_held: bool | None = None) -> str:
    """The flow as Mermaid text: data, steps and the gate; what reads what is an arrow."""
    steps = {name: f"s{number}" for number, name in enumerate(flow.steps, 1)}
    places = dict.fromkeys(place for step in flow.steps.values() for place in _places(step))
    data = {place: f"d{number}" for number, place in enumerate(places, 1)}
    lines = [
        "flowchart LR",
        *(_step_node(node, flow.steps[name], (outcome or {}).get(name)) for name, node in steps.items()),
        *(f'{node}[("{mermaid_label(place)}")]' for place, node in data.items()),
        *([f'{GATE_NODE}{{"{_gate_label(gate_held)}"}}'] if flow.gate else []),
        *dict.fromkeys(_arrows(flow, steps, data)),
        *_styles(steps, outcome or {}, gate_held if flow.gate else None),
    ]
    return "\n  ".join(lines) + "\n"


def _places(step: Step) -> Iterator[str]:
    """The data that a step reads from outside of the flow."""
    for source in step.inputs.values():
        if isinstance(source, RepositoryPath):
            yield source.path
        elif isinstance(source, S3Location):
            yield source.uri


def _step_node(node: str, step: Step, status: StepStatus | None) -> str:
    label = f"{STEP_SIGNS[status]} {step.name}" if status else step.name
    return f'{node}["{mermaid_label(label)}<br/><small>{step.uses}</small>"]'


def _arrows(flow: Flow, steps: Mapping[str, str], data: Mapping[str, str]) -> Iterator[str]:
    judged = [step for rule in flow.gate for step in rule.steps]
    for name, before in dependencies(flow).items():
        step = flow.steps[name]
        yield from (f"{data[place]} --> {steps[name]}" for place in _places(step))
        line = "-. if .->" if step.when else "-->"
        if step.is_after_gate:
            yield f"{GATE_NODE} {line} {steps[name]}"
        through_gate = judged if step.is_after_gate else ()
        yield from (
            f"{steps[other]} {line} {steps[name]}" for other in steps if other in before.difference(through_gate)
        )
    yield from (f"{steps[name]} --> {GATE_NODE}" for name in judged)


def _styles(steps: Mapping[str, str], outcome: Mapping[str, StepStatus], gate_held: bool | None) -> Iterator[str]:
    for name, status in outcome.items():
        if status in STEP_COLOURS:
            yield f"style {steps[name]} stroke:{STEP_COLOURS[status]},stroke-width:3px"
    if gate_held is not None:
        yield f"style {GATE_NODE} stroke:{rule_colour(gate_held)},stroke-width:3px"


def _gate_label(held: bool | None) -> str:
    return "gate" if held is None else f"{rule_sign(held)} gate"
