"""The modules that are imported while jobs run."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

from mlci.early_imports import STATISTICS, needs_statistics
from mlci.flow.models import Flow, Rule, Step
from mlci.plan.models import Baseline, Bound, Plan, Target

STEP = Step("evaluate", "processing", outputs=("out",), cases="out/cases.csv")
RULE = Rule("evaluate", ("recall",), "max_drop", 0.02, reads_cases=True, confidence=0.95)


def planned(step: Step, baseline: Baseline, *gate: Bound) -> Plan:
    flow = Flow("small", "flow.yaml", {}, {step.name: step}, ())
    return Plan(flow, Target("b", "r", "20261123-101530-3f9c2a"), {}, gate, baseline=baseline)


def test_statistics_are_imported_where_cases_are_compared_with_a_baseline() -> None:
    compared = planned(STEP, Baseline(run_id="r"), Bound(RULE, 0.9))
    assert needs_statistics(compared)
    assert not needs_statistics(replace(compared, baseline=Baseline()))
    assert not needs_statistics(replace(compared, gate=(Bound(Rule("evaluate", ("auc",), "min", 0.9), 0.9),)))
    assert not needs_statistics(planned(replace(STEP, cases=None), Baseline(run_id="r")))


def test_they_can_be_imported_by_their_names() -> None:
    code = f"from mlci.gate.statistics import change, Outcomes\nimport {', '.join(STATISTICS)}"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
