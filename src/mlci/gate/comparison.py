"""A comparison of cases, as a verdict reports it."""

from __future__ import annotations

from typing import Literal

from mlci_dataclasses import dataclass


@dataclass(frozen=True)
class Interval:
    """The values that the cases agree with. Each end is one-sided, at the level of its comparison."""

    low: float
    high: float


@dataclass(frozen=True)
class Comparison:
    """One comparison: of cases in pairs, of independent samples, or with a stored number without cases.

    `interval` is of the change (new minus baseline), of the gap of a slice, or of the number itself, at `confidence`,
    which is corrected for `corrected_for` comparisons; 1 for none. `to_wrong` and `to_right` are the ids of the cases
    that changed. `smallest_drop` is the smallest true change that so many cases show in at least half of all runs.
    Where the cases that were compared, or their labels, are not each model's own, `on` says which they are, and `value`
    and `baseline` are the metric on them.
    """

    kind: Literal["paired", "independent", "number"]
    method: str
    interval: Interval | None
    confidence: float
    corrected_for: int
    cases: int
    to_wrong: tuple[str, ...] = ()
    to_right: tuple[str, ...] = ()
    smallest_drop: float | None = None
    note: str = ""
    on: str = ""
    value: float | None = None
    baseline: float | None = None
