"""Metrics + bounds → Verdict. Pure; the state machine judges the same bounds, to stop what comes after the gate.

metrics_file.py    the metrics that a step wrote, read within bounds
metric_names.py    the names of the metrics that a step wrote, for messages
chosen_cells.py    the cells that steps read as the best by a metric
cases_file.py      the table of cases that a step wrote, read strictly
case_samples.py    the samples that a rule compares, in pairs or not
case_verdicts.py   the verdicts on the rules that compare intervals
case_texts.py      these verdicts in words
case_judgement.py  the verdicts on all rules on cases, which are remembered
budgets.py         rules on what a run measures
weak_limits.py     limits that are finer than the cases can tell
comparison.py      a comparison of cases, as a verdict reports it
acceptance.py      the decision that a miss is fine
accepted.py        the misses of a run that are accepted, and why others are not
effective_gate.py  the base branch's rules that are in force beside a flow's own
gate_changes.py    the rules that differ from those of another gate, in words
statistics/        the change of a metric by the cases of two models, with its uncertainty
verdict.py         the verdict on each rule, and on all
conditions.py      the verdict on a step's `if`
"""

from __future__ import annotations

from mlci.gate.acceptance import Acceptance
from mlci.gate.budgets import Measurement, Measurements
from mlci.gate.case_judgement import CaseJudgement
from mlci.gate.chosen_cells import chosen_cells
from mlci.gate.comparison import Comparison, Interval
from mlci.gate.conditions import holds, missed_text, missed_texts, simplified
from mlci.gate.metric_names import missing_file
from mlci.gate.metrics_file import METRICS_MAX_BYTES, METRICS_MAX_DEPTH, Metrics, parse_metrics
from mlci.gate.verdict import RuleVerdict, Verdict, judge

__all__ = [
    "METRICS_MAX_BYTES",
    "METRICS_MAX_DEPTH",
    "Acceptance",
    "CaseJudgement",
    "Comparison",
    "Interval",
    "Measurement",
    "Measurements",
    "Metrics",
    "RuleVerdict",
    "Verdict",
    "chosen_cells",
    "holds",
    "judge",
    "missed_text",
    "missed_texts",
    "missing_file",
    "parse_metrics",
    "simplified",
]
