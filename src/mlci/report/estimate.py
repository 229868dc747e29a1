"""The time that is left of a run and of its steps, estimated from the seconds that its steps took in earlier runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from statistics import median

from mlci.backends.progress import ExpectedEnd, StepState
from mlci.flow.names import written_name

#: Older runs say little: code and data change.
_RUNS = 5


def usual_seconds(runs: Iterable[Mapping[str, float]]) -> dict[str, float]:
    """Returns the median of each step's seconds in the newest runs that have it.

    >>> usual_seconds([{"train": 9.0}, {"train": 5.0, "test": 1.0}, {"train": 6.0}])
    {'train': 6.0, 'test': 1.0}
    """
    found: dict[str, list[float]] = {}
    for run in runs:
        for step, seconds in run.items():
            if len(found.setdefault(step, [])) < _RUNS:
                found[step].append(seconds)
    return {step: median(values) for step, values in found.items()}


def expected_ends(
    steps: Mapping[str, StepState], usual_s: Callable[[], Mapping[str, float]], now: datetime
) -> list[ExpectedEnd] | None:
    """Returns when the running steps usually end; None if one of them never ran before, or waits for a decision.

    `usual_s` is called only where steps run.
    """
    running = {name: step for name, step in steps.items() if step.status == "running"}
    if not running:
        return []
    usual = usual_s()
    if any(name not in usual or step.question for name, step in running.items()):
        return None
    return [ExpectedEnd(usual[name] - step.seconds(now), usual[name]) for name, step in running.items()]


def remaining_s(
    steps: Mapping[str, StepState],
    before: Mapping[str, Iterable[str]],
    usual_s: Mapping[str, float],
    now: datetime,
) -> float | None:
    """Returns the seconds that are left of a run; None if a step that is left never ran before.

    `before` has the steps that each one waits for. As many cells of a matrix are expected to run at a time as run now.
    """
    left: dict[str, list[float]] = {}
    running: dict[str, int] = {}
    for name, step in steps.items():
        group = written_name(name)
        if step.status not in ("waiting", "running"):
            left.setdefault(group, []).append(0.0)
        elif name in usual_s:
            left.setdefault(group, []).append(max(0.0, usual_s[name] - step.seconds(now)))
            running[group] = running.get(group, 0) + (step.status == "running")
        else:
            return None
    spans = {group: max(max(each), sum(each) / (running.get(group) or len(each))) for group, each in left.items()}
    waits: dict[str, set[str]] = {group: set() for group in spans}
    for name in steps:
        waits[written_name(name)] |= {written_name(other) for other in before.get(name, ())} & spans.keys()
    return _longest_path_s(spans, waits)


def _longest_path_s(spans: Mapping[str, float], waits: Mapping[str, set[str]]) -> float:
    ends: dict[str, float] = {}

    def end(group: str) -> float:
        if group not in ends:
            ends[group] = 0.0  # a group waits for itself where cells of a matrix are in a row
            ends[group] = spans[group] + max((end(other) for other in waits[group] - {group}), default=0.0)
        return ends[group]

    return max(map(end, spans), default=0.0)
