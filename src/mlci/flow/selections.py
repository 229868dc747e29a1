"""Reads `select` of inputs: the choice of one cell of a matrix by a metric."""

from __future__ import annotations

from mlci.flow.invalid_value import InvalidValue
from mlci.flow.metric_paths import parse_metric
from mlci.flow.models import Selection, StepOutput
from mlci.flow.reference_check import check_step, metrics_hint
from mlci.flow.schema_models import InputModel
from mlci.flow.written_step import StepContext, WrittenStep
from mlci.flow.yaml_document import Path


def build_selections(step: WrittenStep, context: StepContext) -> dict[str, Selection]:
    """Return the selections of a step's inputs, by the input's name. What is wrong is reported, and left out."""
    found = {}
    for name, value in (step.written("inputs") or {}).items():
        path = step.path("inputs", name)
        if isinstance(value, InputModel) and value.select is not None and not context.problems.is_partly_suspect(path):
            _check_source(name, path, context)
            scored = _scored(name, value.select.metric, (*path, "select", "metric"), context)
            if scored:
                found[name] = Selection(*scored, value.select.best)
    return found


def _check_source(name: str, path: Path, context: StepContext) -> None:
    parts = context.texts.get((*path, "from"), ())
    output = parts[0] if len(parts) == 1 else None
    steps = context.steps
    if not isinstance(output, StepOutput) or (output.step in steps and not steps[output.step].has_cells):
        what = f'"select" chooses a cell of a matrix, and input "{name}" is no output of a step that has one'
        context.problems.at_key((*path, "select"), what, "Remove it")


def _scored(name: str, metric: str, path: Path, context: StepContext) -> tuple[str, tuple[str | int, ...]] | None:
    """Return the step whose metric decides, and the metric's path."""
    problems, reader = context.problems, f'the selection of input "{name}"'
    try:
        step, found = parse_metric(metric)
    except InvalidValue as invalid:
        problems.at(path, invalid.what, invalid.hint)
        return None
    if not check_step(path, None, step, f"{reader} reads a metric of", context.steps, problems):
        return None
    interface = context.steps[step]
    if interface.writes_metrics is False:
        what = f'{reader} reads a metric of step "{step}", which writes none'
        problems.at(path, what, metrics_hint(step, interface))
    elif not interface.has_cells:
        what = f'{reader} reads a metric of step "{step}", which has no matrix'
        problems.at(path, what, "Name a step with the matrix of the cells to choose from")
    return step, found
