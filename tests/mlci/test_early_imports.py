"""The modules that are imported while jobs run."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

from mlci.early_imports import PLOTS, REPORTS, STATISTICS, early_modules
from mlci.flow.models import Flow, Rule, Step
from mlci.plan.models import Baseline, Bound, Plan, Target

STEP = Step("evaluate", "processing", outputs=("out",), cases="out/cases.csv")
RULE = Rule("evaluate", ("recall",), "max_drop", 0.02, reads_cases=True, confidence=0.95)


def planned(step: Step, baseline: Baseline, *gate: Bound) -> Plan:
    flow = Flow("small", "flow.yaml", {}, {step.name: step}, ())
    return Plan(flow, Target("b", "r", "20261123-101530-3f9c2a"), {}, gate, baseline=baseline)


def test_what_the_verdict_and_the_report_need_is_imported() -> None:
    compared = planned(STEP, Baseline(run_id="r"), Bound(RULE, 0.9))
    assert [*early_modules(compared)] == [*REPORTS, *PLOTS, *STATISTICS]
    assert [*early_modules(replace(compared, baseline=Baseline()))] == [*REPORTS, *PLOTS]
    judged_by_metrics = replace(compared, gate=(Bound(Rule("evaluate", ("auc",), "min", 0.9), 0.9),))
    assert [*early_modules(judged_by_metrics)] == [*REPORTS, *PLOTS]
    assert [*early_modules(planned(replace(STEP, cases=None), Baseline(run_id="r")))] == [*REPORTS]


def test_they_can_be_imported_by_their_names() -> None:
    code = f"import {', '.join((*STATISTICS, *REPORTS, *PLOTS))}"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_they_are_imported_when_the_first_job_runs() -> None:
    code = (
        "import sys, time; from mlci import early_imports; early_imports._import = lambda names: print(*names)\n"
        "from mlci.flow.models import Flow; from mlci.plan.models import Plan, Target\n"
        "flow = Flow('small', 'flow.yaml', {}, {}, ())\n"
        "early_imports.import_early(Plan(flow, Target('b', 'r', '20261123-101530-3f9c2a'), {}, ()), None, print)\n"
        "print('started', flush=True); time.sleep(1)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.split() == ["started", *REPORTS]
