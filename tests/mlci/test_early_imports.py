"""The modules that are imported while jobs run."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import pytest

from mlci import early_imports
from mlci.flow.models import Flow, Rule, Step
from mlci.plan.models import Baseline, Bound, Plan, Target

STEP = Step("evaluate", "processing", outputs=("out",), cases="out/cases.csv")
RULE = Rule("evaluate", ("recall",), "max_drop", 0.02, reads_cases=True, confidence=0.95)


def planned(step: Step, baseline: Baseline, *gate: Bound) -> Plan:
    flow = Flow("small", "flow.yaml", {}, {step.name: step}, ())
    return Plan(flow, Target("b", "r", "20261123-101530-3f9c2a"), {}, gate, baseline=baseline)


def imported(plan: Plan) -> set[str]:
    return {module.partition(".")[0] for module in early_imports._modules(plan)}


def test_what_the_verdict_and_the_plots_need_is_imported() -> None:
    compared = planned(STEP, Baseline(run_id="r"), Bound(RULE, 0.9))
    assert imported(compared) == {"numpy", "scipy", "matplotlib"}
    assert imported(replace(compared, baseline=Baseline())) == {"matplotlib"}
    assert imported(replace(compared, gate=(Bound(Rule("evaluate", ("auc",), "min", 0.9), 0.9),))) == {"matplotlib"}
    assert imported(planned(replace(STEP, cases=None), Baseline(run_id="r"))) == set()


@pytest.mark.parametrize(
    ("code", "names"),
    [
        ("from mlci.gate.statistics import change, Outcomes\n", early_imports._STATISTICS),
        ("from mlci.report.plots.drawing import draw\n", early_imports._PLOTS),
    ],
)
def test_they_can_be_imported_by_their_names(code: str, names: tuple[str, ...]) -> None:
    done = subprocess.run([sys.executable, "-c", f"{code}import {', '.join(names)}"], check=False)
    assert done.returncode == 0
