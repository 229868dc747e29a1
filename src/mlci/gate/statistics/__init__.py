"""Cases of two models → the change of a metric, with its uncertainty. Pure; numpy and scipy are imported where needed.

outcomes.py     the cases of a model, and the names of the metrics
estimate.py     a change with its interval and p-values
proportions.py  exact bounds of shares: Clopper-Pearson, McNemar, Fisher
auc.py          the area under the ROC curve: DeLong
confusion.py    precision and F1
errors.py       RMSE and MAE
symmetric.py    bounds by a standard error, and those of cases that are all alike
bootstrap.py    random weights of cases
spread.py       the change of a mean of cells, by the spread between them
metrics.py      the method for each metric
holm.py         the correction for several comparisons
power.py        the chance that a drop is seen
"""

from __future__ import annotations

from mlci.gate.statistics.estimate import Estimate
from mlci.gate.statistics.holm import holm
from mlci.gate.statistics.metrics import change, gap, number, value
from mlci.gate.statistics.outcomes import MetricName, Outcomes, Reason, UndefinedMetric
from mlci.gate.statistics.power import paired_power, smallest_drop

__all__ = [
    "Estimate",
    "MetricName",
    "Outcomes",
    "Reason",
    "UndefinedMetric",
    "change",
    "gap",
    "holm",
    "number",
    "paired_power",
    "smallest_drop",
    "value",
]
