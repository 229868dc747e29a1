"""Judges rules on what a run measures: the time of a step, the size of its model, the cost of the run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import TypeAlias

from mlci.flow.metric_paths import MetricPath
from mlci.flow.models import Rule
from mlci.plan.thresholds import aggregated
from mlci_dataclasses import dataclass


@dataclass(frozen=True)
class Measurement:
    """A number that a run measured; None where it is not known. `note` says why not, or what it is of."""

    value: float | None
    note: str = ""


#: What a run measured, by the path of the metric behind `run`.
Measurements: TypeAlias = "Mapping[MetricPath, Measurement]"
NO_MEASUREMENTS: Measurements = MappingProxyType({})


def measured(rule: Rule, measurements: Measurements) -> Measurement:
    """Return the number that a rule is on. One number of all cells is known if that of each cell is."""
    if rule.aggregate is None:
        return measurements.get(rule.path, Measurement(None, "it was not measured"))
    own = replace(rule, aggregate=None, cells=())
    parts = [measured(own.of_step(cell), measurements) for cell in rule.cells]
    unknown = next((part for part in parts if part.value is None), None)
    if unknown:
        return unknown
    return Measurement(aggregated([part.value for part in parts if part.value is not None], rule.aggregate))
