"""The reasons of steps that a finished run skipped: an `if` or the gate that did not hold, or a step before them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from mlci.backends.progress import Progress
from mlci.flow.dependencies import dependencies
from mlci.gate import Metrics, Verdict, missed_texts
from mlci.plan import Plan


def explain_skipped(planned: Plan, progress: Progress, metrics: Mapping[str, Metrics], verdict: Verdict) -> Progress:
    """Returns the progress with the reason of each skipped step that has one."""
    skipped = {name for name, step in progress.steps.items() if step.status == "skipped"}
    if not skipped:
        return progress
    needed = dependencies(planned.flow)
    reasons = {name: next(_reasons(planned, progress, metrics, verdict, name, needed[name]), None) for name in skipped}
    steps = {
        name: replace(step, reason=reasons[name]) if reasons.get(name) else step
        for name, step in progress.steps.items()
    }
    return replace(progress, steps=steps)


def _reasons(
    planned: Plan,
    progress: Progress,
    metrics: Mapping[str, Metrics],
    verdict: Verdict,
    name: str,
    needed: frozenset[str],
) -> Iterator[str]:
    """Yields the reasons of a skipped step, the best first."""
    for other in sorted(needed):
        if progress.steps[other].status != "succeeded" and progress.steps[other].status != "reused":
            yield f'it depends on step "{other}", which {_ended(progress, other)}'
    missed = "; ".join(missed_texts(planned.steps[name].when, planned.flow.steps[name].conditions, metrics))
    if missed:
        yield f"its if does not hold: {missed}"
    if planned.flow.steps[name].is_after_gate and not verdict.held:
        missed = "; ".join(judged.text for judged in verdict.rules if not judged.held)
        yield f"the gate does not hold: {missed}"


def _ended(progress: Progress, name: str) -> str:
    status = progress.steps[name].status
    return "was skipped" if status == "skipped" else "was stopped" if status == "stopped" else "failed"
