"""The cases that a model was tested on, and the metrics that can be computed of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeAlias

from mlci_dataclasses import dataclass

MetricName: TypeAlias = Literal["accuracy", "recall", "precision", "f1", "auc", "rmse", "mae"]
Reason: TypeAlias = Literal[
    "no cases", "no positive cases", "no negative cases", "no positive predictions", "no scores"
]


class UndefinedMetric(ValueError):
    """The cases define no value of a metric, for a `reason`: recall has none where no case is positive."""

    def __init__(self, metric: MetricName, reason: Reason) -> None:
        super().__init__(metric, reason)
        self.metric, self.reason = metric, reason

    def __str__(self) -> str:
        return f"{self.metric} is undefined: there are {self.reason}"


@dataclass(frozen=True)
class Outcomes:
    """The cases of one model, as columns of one length.

    Labels and predictions are true where they are of the positive class; for rmse and mae they are numbers. Accuracy
    compares them as they are, so classes may be any values. `score` ranks the cases for auc: higher is more positive.
    """

    label: Sequence[object]
    predicted: Sequence[object]
    score: Sequence[float] = ()

    def __post_init__(self) -> None:
        if len(self.predicted) != len(self.label) or len(self.score) not in (0, len(self.label)):
            raise ValueError("the columns of cases differ in length")

    def __len__(self) -> int:
        return len(self.label)
