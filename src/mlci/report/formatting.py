"""Headlines, durations and figures, worded alike on the console and in files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from mlci.commits import short_commit
from mlci.report.run_phases import PHASE_WORDS

if TYPE_CHECKING:
    from mlci.backends.progress import StepState
    from mlci.plan.models import Baseline, Bound
    from mlci.report.result import Result
    from mlci.report.run_phases import RunPhase

#: Of more runs, only the number and the newest are named.
_RUNS_NAMED = 3


def headline(result: Result) -> str:
    """The verdict in a word; a run of a part of the flow has none."""
    word = result.status.value.replace("_", " ")
    if result.is_partial:
        return f"part of the flow {'succeeded' if word == 'passed' else word} (no verdict)"
    return word


def step_note(step: StepState) -> str:
    """Return why a step ended as it did: its reason, the decision about it, the run that its result is of, or that
    it ran in the build."""
    if step.status == "reused" and step.reused_from:
        return f"from run {step.reused_from}"
    return step.reason or (str(step.decision) if step.decision else "in the build" if step.runs_on else "")


def reused_note(result: Result) -> str:
    """Return the runs that made what a run reused, in a sentence; "" if it reused nothing."""
    runs = [step.reused_from for step in result.steps.values() if step.status == "reused" and step.reused_from]
    if not runs:
        return ""
    made = [f"run {run}" for run in sorted(set(runs))]
    shown = (
        " and ".join(filter(None, [", ".join(made[:-1]), made[-1]]))
        if len(made) <= _RUNS_NAMED
        else (f"{len(made)} runs, the newest of which is {made[-1]}")
    )
    if len(runs) == len(result.steps):
        return f"nothing was run: all results are those of {shown}"
    return f"{len(runs)} of {count(len(result.steps), 'step')} reused, from {shown}"


def duration(seconds: float) -> str:
    """A time span, to the precision that matters.

    >>> duration(0.04), duration(12.34), duration(75), duration(7325)
    ('0.0 s', '12.3 s', '1 min 15 s', '2 h 2 min')
    """
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def time_line(phases: Iterable[RunPhase]) -> str:
    """Return where the time of a run went, in a line; "" for one that is not known."""
    spans = ", ".join(f"{PHASE_WORDS[phase.name]} {duration(phase.seconds)}" for phase in phases)
    return f"Time: {spans}." if spans else ""


def rough_duration(seconds: float) -> str:
    """An estimated time span, or an age.

    >>> rough_duration(8), rough_duration(130), rough_duration(4000), rough_duration(200_000)
    ('8 s', '2 min', '1 h 7 min', '2 days')
    """
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 90:
        return f"{minutes} min" if minutes < 60 else f"1 h {minutes - 60} min"
    hours = round(minutes / 60)
    return f"{hours} h" if hours < 48 else f"{round(hours / 24)} days"


def limit(bound: Bound) -> str:
    """Return a rule's limit for a table's cell: `≥ 0.97 (min)`, or the leeway of a change where there is no baseline,
    and where other cases than the baseline's own were compared."""
    leeway = f"{figure(bound.rule.limit * 100)}%" if bound.rule.is_relative else figure(bound.rule.limit)
    word = f"not {bound.rule.op}" if bound.rule.is_negated else bound.rule.op
    word = f"base branch's {word}" if bound.origin == "base" else word
    if bound.threshold is None:
        if bound.rule.op == "max_gap" or bound.baseline is not None:
            return f"{word} {leeway}"
        return f"{word} {leeway}, {'the baseline has no such metric' if bound.lacks_metric else 'no baseline yet'}"
    signs = ("<", ">") if bound.rule.is_negated else ("≥", "≤")
    return f"{signs[0] if bound.is_lower else signs[1]} {figure(bound.threshold)} ({word})"


def compared_with(baseline: Baseline) -> str:
    """Return the run that a run is compared with: `run 20261123-101530-3f9c2a, commit 37a2b16f04c9`; "" for none."""
    if not baseline.run_id:
        return ""
    commit = f", commit {short_commit(baseline.commit)}" if baseline.commit else ""
    return f"run {baseline.run_id}{commit}{', set by hand' if baseline.origin == 'set' else ''}"


def usd(cost: float) -> str:
    """An estimated cost, short enough to read.

    >>> usd(0.0), usd(0.00031), usd(0.0456), usd(12.3456)
    ('$0', '$0.00031', '$0.046', '$12.35')
    """
    if cost == 0:
        return "$0"
    return f"${cost:.2f}" if cost >= 1 else f"${max(cost, 0.0001):.2g}"


def cost_line(costs: Mapping[str, float], steps: Iterable[str]) -> str:
    """The estimated cost of a run in a line, and the steps that it does not count.

    >>> cost_line({"train": 0.25, "evaluate": 0.5}, ["train", "evaluate", "tune"])
    "Estimated cost of the jobs, by AWS's on-demand prices: $0.75, without that of tune, which is not known."
    """
    unknown = ", ".join(name for name in steps if name not in costs)
    more = f", without that of {unknown}, which is not known" if unknown else ""
    return f"Estimated cost of the jobs, by AWS's on-demand prices: {usd(sum(costs.values()))}{more}."


def figure(value: float | None, signed: bool = False) -> str:
    """A number to read, or a dash.

    >>> figure(0.99989), figure(None), figure(-0.0213, signed=True)
    ('0.99989', '–', '-0.0213')
    """
    if value is None:
        return "–"
    return f"{value:+.5g}" if signed else f"{value:.6g}"


def size(size_bytes: int) -> str:
    """A size to read.

    >>> size(800), size(1_500_000), size(2_340_000_000)
    ('800 bytes', '1.5 MB', '2.3 GB')
    """
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size_bytes >= factor:
            return f"{size_bytes / factor:.1f} {unit}"
    return f"{size_bytes} bytes"


def count(number: int, noun: str) -> str:
    """A number of things.

    >>> count(1, "step"), count(3, "rule")
    ('1 step', '3 rules')
    """
    return f"{number} {noun}{'' if number == 1 else 's'}"
