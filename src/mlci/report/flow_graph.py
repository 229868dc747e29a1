"""A flow as a graph: its steps, the data that they read, and the gate; coloured by outcome where there is one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

from mlci.backends.progress import StepStatus
from mlci.flow import dependencies
from mlci.flow.models import Flow, RepositoryPath, S3Location, Step
from mlci.flow.names import written_name
from mlci_dataclasses import dataclass

GATE_NODE = "gate_"


@dataclass(frozen=True)
class Node:
    """A node. `status` is the outcome of a step, or of the gate; None where there is none."""

    id: str
    kind: Literal["step", "data", "gate"]
    label: str
    detail: str = ""
    status: StepStatus | None = None


@dataclass(frozen=True)
class Edge:
    """An arrow from one node to another, by their ids. It is conditional where the other has an `if`."""

    source: str
    target: str
    is_conditional: bool = False


@dataclass(frozen=True)
class FlowGraph:
    """The nodes and edges of a drawn flow."""

    nodes: tuple[Node, ...] = ()
    edges: tuple[Edge, ...] = ()


def flow_graph(flow: Flow, outcome: Mapping[str, StepStatus] | None = None, gate_held: bool | None = None) -> FlowGraph:
    """Return the graph of a flow: what reads what is an arrow. `outcome` has the status of each step."""
    cells: dict[str, list[str]] = {}
    for name in flow.steps:
        cells.setdefault(written_name(name), []).append(name)
    ids = {name: f"s{number}" for number, names in enumerate(cells.values(), 1) for name in names}
    places = dict.fromkeys(place for step in flow.steps.values() for place in _places(step))
    data = {place: f"d{number}" for number, place in enumerate(places, 1)}
    gate_status: StepStatus | None = None if gate_held is None else "succeeded" if gate_held else "failed"
    nodes = (
        *(_step_node(ids[names[0]], flow, names, outcome or {}) for names in cells.values()),
        *(Node(node, "data", place) for place, node in data.items()),
        *([Node(GATE_NODE, "gate", "gate", _judge(flow), gate_status)] if flow.gate or flow.base_gate else []),
    )
    return FlowGraph(nodes, tuple(dict.fromkeys(_edges(flow, ids, data))))


def _judge(flow: Flow) -> str:
    """Return who judges the gate before what stands behind it, where that is not the state machine alone."""
    is_behind = any(step.is_after_gate for step in flow.steps.values())
    blocking = [rule for rule in flow.rules_in_force if rule.level == "block"]
    by_mlci = any(rule.is_judged_by_mlci for rule in blocking) or any(each.is_removed for each in flow.base_gate)
    return "judged by mlci" if is_behind and by_mlci else ""


def _places(step: Step) -> Iterator[str]:
    """Yield the data that a step reads from outside of the flow."""
    for source in step.inputs.values():
        if isinstance(source, RepositoryPath):
            yield source.path
        elif isinstance(source, S3Location):
            yield source.uri


#: A step with a matrix has the first of these that one of its cells has.
_WORST_FIRST: tuple[StepStatus, ...] = ("failed", "stopped", "running", "waiting", "skipped", "reused", "succeeded")


def _step_node(node: str, flow: Flow, names: Sequence[str], outcome: Mapping[str, StepStatus]) -> Node:
    """Return the node of a step, with the number of its cells if it has a matrix."""
    step = flow.steps[names[0]]
    found = {outcome[name] for name in names if name in outcome}
    status = next((status for status in _WORST_FIRST if status in found), None)
    cells = f", {len(names)} cell{'s' * (len(names) != 1)}" if step.cell else ""
    place = " in the build" if step.runs_on else ""
    return Node(node, "step", written_name(step.name), f"{step.uses}{place}{cells}", status)


def _edges(flow: Flow, steps: Mapping[str, str], data: Mapping[str, str]) -> Iterator[Edge]:
    judged = [step for rule in flow.rules_in_force for step in rule.steps]
    places = {name: number for number, name in enumerate(steps)}
    for name, before in dependencies(flow).items():
        step, is_conditional = flow.steps[name], bool(flow.steps[name].when)
        yield from (Edge(data[place], steps[name]) for place in _places(step))
        if step.is_after_gate:
            yield Edge(GATE_NODE, steps[name], is_conditional)
        through_gate = judged if step.is_after_gate else ()
        drawn = sorted(places.keys() & before.difference(through_gate), key=places.__getitem__)
        yield from (Edge(steps[other], steps[name], is_conditional) for other in drawn)
    yield from (Edge(steps[name], GATE_NODE) for name in judged if name in steps)
