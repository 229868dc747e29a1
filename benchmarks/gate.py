#!/usr/bin/env python3
"""How often the gate is red where a model is as good as the baseline's, and where it is worse.

    .venv/bin/python benchmarks/gate.py [--short]

The first table compares models of the example with themselves, trained again; the others simulate cases. It fails where
a bound is broken. benchmarks/README.md says how to read what it prints.
"""

from __future__ import annotations

import argparse
import functools
import itertools
import math
import random
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from example_models import Example, Model
from mlci import __version__
from mlci.gate.statistics import Estimate, MetricName, Outcomes, change, gap, holm, value
from mlci.gate.statistics.proportions import PairedShares, SeparateShares, Share
from timing import markdown_table

Judged: TypeAlias = Literal["red", "unclear", "green"]

ALPHA = 0.05
MAX_DROP = 0.02
SEED = 20261201
#: The share of cases that flips by chance, half of them to right: about what another booster seed does to the example.
CHANCE_FLIPS = 0.04
DROPS = (0.0, 0.01, 0.02, 0.05, 0.10)
_METRICS: tuple[MetricName, ...] = ("recall", "auc", "rmse")


@dataclass(frozen=True)
class Sizes:
    """How much is drawn and compared."""

    seeds: int
    comparisons: int
    slow_comparisons: int
    simulations: int
    slow_simulations: int


FULL = Sizes(seeds=400, comparisons=3600, slow_comparisons=800, simulations=5000, slow_simulations=1000)
SHORT = Sizes(seeds=24, comparisons=552, slow_comparisons=60, simulations=2000, slow_simulations=100)


