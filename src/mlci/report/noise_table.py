"""The noise of metrics as a table, and what it means for the gate."""

from __future__ import annotations

from collections.abc import Sequence

from mlci.flow.models import Rule
from mlci.noise import FALSE_REDS, MetricNoise
from mlci.report.formatting import figure

NOISE_HEAD = ("metric", "mean", "sd", "min", "max", "max_drop", "the gate's limit")
#: Of fewer seeds, the spread itself is a guess.
_FEW = 30


def noise_row(noise: MetricNoise) -> tuple[str, ...]:
    """Returns the row of a metric: its spread, the `max_drop` that holds, and how often the gate's own would be red."""
    limits = [
        f"{rule.op} {figure(rule.limit * 100)}%" if rule.is_relative else f"{rule.op} {figure(rule.limit)}"
        for rule in noise.limits
    ]
    reds = [
        f"{limit}: red in {noise.false_reds(rule):.0%} of pairs"
        for limit, rule in zip(limits, noise.limits, strict=True)
    ]
    numbers = (noise.mean, noise.sd, min(noise.values), max(noise.values))
    return (noise.metric, *map(_short, numbers), _allowed(noise), "; ".join(reds) or "–")


def noise_note(noise: Sequence[MetricNoise], param: str, seeds: int) -> str:
    """Returns what the table says, in words."""
    rule = f"the smallest that at most {FALSE_REDS:.0%} of all pairs of the {seeds} runs miss"
    lines = [f'max_drop: {rule}; in brackets, the largest that they can\'t rule out. Only "{param}" differs in them.']
    if seeds < _FEW:
        lines.append(f"{seeds} seeds are few: --seeds {_FEW} tells the spread more closely.")
    lines += [_warning(each, rule) for each in noise for rule in each.limits if each.false_reds(rule) > FALSE_REDS]
    return "\n".join(lines)


def _warning(noise: MetricNoise, rule: Rule) -> str:
    """Returns what it means that a limit is less than the noise: a rule on cases says that it can't tell."""
    limit = f"{rule.op} {figure(rule.limit)}{' of the baseline' if rule.is_relative else ''}"
    reds = f"{noise.false_reds(rule):.0%} of comparisons of a model with itself"
    judged_by_cases = rule.reads_cases and rule.confidence is not None
    by_cases = f"as numbers, red in {reds}, which is why the gate judges the cases"
    what = by_cases if judged_by_cases else f"the gate is red in {reds}"
    return f"{noise.metric}: {limit} is less than its noise: {what}."


def _allowed(noise: MetricNoise) -> str:
    return f"{_short(noise.max_drop)} (≤ {_short(noise.max_drop_upper)})"


def _short(value: float) -> str:
    return f"{value:.4g}"
