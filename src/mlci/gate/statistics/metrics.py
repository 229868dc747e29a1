"""The method for each metric: what computes its value, and the bounds of its change."""

from __future__ import annotations

import sys

if sys.version_info >= (3, 11):
    from typing import assert_never
else:  # 4 ms
    from typing_extensions import assert_never

from mlci.flow.models import LESS_IS_BETTER
from mlci.gate.statistics import auc, confusion, errors
from mlci.gate.statistics.estimate import Bounds, Estimate
from mlci.gate.statistics.outcomes import MetricName, Outcomes, UndefinedMetric
from mlci.gate.statistics.proportions import PairedShares, SeparateShares, Share
from mlci_dataclasses import dataclass


def value(metric: MetricName, outcomes: Outcomes) -> float:
    """Return the metric of the cases of one model.

    >>> value("recall", Outcomes(label=(True, True, False), predicted=(True, False, True)))
    0.5

    Raises:
        UndefinedMetric: the cases define no value.
    """
    match metric:
        case "accuracy" | "recall":
            return _hits(metric, outcomes).share
        case "precision" | "f1":
            return confusion.metric(metric, confusion.counts(outcomes))
        case "auc":
            return auc.placements(outcomes).area
        case "rmse" | "mae":
            return errors.metric_of(metric, errors.losses(metric, outcomes))
        case _:
            assert_never(metric)


def change(metric: MetricName, new: Outcomes, base: Outcomes, is_paired: bool) -> Estimate:
    """Return the change of a metric from the baseline's model to the new one.

    In pairs, both models have the same cases in the same order, and the labels of the new one count.

    Raises:
        UndefinedMetric: the cases of either model define no value.
    """
    if is_paired:
        base = Outcomes(new.label, base.predicted, base.score)
    method, bounds = _paired(metric, new, base) if is_paired else _separate(metric, new, base)
    return _estimate(metric, value(metric, new) - value(metric, base), method, bounds)


def gap(metric: MetricName, group: Outcomes, rest: Outcomes) -> Estimate:
    """Return the difference of a metric between a group of cases and the rest, of one model.

    Raises:
        UndefinedMetric: the group or the rest define no value.
    """
    return change(metric, group, rest, is_paired=False)


def number(metric: MetricName, outcomes: Outcomes) -> Estimate:
    """Return the metric of one model with its uncertainty.

    Raises:
        UndefinedMetric: the cases define no value.
    """
    found = value(metric, outcomes)
    match metric:
        case "accuracy" | "recall" | "precision":
            hits = _hits(metric, outcomes)
            method, bounds = "Clopper-Pearson", _share_bounds(hits)
        case "f1":
            method, bounds = "bootstrap", confusion.f1_bounds(confusion.counts(outcomes))
        case "auc":
            method, bounds = "DeLong", auc.area_bounds(auc.placements(outcomes))
        case "rmse" | "mae":
            lost = errors.losses(metric, outcomes)
            method, bounds = _error_method(len(lost)), errors.error_bounds(metric, lost)
        case _:
            assert_never(metric)
    return _estimate(metric, found, method, bounds)


def _paired(metric: MetricName, new: Outcomes, base: Outcomes) -> tuple[str, Bounds]:
    match metric:
        case "accuracy" | "recall":
            return "McNemar", _paired_share_bounds(_hits(metric, new), _hits(metric, base))
        case "precision" | "f1":
            return "bootstrap", confusion.paired_bounds(metric, new, base)
        case "auc":
            return "DeLong", auc.paired_bounds(auc.placements(new), auc.placements(base))
        case "rmse" | "mae":
            lost = errors.losses(metric, new), errors.losses(metric, base)
            return _error_method(len(new)), errors.paired_bounds(metric, *lost)
        case _:
            assert_never(metric)


def _separate(metric: MetricName, new: Outcomes, base: Outcomes) -> tuple[str, Bounds]:
    match metric:
        case "accuracy" | "recall" | "precision":
            return "Fisher", _separate_share_bounds(_hits(metric, new), _hits(metric, base))
        case "f1":
            return "bootstrap", confusion.separate_f1_bounds(confusion.counts(new), confusion.counts(base))
        case "auc":
            return "DeLong", auc.separate_bounds(auc.placements(new), auc.placements(base))
        case "rmse" | "mae":
            lost = errors.losses(metric, new), errors.losses(metric, base)
            return _error_method(max(map(len, lost))), errors.separate_bounds(metric, *lost)
        case _:
            assert_never(metric)


@dataclass(frozen=True)
class _Hits:
    """The cases that a metric counts: for each, whether the model is right."""

    is_right: tuple[bool, ...]

    @property
    def count(self) -> int:
        return sum(self.is_right)

    @property
    def cases(self) -> int:
        return len(self.is_right)

    @property
    def share(self) -> float:
        return self.count / self.cases


def _hits(metric: MetricName, outcomes: Outcomes) -> _Hits:
    rows = zip(outcomes.label, outcomes.predicted, strict=True)
    match metric:
        case "accuracy":
            is_right = tuple(label == predicted for label, predicted in rows)
            missing: UndefinedMetric = UndefinedMetric(metric, "no cases")
        case "recall":
            is_right = tuple(bool(predicted) for label, predicted in rows if label)
            missing = UndefinedMetric(metric, "no positive cases")
        case _:
            is_right = tuple(bool(label) for label, predicted in rows if predicted)
            missing = UndefinedMetric(metric, "no positive predictions")
    if not is_right:
        raise missing
    return _Hits(is_right)


def _share_bounds(hits: _Hits) -> Bounds:
    return Share(hits.count, hits.cases), Share(hits.count, hits.cases, is_negated=True)


def _paired_share_bounds(new: _Hits, base: _Hits) -> Bounds:
    pairs = list(zip(new.is_right, base.is_right, strict=True))
    to_right, to_wrong = pairs.count((True, False)), pairs.count((False, True))
    return PairedShares(to_right, to_wrong, new.cases), PairedShares(to_wrong, to_right, new.cases)


def _separate_share_bounds(new: _Hits, base: _Hits) -> Bounds:
    counts = (new.count, new.cases), (base.count, base.cases)
    return SeparateShares(*counts[0], *counts[1]), SeparateShares(*counts[1], *counts[0])


def _error_method(cases: int) -> str:
    return "bootstrap" if cases <= errors.MOST_DRAWN else "normal approximation"


def _estimate(metric: MetricName, found: float, method: str, bounds: Bounds) -> Estimate:
    return Estimate(found, method, metric in LESS_IS_BETTER, *bounds)
