"""`uses: wait`: from flow.yaml to the state machine, to the steps' progress and to a run."""

from __future__ import annotations

import json
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from mlci.backends.events import Event
from mlci.backends.progress import Progress, StepState, initial_progress
from mlci.compile import compile_plan
from mlci.errors import InputError
from mlci.flow import load
from mlci.plan import Plan, Target, plan
from mlci.provision.access_requirements import access_requirements
from mlci.provision.iam_policies import policies
from mlci.provision.policy_statements import AccountScope
from mlci.provision.stack_names import ROLES
from mlci.stage.models import CodeUnit, Staged
from mlci.step_types import owners_of
from mlci.step_types.script_start import ScriptStart
from support.aws_account import account
from support.project import Project

FLOW = """flow: patient
params: {pause: 30}
defaults: {image: "mine.example/image:7"}
steps:
  measure: {uses: processing, run: a.py, outputs: [out], metrics: out/metrics.json}
  settle:
    uses: wait
    seconds: ${{ params.pause }}
    after: gate
    if: [{metric: measure.auc, max: 0.99}]
  register: {uses: processing, run: a.py, after: settle}
gate: [{metric: measure.auc, min: 0.9}]
"""


def planned(text: str = FLOW, **params: str) -> Plan:
    flow = load(text.encode(), "flow.yaml", params, {})
    scripts = [step.name for step in flow.steps.values() if step.run]
    staged = Staged(
        dict.fromkeys(scripts, CodeUnit(ScriptStart({"script": "a.py"}), (), ())),
        {},
        dict.fromkeys(scripts, "mine.example/image:7"),
    )
    return plan(flow, staged, Target("bucket", "arn:aws:iam::000000000000:role/r", "20261123-101530-3f9c2a"))


def compiled(text: str = FLOW, **params: str) -> tuple[dict[str, Any], dict[str, Any]]:
    result = compile_plan(planned(text, **params), lambda key, compute: compute())
    return json.loads(result.definition), json.loads(result.execution_input)


def problems(wrong: str) -> list[str]:
    with pytest.raises(InputError) as raised:
        planned(FLOW.replace("    seconds: ${{ params.pause }}\n", wrong))
    return str(raised.value).splitlines()


def test_the_value_is_in_the_input_and_the_structure_in_the_definition() -> None:
    definition, execution_input = compiled()
    assert definition["States"]["settle"] == {
        "Type": "Wait",
        "SecondsPath": "$.steps.settle.seconds",
        "Next": "register: reused?",
    }
    assert execution_input["steps"]["settle"] == {"seconds": 30, "when": [0.99]}
    other, other_input = compiled(pause="7")
    assert other == definition
    assert other_input["steps"]["settle"]["seconds"] == 7


def types_with(key: str) -> str:
    """Return the types of steps that have a key, in words."""
    *others, last = owners_of(key)
    return f"{', '.join(others)} and {last}"


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ("", '6:3: step "settle" lacks "seconds". Add seconds: 30'),
        ("    seconds: 0\n", '8:14: "seconds" must be at least 1, but is the integer 0'),
        ("    seconds: 100000000\n", '8:14: "seconds" must be at most 99999999, but is the integer 100000000'),
        ("    seconds: 1.5\n", '8:14: "seconds" must be an integer, but is the number 1.5'),
        ("    seconds: 30s\n", '8:14: "seconds" must be an integer, but is the text "30s"'),
        ("    secnds: 30\n", '8:5: unknown key "secnds" in step "settle". Did you mean "seconds"?'),
        (
            "    seconds: 30\n    rest: 1\n",
            (
                '9:5: unknown key "rest" in step "settle". Known keys: after, fail_fast, if, matrix, max_parallel, '
                "seconds, uses"
            ),
        ),
        (
            "    seconds: 30\n    timeout: 1h\n",
            (
                f'9:5: "timeout" is for {types_with("timeout")} steps, and "settle" is a wait step. '
                'Give a wait step its time as "seconds"'
            ),
        ),
        (
            "    seconds: 30\n    volume_gb: 1\n",
            (
                f'9:5: "volume_gb" is for {types_with("volume_gb")} steps, and "settle" is a wait step. '
                'A wait step takes "seconds"'
            ),
        ),
    ],
)
def test_a_wrong_wait_is_a_problem_with_its_place(wrong: str, message: str) -> None:
    assert problems(wrong) == [f"flow.yaml:{message}"]


