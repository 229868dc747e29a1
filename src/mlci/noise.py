"""The noise of a flow's metrics: how far they move where nothing but the seed changes. Pure.

A gate that allows less than that is red for a model that is as good as the last one. `max_drop` is found from all pairs
of runs, each taken as the baseline of the other: at most 5 % of them may fall further.
"""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from mlci.errors import InputError
from mlci.flow.models import Flow, Json, Op, Rule
from mlci.flow.names import written_name
from mlci.flow.part import with_earlier
from mlci_dataclasses import dataclass

#: Of the comparisons of a model with itself, so many may be red.
FALSE_REDS = 0.05
#: The 95 % quantile of the normal distribution.
_Z = 1.6448536269514722
#: With this limit a rule holds whatever the metric is, and its verdict has the value.
_NO_LIMIT = -1e300


@dataclass(frozen=True)
class MetricNoise:
    """A metric in runs that differ by their seed alone. `limits` are those of the gate that compare with a baseline."""

    metric: str
    values: tuple[float, ...]
    limits: tuple[Rule, ...] = ()

    @property
    def mean(self) -> float:
        return statistics.fmean(self.values)

    @property
    def sd(self) -> float:
        """The standard deviation of the sample."""
        return statistics.stdev(self.values)

    @property
    def max_drop(self) -> float:
        """The smallest `max_drop` (or `max_rise`) that at most 5 % of all pairs of these runs miss.

        >>> MetricNoise("evaluate.auc", (0.25, 0.5, 0.75)).max_drop
        0.5
        """
        drops = sorted(base - new for base, new in itertools.permutations(self.values, 2))
        return max(0.0, drops[len(drops) - 1 - math.floor(FALSE_REDS * len(drops))])

    @property
    def max_drop_upper(self) -> float:
        """The `max_drop` that so few runs can't rule out: for normal noise, by the upper 95 % bound of its sd."""
        degrees = len(self.values) - 1
        return max(self.max_drop, _Z * math.sqrt(2 * degrees / chi_square_quantile(degrees)) * self.sd)

    def false_reds(self, rule: Rule) -> float:
        """Returns the share of all pairs of these runs that a limit of the gate would find worse."""
        pairs = list(itertools.permutations(self.values, 2))
        return sum(_is_red(rule, base, new) for base, new in pairs) / len(pairs)


def chi_square_quantile(degrees: int) -> float:
    """Returns the 5 % quantile of the chi-square distribution, without the import of scipy.

    >>> round(chi_square_quantile(9), 6)
    3.325113
    """
    low, high = 0.0, float(degrees)  # the mean, which is above the median
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if _lower_gamma(degrees / 2, middle / 2) < FALSE_REDS else (low, middle)
    return high


def _lower_gamma(shape: float, x: float) -> float:
    """Returns the regularised lower incomplete gamma function. Source: https://dlmf.nist.gov/8.11.E4"""
    if x <= 0:
        return 0.0
    term = total = 1 / shape
    number = 1
    while term > total * 1e-16:
        term *= x / (shape + number)
        total += term
        number += 1
    return total * math.exp(shape * math.log(x) - x - math.lgamma(shape))


def noise_flow(flow: Flow) -> Flow:
    """Returns the flow with the steps alone that the gate's metrics need, and with a gate that only reads them.

    Raises: InputError, if the gate has no metric that a step writes.
    """
    rules = _judged(flow)
    if not rules:
        what = f"{flow.file} has no gate on metrics of its steps, so there is no noise to measure"
        raise InputError(what, 'Add a gate: "- metric: evaluate.auc" and "max_drop: 0.02"')
    needed = with_earlier({step for rule in rules for step in rule.steps}, flow)
    kept = {name: step for name, step in flow.steps.items() if name in needed}
    gate = {rule.metric: replace(rule, op="min", limit=_NO_LIMIT, is_relative=False) for rule in rules}
    return replace(
        flow,
        steps=kept,
        gate=tuple(replace(rule, level="block", confidence=None, slice=None) for rule in gate.values()),
        matrices={name: matrix for name, matrix in flow.matrices.items() if kept.keys() & set(matrix.cells)},
        left_out={**flow.left_out, **{name: step for name, step in flow.steps.items() if name not in kept}},
    )


def check_seed(name: str, one: Flow, other: Flow) -> None:
    """Checks that the seed, which alone differs in the two flows, matters to the steps that the gate's metrics need.

    Raises: InputError.
    """
    if noise_flow(one).steps == noise_flow(other).steps:
        steps = ", ".join(f'"{step}"' for step in dict.fromkeys(map(written_name, noise_flow(one).steps)))
        what = f'the metrics of the gate do not depend on the param "{name}": none of {steps} reads it'
        raise InputError(what, f"Pass it to the script that draws: --seed=${{{{ params.{name} }}}} in its args")


def measured_noise(flow: Flow, values: Sequence[Mapping[str, float]]) -> tuple[MetricNoise, ...]:
    """Returns the noise of each metric that all runs have, those of the gate first. `values` has those of each run."""
    rules = _judged(flow)
    names = dict.fromkeys((*(rule.metric for rule in rules), *(name for run in values for name in run)))
    return tuple(
        MetricNoise(name, tuple(run[name] for run in values), _limits(rules, name))
        for name in names
        if all(name in run for run in values)
    )


def noise_json(noise: Iterable[MetricNoise]) -> dict[str, Json]:
    """Returns the noise of metrics for other programs, by their names."""
    return {
        each.metric: {
            "values": [*each.values],
            "mean": each.mean,
            "sd": each.sd,
            "min": min(each.values),
            "max": max(each.values),
            "max_drop": each.max_drop,
            "max_drop_upper": each.max_drop_upper,
            "gate": [
                {"op": rule.op, "limit": rule.limit, "relative": rule.is_relative, "false_reds": each.false_reds(rule)}
                for rule in each.limits
            ],
        }
        for each in noise
    }


def _judged(flow: Flow) -> list[Rule]:
    """Returns the rules on metrics of steps, without those on groups of cases, which are compared with each other."""
    return [rule for rule in flow.gate if not rule.is_budget and rule.slice is None]


def _limits(rules: Iterable[Rule], metric: str) -> tuple[Rule, ...]:
    compared: tuple[Op, ...] = ("max_drop", "max_rise")
    return tuple(rule for rule in rules if rule.metric == metric and rule.op in compared)


def _is_red(rule: Rule, base: float, new: float) -> bool:
    worse_by = base - new if rule.op == "max_drop" else new - base
    return worse_by > rule.limit * (abs(base) if rule.is_relative else 1)
