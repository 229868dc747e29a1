"""`uses: fail`: from flow.yaml to the state machine, to the steps' progress and to a run."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from mlci.backends.events import Event
from mlci.backends.progress import Progress, initial_progress
from mlci.backends.protocol import ExecutionArn, Outcome
from mlci.compile.metric_checks import message_text
from mlci.compile.names import FAIL_REACHED
from mlci.errors import InputError
from mlci.flow import dependencies, load
from mlci.flow.models import Json
from mlci.gate import Metrics, Verdict
from mlci.outcome.conclusion import conclude
from mlci.outcome.skipped_steps import explain_skipped
from mlci.provision.access_requirements import access_requirements
from mlci.report.result import Status
from mlci_asl.jsonata import evaluate, parse_expression
from support.aws_account import account
from support.compiled_flows import compiled, planned
from support.project import Project

MESSAGE = 'auc ${{ steps.measure.metrics.auc }}, f1 ${{ steps.measure.metrics["a.b"][0].f1 }} of ${{ params.name }}'
FLOW = f"""flow: stopper
params: {{name: a model}}
defaults: {{image: "mine.example/image:7"}}
steps:
  measure: {{uses: processing, run: a.py, outputs: [out], metrics: out/metrics.json}}
  stop-it:
    uses: fail
    message: '{MESSAGE}'
    if: [{{metric: measure.auc, max: 0.9}}]
  go-on: {{uses: wait, seconds: 1, if: [{{metric: measure.auc, min: 0.9}}]}}
  later: {{uses: wait, seconds: 1, after: go-on}}
"""
AT = datetime(2026, 11, 23, 10, 15, 30, tzinfo=timezone.utc)


def test_the_texts_are_in_the_input_and_the_metrics_in_the_definition() -> None:
    definition, execution_input = compiled(FLOW)
    assert execution_input["steps"]["stop-it"]["message"] == ["auc ", ", f1 ", " of a model"]
    branches = [state for state in definition["States"].values() if state["Type"] == "Parallel"]
    states = {name: state for branch in branches[0]["Branches"] for name, state in branch["States"].items()}
    state = states["stop-it"]
    assert (state["Type"], state["QueryLanguage"], state["Error"]) == ("Fail", "JSONata", FAIL_REACHED)
    assert "Next" not in state
    assert states["stop-it: read metrics of measure"]["Next"] == "stop-it"
    other, _ = compiled(FLOW.replace("a model", "another"))
    assert other == definition


def test_a_message_holds_the_metrics_and_says_which_is_missing() -> None:
    expression = message_text("$.steps['stop-it'].message", [("measure", ("a.b", 0, "f1")), ("measure", ("x", "y"))])
    data: dict[str, Json] = {
        "steps": {"stop-it": {"message": ["f1 ", ", y ", "!"]}},
        "metrics": {"measure": {"found": {"a.b": [{"f1": 0.25}]}}},
    }
    assert evaluate(parse_expression(expression), {"states": {"input": data}}) == "f1 0.25, y (missing)!"


def test_it_waits_for_the_metrics_in_its_message_and_reads_them_by_the_rights_of_rules() -> None:
    text = FLOW.replace("    if: [{metric: measure.auc, max: 0.9}]\n", "").replace(
        ", if: [{metric: measure.auc, min: 0.9}]", ""
    )
    flow = load(text.encode(), "flow.yaml")
    assert dependencies(flow)["stop-it"] == {"measure"}
    assert access_requirements(flow, {}).has_rules
    plain = load(text.replace(MESSAGE, "no").encode().replace(b"'no'", b"'no way'"), "flow.yaml")
    assert not access_requirements(plain, {}).has_rules


@pytest.mark.parametrize(
    ("wrong", "expected"),
    [
        ("", 'flow.yaml:6:3: step "stop-it" lacks "message"'),
        ("message: [a]", '"message" must be text, but is a list'),
        ("message: 'x ${{ steps.measure.metrics }}'", "is not a reference"),
        ("message: 'x ${{ steps.measure.metrics.a..b }}'", '"measure.a..b" does not name a metric'),
        ("message: 'x ${{ steps.measur.metrics.auc }}'", 'which does not exist. Did you mean "measure"?'),
        ("message: 'x ${{ steps.go-on.metrics.auc }}'", 'reads a metric of step "go-on", which writes none'),
        ("message: 'x ${{ steps.measure.outputs.out }}'", "cannot stand here"),
        ("message: " + "x" * 4_097, '"message" has 4097 characters. AWS allows 4096'),
        ("message: x\n    seconds: 3", '"seconds" is for wait steps, and "stop-it" is a fail step'),
    ],
)
def test_a_wrong_message_is_refused(wrong: str, expected: str) -> None:
    with pytest.raises(InputError) as raised:
        planned(FLOW.replace(f"message: '{MESSAGE}'", wrong))
    assert expected in str(raised.value)


def test_a_metric_stands_in_a_message_alone_and_is_one_number() -> None:
    with pytest.raises(InputError, match='Metrics can be read in "message"'):
        planned(FLOW.replace("run: a.py", "run: a.py, args: ['${{ steps.measure.metrics.auc }}']"))
    with pytest.raises(InputError, match="which has a matrix, and so a metric for each of its cells"):
        planned(FLOW.replace("run: a.py", "run: a.py, matrix: {fold: [1, 2]}"))


def test_a_message_may_be_as_long_as_allowed() -> None:
    _, execution_input = compiled(FLOW.replace(f"'{MESSAGE}'", "x" * 4_096))
    assert execution_input["steps"]["stop-it"]["message"] == ["x" * 4_096]


def reached(error: str = FAIL_REACHED) -> Progress:
    progress = initial_progress(["measure", "stop-it", "go-on", "later"])
    progress = replace(
        progress, steps={**progress.steps, "measure": replace(progress.steps["measure"], status="succeeded")}
    )
    entered = Event(1, 0, AT, "FailStateEntered", {"stateEnteredEventDetails": {"name": "stop-it"}})
    failed = Event(2, 1, AT, "ExecutionFailed", {"executionFailedEventDetails": {"error": error, "cause": "auc 0.8"}})
    return progress.after(entered).after(failed).finished(AT)


def test_a_reached_fail_is_a_missed_gate_with_its_message() -> None:
    progress = reached()
    assert (progress.steps["stop-it"].status, progress.steps["stop-it"].reason) == ("failed", "auc 0.8")
    outcome = Outcome(ExecutionArn("arn"), "FAILED", FAIL_REACHED, "auc 0.8")
    assert conclude(outcome, Verdict(()), progress) == (Status.GATE_MISSED, "auc 0.8")


def test_a_step_that_failed_counts_more() -> None:
    progress = reached()
    failed = replace(progress.steps["go-on"], status="failed", reason="no")
    progress = replace(progress, steps={**progress.steps, "go-on": failed})
    outcome = Outcome(ExecutionArn("arn"), "FAILED", FAIL_REACHED, "auc 0.8")
    assert conclude(outcome, Verdict(()), progress) == (Status.FAILED, 'step "go-on" failed: no')


def test_another_error_leaves_the_step_without_its_message() -> None:
    assert reached("States.Runtime").steps["stop-it"].status == "stopped"


def test_a_skipped_step_says_why() -> None:
    steps = explain_skipped(planned(FLOW), reached(), {"measure": Metrics({"auc": 0.8}, "")}, Verdict(())).steps
    assert steps["go-on"].reason == "its if does not hold: measure.auc 0.8 ≥ 0.9 is missed by 0.1"
    assert steps["later"].reason == 'it depends on step "go-on", which was skipped'
    assert steps["measure"].reason is None


RUN = """flow: stopper
steps:
  measure:
    {uses: processing, image: "mine.example/image:7", run: m.py, args: [%s], outputs: [out], metrics: out/metrics.json}
  stop:
    uses: fail
    message: "auc is ${{ steps.measure.metrics.auc }}, x ${{ steps.measure.metrics.x }}"
    if: [{metric: measure.auc, max: 0.9}]
  settle: {uses: wait, seconds: 1, if: [{metric: measure.auc, min: 0.9}]}