def test_seconds_are_for_waits_alone() -> None:
    with pytest.raises(InputError, match='"seconds" is for wait steps, and "measure" is a processing step'):
        planned(FLOW.replace("run: a.py, outputs", "run: a.py, seconds: 3, outputs"))


def test_the_longest_and_the_shortest_wait_are_accepted() -> None:
    for seconds in (1, 99_999_999):
        assert planned(pause=str(seconds)).flow.steps["settle"].values == {"seconds": seconds}


def test_a_wait_has_no_job_and_a_line_in_the_plan() -> None:
    step = planned().steps["settle"]
    assert (step.job, step.request, step.outputs) == (None, {}, {})
    assert step.summary == "wait for 30 s"


def test_a_wait_needs_no_rights() -> None:
    scope = AccountScope("aws", "eu-west-1", "123456789012", "bucket", "connection", dict.fromkeys(ROLES, "arn:role"))
    with_wait = planned().flow
    without = planned(
        FLOW.replace("after: settle", "after: gate").replace(
            FLOW[FLOW.index("  settle:") : FLOW.index("  register:")], ""
        )
    )
    assert policies(access_requirements(with_wait, {}), scope) == policies(access_requirements(without.flow, {}), scope)


def test_a_wait_runs_from_its_state_s_entry_to_its_exit() -> None:
    start = datetime(2026, 11, 23, 10, 15, 30, tzinfo=timezone.utc)
    end = start + timedelta(seconds=30)
    entered = Event(2, 1, start, "WaitStateEntered", {"stateEnteredEventDetails": {"name": "settle"}})
    exited = Event(3, 2, end, "WaitStateExited", {"stateExitedEventDetails": {"name": "settle"}})
    progress: Progress = initial_progress(["settle"]).after(entered)
    assert progress.steps["settle"] == StepState("running", start)
    assert progress.finished(end).steps["settle"].status == "stopped"
    progress = progress.after(exited)
    assert progress.steps["settle"] == StepState("succeeded", start, end)
    assert progress.steps["settle"].seconds(end) == 30


@pytest.mark.slow
@pytest.mark.e2e
def test_the_local_cloud_waits(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.write(
        "flow.yaml",
        "flow: patient\nparams: {pause: 1}\nsteps:\n  settle: {uses: wait, seconds: '${{ params.pause }}'}\n"
        "  again: {uses: wait, seconds: 1, after: settle}\n",
    )
    assert "settle  wait for 1 s" in project.mlci("plan").stdout
    started = time.monotonic()
    done = project.mlci("run")
    assert done.returncode == 0, done.stdout + done.stderr
    assert time.monotonic() - started >= 2
    steps = project.result()["steps"]
    assert {name: (step["status"], step["job"]) for name, step in steps.items()} == {
        "settle": ("succeeded", None),
        "again": ("succeeded", None),
    }
    assert all(1 <= step["seconds"] < 60 for step in steps.values())
    assert "| settle | succeeded |" in project.latest("report.md")


@pytest.mark.e2e
@pytest.mark.slow
def test_the_aws_cloud_waits(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.write("flow.yaml", "flow: patient\nsteps: {settle: {uses: wait, seconds: 1}}\n")
    with account(tmp_path / "served", "models") as served:
        done = project.mlci("run", **served.environment)
    assert done.returncode == 0, done.stdout + done.stderr
    step = project.result()["steps"]["settle"]
    assert (step["status"], step["job"]) == ("succeeded", None)
    assert 1 <= step["seconds"] < 60


@pytest.mark.slow
@pytest.mark.e2e
def test_a_wait_that_is_stopped_does_not_go_on(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.write("flow.yaml", "flow: patient\nsteps: {settle: {uses: wait, seconds: 3600}}\n")
    done = project.mlci("run", "--timeout", "1s")
    assert done.returncode == 4, done.stdout + done.stderr
    assert project.result()["steps"]["settle"]["status"] == "stopped"