class Study:
    """The figures that were measured, and the bounds that they broke."""

    def __init__(self) -> None:
        self.broken: list[str] = []
        self._started = time.monotonic()

    def level_kept(self, what: str, reds: int, independent: int, total: int) -> None:
        """Note a rate of false reds that is above the stated one for certain: by the lower end of its interval."""
        low, _ = rate_interval(reds / total, independent)
        if low > ALPHA:
            self.broken.append(f"{what}: {reds} of {total} are red, which is more than {ALPHA:.0%}")

    def at_least(self, what: str, rate: float, bound: float) -> None:
        if rate < bound:
            self.broken.append(f"{what}: {rate:.1%}, and it was at least {bound:.0%}")

    def progress(self, what: str) -> None:
        print(f"{time.monotonic() - self._started:5.0f} s  {what}", file=sys.stderr, flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--short", action="store_true", help="fewer seeds and simulations: under 90 seconds")
    sizes = SHORT if parser.parse_args().short else FULL
    print(f"mlci {__version__}, Python {sys.version.split()[0]}, numpy {np.__version__}, at {1 - ALPHA:.0%}\n")
    study = Study()
    print_table(
        (
            "models of the example against themselves",
            "comparisons",
            "points: red",
            "mlci: red",
            "95 %",
            "unclear",
            "green",
        ),
        same_models(study, sizes),
    )
    columns = tuple(f"{drop * 100:g} points" for drop in DROPS)
    print_table((f"red at a true drop of (max_drop: {MAX_DROP})", *columns), true_drops(study, sizes))
    print_table(
        ("a gap of one slice in ten, max_gap: 0", "none", "10 points", "20 points", "40 points"), slices(study, sizes)
    )
    for each in study.broken:
        print(f"broken: {each}", file=sys.stderr)
    return 1 if study.broken else 0


# ---- models of the example ------------------------------------------------------------------------------------------


def same_models(study: Study, sizes: Sizes) -> Iterator[Sequence[str]]:
    """Yield the verdicts on pairs of models that differ by chance alone: in the split, or in the booster's seed."""
    example = Example()
    redrawn = [example.model(split_seed=seed) for seed in range(sizes.seeds)]
    study.progress(f"{sizes.seeds} models of other splits")
    reseeded = [example.model(2026, booster_seed=seed, subsample=0.8) for seed in range(sizes.seeds)]
    study.progress(f"{sizes.seeds} models of other booster seeds")
    for metric in _METRICS:
        most = sizes.slow_comparisons if metric == "rmse" else sizes.comparisons
        for title, models, is_paired in (
            ("other splits: separate cases", redrawn, False),
            ("other booster seeds at subsample 0.8: pairs", reseeded, True),
        ):
            yield pairs_of(
                study, f"{metric}, {title}", metric, sampled_pairs(models, most), is_paired, len(models) // 2
            )
        study.progress(metric)
    # Each split with two boosters of its own: no test set decides alone.
    groups = [[example.model(seed, booster, 0.8) for booster in range(2)] for seed in range(sizes.seeds // 2)]
    pairs = [(one, other) for group in groups for one, other in itertools.permutations(group, 2)]
    yield pairs_of(study, "recall, other booster seeds on each split: pairs", "recall", pairs, True, len(groups))
    study.progress("models of other booster seeds on each split")


def pairs_of(
    study: Study,
    title: str,
    metric: MetricName,
    pairs: Sequence[tuple[Model, Model]],
    is_paired: bool,
    independent: int,
) -> Sequence[str]:
    """Return the row of one way to compare. So many of the comparisons are `independent` of each other."""
    columns = [(columns_of(new, metric), columns_of(base, metric)) for new, base in pairs]
    points = sum(falls_by_points(metric, new, base) for new, base in columns)
    judged = Counter(judge(change(metric, new, base, is_paired), MAX_DROP) for new, base in columns)
    study.level_kept(title, judged["red"], independent, len(pairs))
    low, high = rate_interval(judged["red"] / len(pairs), independent)
    rates = [judged[each] / len(pairs) for each in ("red", "unclear", "green")]
    return (
        *(
            title,
            f"{len(pairs)}",
            percent(points / len(pairs)),
            percent(rates[0]),
            f"{percent(low)} to {percent(high)}",
        ),
        *map(percent, rates[1:]),
    )


def columns_of(model: Model, metric: MetricName) -> Outcomes:
    return model.numbers if metric == "rmse" else model.classes


def falls_by_points(metric: MetricName, new: Outcomes, base: Outcomes) -> bool:
    """Say whether a gate that compares numbers is red: the metric is worse by more than the rule allows."""
    worse = value(metric, new) - value(metric, base)
    return (worse if metric == "rmse" else -worse) > MAX_DROP + 1e-12


def sampled_pairs(models: Sequence[Model], most: int) -> list[tuple[Model, Model]]:
    """Return all ordered pairs, or as many of them as are wanted."""
    pairs = list(itertools.permutations(models, 2))
    return pairs if len(pairs) <= most else random.Random(SEED).sample(pairs, most)


def judge(estimate: Estimate, allowed: float, alpha: float = ALPHA) -> Judged:
    """Return the verdict of a rule that allows a metric to get worse by so much."""
    limit = allowed if estimate.is_lower_better else -allowed
    if estimate.p_value(limit) <= alpha:
        return "red"
    low, high = estimate.interval(alpha)
    is_within = high <= limit if estimate.is_lower_better else low >= limit
    return "green" if is_within else "unclear"


# ---- true drops -----------------------------------------------------------------------------------------------------


def true_drops(study: Study, sizes: Sizes) -> Iterator[Sequence[str]]:
    """Yield how often a rule is red, for a metric and a number of cases, at each true drop."""
    for cases in (42, 114, 500, 2000):
        yield drop_row(study, f"recall of {cases} positive cases, pairs", paired_recall(cases), sizes.simulations)
    study.progress("true drops of recall, pairs")
    for cases in (42, 114, 500, 2000):
        yield drop_row(
            study, f"recall of {cases} positive cases each, separate", separate_recall(cases), sizes.simulations
        )
    study.progress("true drops of recall, separate")
    for cases in (114, 500):
        row = drop_row(study, f"auc of {cases} cases, pairs", paired_scores(cases), sizes.slow_simulations)
        study.progress(row[0])
        yield row
    row = drop_row(study, "rmse of 114 cases, pairs", paired_errors(114), sizes.slow_simulations)
    study.progress(row[0])
    yield row


#: The lowest power that is accepted, by row and drop: somewhat below what the full study measured.
_POWERS = {
    ("recall of 114 positive cases, pairs", 0.10): 0.60,
    ("recall of 500 positive cases, pairs", 0.05): 0.55,
    ("recall of 2000 positive cases, pairs", 0.05): 0.99,
    ("recall of 500 positive cases each, separate", 0.10): 0.95,
    ("auc of 500 cases, pairs", 0.05): 0.80,
    ("rmse of 114 cases, pairs", 0.10): 0.80,
}


def drop_row(
    study: Study, title: str, is_red: Callable[[np.random.Generator, float], bool], simulations: int
) -> Sequence[str]:
    cells = []
    for drop in DROPS:
        generator = np.random.default_rng([SEED, int(drop * 1000)])
        reds = sum(is_red(generator, drop) for _ in range(simulations))
        if drop <= MAX_DROP:
            study.level_kept(f"{title}, a drop of {drop}", reds, simulations, simulations)
        study.at_least(f"{title}, a drop of {drop}", reds / simulations, _POWERS.get((title, drop), 0.0))
        cells.append(percent(reds / simulations))
    return (title, *cells)


def paired_recall(cases: int) -> Callable[[np.random.Generator, float], bool]:
    """Return a simulation of cases that flip by chance in both directions, and to wrong by the drop."""

    @functools.cache
    def is_red(to_right: int, to_wrong: int) -> bool:
        return PairedShares(to_right, to_wrong, cases).p(-MAX_DROP) <= ALPHA

    def simulate(generator: np.random.Generator, drop: float) -> bool:
        flips = (CHANCE_FLIPS / 2, CHANCE_FLIPS / 2 + drop, 1 - CHANCE_FLIPS - drop)
        to_right, to_wrong, _ = generator.multinomial(cases, flips)
        return is_red(int(to_right), int(to_wrong))

    return simulate


def separate_recall(cases: int) -> Callable[[np.random.Generator, float], bool]:
    """Return a simulation of two samples, of which the baseline's finds 95 %."""

    @functools.cache
    def is_red(new: int, base: int) -> bool:
        return SeparateShares(new, cases, base, cases).p(-MAX_DROP) <= ALPHA

    def simulate(generator: np.random.Generator, drop: float) -> bool:
        return is_red(int(generator.binomial(cases, 0.95 - drop)), int(generator.binomial(cases, 0.95)))

    return simulate


def paired_scores(cases: int) -> Callable[[np.random.Generator, float], bool]:
    """Return a simulation of normal scores of both models, which correlate at 0.9; the baseline's area is 0.95."""
    positives = round(cases * 0.37)
    labels = tuple(case < positives for case in range(cases))

    def simulate(generator: np.random.Generator, drop: float) -> bool:
        shared, own = generator.standard_normal(cases), generator.standard_normal((2, cases))
        base, new = math.sqrt(0.9) * shared + math.sqrt(0.1) * own
        for scores, area in ((base, 0.95), (new, 0.95 - drop)):
            scores[:positives] += distance_of(area)
        one, other = (Outcomes(labels, labels, tuple(scores.tolist())) for scores in (new, base))
        return judge(change("auc", one, other, is_paired=True), MAX_DROP) == "red"

    return simulate


@functools.cache
def distance_of(area: float) -> float:
    """Return how far two normal distributions of scores are apart for an area under the curve."""
    from scipy import special

    return float(math.sqrt(2) * special.ndtri(area))


def paired_errors(cases: int) -> Callable[[np.random.Generator, float], bool]:
    """Return a simulation of normal errors, which correlate at 0.95; the baseline's rmse is 0.2."""
    labels = (0.0,) * cases

    def simulate(generator: np.random.Generator, drop: float) -> bool:
        shared, own = generator.standard_normal(cases), generator.standard_normal((2, cases))
        base, new = math.sqrt(0.95) * shared + math.sqrt(0.05) * own
        one, other = (Outcomes(labels, tuple(each.tolist())) for each in (new * (0.2 + drop), base * 0.2))
        return judge(change("rmse", one, other, is_paired=True), MAX_DROP) == "red"

    return simulate


# ---- slices ---------------------------------------------------------------------------------------------------------


def slices(study: Study, sizes: Sizes) -> Iterator[Sequence[str]]:
    """Yield how often any of ten slices is red, each compared with the rest, where one of them has a gap or none."""
    simulations = max(sizes.simulations // 10, 200)
    for title, is_corrected in (("ten slices of 40, each judged alone", False), ("ten slices of 40, Holm", True)):
        cells = []
        for true_gap in (0.0, 0.1, 0.2, 0.4):
            generator = np.random.default_rng([SEED, int(true_gap * 1000)])
            reds = sum(any_slice_is_red(generator, true_gap, is_corrected) for _ in range(simulations))
            if is_corrected and not true_gap:
                study.level_kept(title, reds, simulations, simulations)
            cells.append(percent(reds / simulations))
            if is_corrected and true_gap == 0.4:
                study.at_least(f"{title}, a gap of {true_gap}", reds / simulations, 0.8)
        yield (title, *cells)
        study.progress(title)


def any_slice_is_red(generator: np.random.Generator, true_gap: float, is_corrected: bool) -> bool:
    groups, cases = 10, 40
    shares = np.full(groups, 0.9)
    shares[0] -= true_gap
    found = generator.binomial(cases, shares)
    p_values = [slice_p(int(hits), int(found.sum() - hits)) for hits in found]
    levels = holm([(p, ALPHA) for p in p_values]) if is_corrected else [ALPHA] * groups
    return any(p <= level for p, level in zip(p_values, levels, strict=True))


@functools.cache
def slice_p(hits: int, rest: int) -> float:
    group, others = (
        Outcomes((True,) * cases, (True,) * found + (False,) * (cases - found))
        for found, cases in ((hits, 40), (rest, 360))
    )
    return gap("recall", group, others).p_value(0.0)


# ---- printing -------------------------------------------------------------------------------------------------------


def rate_interval(rate: float, independent: int) -> tuple[float, float]:
    """Return Clopper and Pearson's interval at 95 % of a rate that was seen in so many independent comparisons.

    >>> tuple(round(end, 3) for end in rate_interval(0.0, 30))
    (0.0, 0.116)
    """
    count = round(rate * independent)
    low, high = Share(count, independent, is_negated=True), Share(count, independent)
    return -low.upper(0.025), high.upper(0.025)


def percent(rate: float) -> str:
    return f"{rate * 100:.1f} %"


def print_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    print(markdown_table(header, rows) + "\n", flush=True)


if __name__ == "__main__":
    sys.exit(main())