"""
SCRIPT = (
    "import json, sys\n"
    'json.dump({"auc": float(sys.argv[1])}, open("/opt/ml/processing/output/out/metrics.json", "w"))\n'
)


@pytest.mark.e2e
@pytest.mark.slow
def test_the_local_cloud_ends_there_and_goes_on_where_the_if_does_not_hold(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.write("m.py", SCRIPT)
    project.write("flow.yaml", RUN % 0.8125)
    assert "stop     fail with: auc is <measure.auc>" in project.mlci("plan").stdout
    done = project.mlci("run")
    assert done.returncode == 1, done.stdout + done.stderr
    _check_result(project.result())
    assert "auc is 0.8125, x (missing)" in done.stdout
    assert "its if does not hold: measure.auc 0.8125 ≥ 0.9" in project.latest("junit.xml")
    part = project.mlci("run", "--only", "stop")
    assert (part.returncode, project.result()["reason"]) == (1, "auc is 0.8125, x (missing)"), part.stderr
    project.write("flow.yaml", RUN % 0.95)
    passed = project.mlci("run")
    assert passed.returncode == 0, passed.stdout + passed.stderr
    assert project.result()["steps"]["stop"]["status"] == "skipped"


def _check_result(result: dict[str, Any]) -> None:
    assert (result["status"], result["reason"]) == ("gate_missed", "auc is 0.8125, x (missing)")
    assert result["steps"]["stop"]["status"] == "failed"
    assert result["steps"]["settle"]["status"] == "skipped"


@pytest.mark.e2e
@pytest.mark.slow
def test_the_aws_cloud_ends_there(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.write("m.py", SCRIPT)
    project.write("flow.yaml", (RUN % 0.8125))
    with account(tmp_path / "served", "models") as served:
        done = project.mlci("run", **served.environment)
    assert done.returncode == 1, done.stdout + done.stderr
    result = project.result()
    assert (result["status"], result["reason"]) == ("gate_missed", "auc is 0.8125, x (missing)")
    assert result["steps"]["stop"]["status"] == "failed"
