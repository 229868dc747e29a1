"""The number of jobs' instances that run at once: in the cells of a matrix, and beside each step."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mlci.compile.series_parallel import Cells, Composition, Parallel, Series, leaves
from mlci.plan.models import Plan, PlannedStep
from mlci.step_types import STEP_TYPES

#: "In this mode, the Map state supports up to 40 concurrent iterations."
#: Source: https://docs.aws.amazon.com/step-functions/latest/dg/state-map-inline.html
MAX_CONCURRENT_CELLS = 40


def max_parallel(plan: Plan, steps: Sequence[str]) -> int:
    """Return how many cells of these steps, which share them, run at once; 0 for no limit.

    That is the least `max_parallel` of the steps, else the number of cores where the jobs run on this machine.
    """
    limits = [plan.flow.matrices[step].max_parallel for step in steps]
    return min((limit for limit in limits if limit is not None), default=plan.target.cores or 0)


def jobs_at_once(plan: Plan, composition: Composition) -> dict[str, int]:
    """Return the number of jobs that may run while a job of each step runs, itself included, by the step's name.

    A job counts as often as it has instances.
    """
    return dict(_at_once(plan, composition, 0))


def _at_once(plan: Plan, composition: Composition, beside: int) -> Iterator[tuple[str, int]]:
    match composition:
        case str(name):
            yield name, beside + _width(plan, name)
        case Series(items):
            for item in items:
                yield from _at_once(plan, item, beside)
        case Parallel(items):
            widths = [_width(plan, item) for item in items]
            for item, width in zip(items, widths, strict=True):
                yield from _at_once(plan, item, beside + sum(widths) - width)
        case Cells(item):
            others = (_cells_at_once(plan, leaves(item)) - 1) * _width(plan, item)
            yield from _at_once(plan, item, beside + others)


def _width(plan: Plan, composition: Composition) -> int:
    """Return the largest number of instances of a composition's jobs that run at once."""
    match composition:
        case str(name):
            return _instances_of_step(plan, plan.cells(name)[0])
        case Series(items):
            return max(_width(plan, item) for item in items)
        case Parallel(items):
            return sum(_width(plan, item) for item in items)
        case Cells(item):
            return _cells_at_once(plan, leaves(item)) * _width(plan, item)


def _instances_of_step(plan: Plan, step: PlannedStep) -> int:
    """Return the number of instances that a step runs at once; of trials, one for each core at most."""
    written = plan.flow.steps[step.name]
    job = STEP_TYPES[written.uses].job
    if job is None or not job.has_trials:
        return written.instance_count if job else 0
    config = step.request.get("HyperParameterTuningJobConfig")
    limits = config.get("ResourceLimits") if isinstance(config, dict) else None
    trials = limits.get("MaxParallelTrainingJobs") if isinstance(limits, dict) else 1
    return written.instance_count * max(1, min(trials if isinstance(trials, int) else 1, plan.target.cores or 1))


def _cells_at_once(plan: Plan, steps: Sequence[str]) -> int:
    cells = len(plan.cells(steps[0]))
    return min(cells, max_parallel(plan, steps) or MAX_CONCURRENT_CELLS)


def shares_of_cores(plan: Plan, composition: Composition) -> dict[str, int]:
    """Return the cores that an instance of each step gets beside others, by the step's name; at least one."""
    at_once = jobs_at_once(plan, composition)
    return {name: max(1, (plan.target.cores or 1) // count) for name, count in at_once.items() if count > 1}
