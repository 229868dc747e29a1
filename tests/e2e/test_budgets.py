"""Budgets by the real command: what a run measures is judged, and stops what is behind the gate."""

from __future__ import annotations

import pytest

from support.project import Project

WRITE = 'open("/opt/ml/processing/output/model/weights", "wb").write(b"x" * 2000)\n'
FLOW = """
flow: budgets
defaults: {{image: 'mine.example/image:1', timeout: 1m}}
steps:
  make: {{uses: processing, run: make.py, outputs: [model]}}
  publish: {{uses: processing, run: publish.py, after: [gate]}}
gate:
  - {{metric: run.steps.make.model_bytes, max: {most}}}
  - {{metric: run.steps.make.seconds, min: 0.001, max: 300}}
  - {{metric: run.cost_usd, max: 0.5, unclear: {unclear}}}
"""


@pytest.fixture
def budgets(project: Project) -> Project:
    project.write("make.py", WRITE)
    project.write("publish.py", "")
    return project


def texts(project: Project) -> list[str]:
    return [rule["text"] for rule in project.result()["rules"]]


def test_budgets_that_are_met_let_the_rest_run_and_a_reused_step_keeps_its_numbers(budgets: Project) -> None:
    budgets.write("flow.yaml", FLOW.format(most=2000, unclear="warn"))
    first = budgets.mlci("run")
    assert first.returncode == 0, first.stdout + first.stderr
    run, seconds = budgets.result()["run_id"], budgets.result()["steps"]["make"]["seconds"]
    assert texts(budgets) == [
        "run.steps.make.model_bytes 2000 ≤ 2000",
        f"run.steps.make.seconds {seconds:.6g} ≥ 0.001",
        f"run.steps.make.seconds {seconds:.6g} ≤ 300",
        "run.cost_usd can't be judged: what a run costs is known only on AWS, and this one ran on this machine",
    ]
    assert budgets.result()["steps"]["publish"]["status"] == "succeeded"
    second = budgets.mlci("run")
    assert second.returncode == 0, second.stdout + second.stderr
    assert budgets.result()["steps"]["make"]["status"] == "reused"
    note = f" (in run {run}, whose result is reused)"
    assert texts(budgets)[1] == f"run.steps.make.seconds {seconds:.6g} ≥ 0.001{note}"


@pytest.mark.parametrize(
    ("most", "unclear", "missed"), [(1999, "warn", "2000 ≤ 1999 is missed by 1"), (2000, "fail", "can't be judged")]
)
def test_a_budget_that_is_missed_stops_what_is_behind_the_gate(
    budgets: Project, most: int, unclear: str, missed: str
) -> None:
    budgets.write("flow.yaml", FLOW.format(most=most, unclear=unclear))
    done = budgets.mlci("run")
    assert done.returncode == 1, done.stdout + done.stderr
    assert missed in done.stdout
    result = budgets.result()
    assert (result["status"], result["steps"]["publish"]["status"]) == ("gate_missed", "skipped")
    assert missed in result["reason"]
    assert missed in result["steps"]["publish"]["reason"]


def test_validate_and_plan_show_budgets(budgets: Project) -> None:
    budgets.write("flow.yaml", FLOW.format(most=2000, unclear="warn"))
    assert "4 rules in the gate" in budgets.mlci("validate").stdout
    assert "run.cost_usd ≤ 0.5 (max)" in budgets.mlci("plan").stdout
