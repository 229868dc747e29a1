"""The metrics that a run measures: `run.cost_usd`, `run.steps.<step>.seconds`, `run.steps.<step>.model_bytes`.

They are in rules of the gate alone. A baseline has none of them, so they have fixed limits.
"""

from __future__ import annotations

from collections.abc import Mapping

from mlci.flow.metric_paths import MetricPath, format_metric
from mlci.flow.models import COST, MODEL_BYTES, MODEL_OUTPUT, RUN, RUN_STEPS, SECONDS, Json
from mlci.flow.problems import Problems
from mlci.flow.reference_check import StepInterface, check_step
from mlci.flow.yaml_document import Path

#: The keys that a rule on a run may have.
_KEYS = ("metric", "min", "max", "aggregate", "level", "unclear")
_OF_STEP = (SECONDS, MODEL_BYTES)
_FORMS = f"{RUN}.{COST}, {RUN}.{RUN_STEPS}.<step>.{SECONDS} or {RUN}.{RUN_STEPS}.<step>.{MODEL_BYTES}"


def check_measured(
    metric: MetricPath, item: Mapping[str, Json], path: Path, steps: Mapping[str, StepInterface], problems: Problems
) -> None:
    """Reports what is wrong with a rule on what a run measures. `path` leads to the rule."""
    name, place = format_metric(RUN, metric), (*path, "metric")
    if path[0] != "gate":
        problems.at(place, f'"{name}" is measured by mlci, and only the gate can judge it', "Write it as a rule there")
        return
    for key in (key for key in item if key not in _KEYS and not problems.is_suspect((*path, key))):
        hint = "A baseline does not have it: give it min or max" if key in ("max_drop", "max_rise") else "Remove it"
        problems.at_key((*path, key), f'a rule on "{name}", which mlci measures, can\'t have "{key}"', hint)
    match metric:
        case (only,) if only == COST:
            _check_aggregate(item, path, name, None, problems)
        case (steps_word, str(step), what) if steps_word == RUN_STEPS and what in _OF_STEP:
            if not check_step(place, None, step, f"the gate measures the {what} of", steps, problems):
                return
            outputs = steps[step].outputs
            if what == MODEL_BYTES and outputs is not None and MODEL_OUTPUT not in outputs:
                hint = f'Name a step with an output "{MODEL_OUTPUT}", whose size it is'
                problems.at(place, f'step "{step}" has no output "{MODEL_OUTPUT}", so no {MODEL_BYTES}', hint)
            _check_aggregate(item, path, name, steps[step], problems)
        case _:
            problems.at(place, f'"{name}" is nothing that a run measures', f"Write {_FORMS}")


def _check_aggregate(
    item: Mapping[str, Json], path: Path, name: str, step: StepInterface | None, problems: Problems
) -> None:
    if "aggregate" in item and not (step and step.has_cells):
        what = f'"aggregate" makes one number of all cells of a matrix, and "{name}" is one already'
        problems.at_key((*path, "aggregate"), what, "Remove it")
