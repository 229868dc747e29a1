"""The order of a flow's steps: the predecessors of each, and the cycles that are errors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise

from mlci.flow.models import Flow, MetricValue, Rule, Step, StepOutput, texts_in
from mlci.flow.names import written_name
from mlci.step_types import STEP_TYPES

#: The gate as a node of the graph; no step can have this name.
GATE = "gate"
_MAX_CYCLES = 20


def dependencies(flow: Flow) -> Mapping[str, frozenset[str]]:
    """Returns the direct predecessors of each step.

    They are the steps whose outputs it reads, those in its `after`, those whose metrics its `if` reads, and for a step
    after the gate all those whose metrics the gate reads, the base branch's rules in it included.
    """
    gate = _judged_by(flow.rules_in_force)
    return {
        name: frozenset((needs(step) | gate if step.is_after_gate else needs(step)) & flow.steps.keys())
        for name, step in flow.steps.items()
    }


def needs(step: Step) -> set[str]:
    """Returns the steps that this one names."""
    return {*read_by(step), *step.after, *_judged_by(step.when)}


def read_by(step: Step) -> set[str]:
    """Returns the steps whose outputs or metrics can change what this one makes. Those of its `if` decide only whether
    it runs."""
    return {
        *(name for output in outputs_read(step) for name in output.steps),
        *selected_by(step),
        *(metric.step for metric in metrics_read(step)),
        *metrics_named(step),
    }


def cycles(flow: Flow) -> Iterator[tuple[str, ...]]:
    """Yields the cycles of steps that wait for each other: each waits for the next, and the last for the first.

    `GATE` is among them where a step waits for the gate. A step that names itself is no circle here, and the cells of
    a step are one.
    """
    graph: dict[str, set[str]] = {GATE: set(map(written_name, _judged_by(flow.gate) & flow.steps.keys()))}
    for name in sorted(flow.steps):
        step, own = flow.steps[name], written_name(name)
        before = set(map(written_name, needs(step) & flow.steps.keys())) - {own}
        graph.setdefault(own, set()).update(before, {GATE} if step.is_after_gate else ())
    for _ in range(_MAX_CYCLES):
        try:
            TopologicalSorter({name: sorted(before) for name, before in graph.items()}).prepare()
        except CycleError as error:
            circle = tuple(reversed(error.args[1]))
            for name, before in pairwise(circle):
                graph[name].discard(before)
            yield circle[:-1]
        else:
            return


def _judged_by(rules: tuple[Rule, ...]) -> set[str]:
    return {step for rule in rules for step in rule.steps}


def selected_by(step: Step) -> Iterator[str]:
    """Yields the steps whose metrics choose the cells that this one reads."""
    for selection in step.selections.values():
        yield from selection.cells or (selection.step,)


def outputs_read(step: Step) -> Iterator[StepOutput]:
    """Returns the outputs of other steps that this one reads, or names."""
    values = [*step.args, *step.env.values(), *step.hyperparameters.values(), *step.values.values()]
    parts = [part for value in values for text in texts_in(value) for part in text]
    return (part for part in [*parts, *step.inputs.values()] if isinstance(part, StepOutput))


def metrics_named(step: Step) -> Iterator[str]:
    """Yields the steps whose metrics this one names as a file."""
    for key in STEP_TYPES[step.uses].keys:
        if key.names_metrics and step.values.get(key.name) is not None:
            yield str(step.values[key.name])


def metrics_read(step: Step) -> tuple[MetricValue, ...]:
    """Returns the metrics of other steps that texts of this one name, in order."""
    texts = (text for value in step.values.values() for text in texts_in(value))
    return tuple(part for text in texts for part in text if isinstance(part, MetricValue))
