"""What `mlci plan` tells of a state machine that would change."""

from __future__ import annotations

import json

from mlci.backends.protocol import Change
from mlci.flow import load
from mlci.plan import Target, plan
from mlci.report.plan_preview import machine_change as machine
from mlci.report.plan_preview import preview
from mlci.stage.models import CodeUnit, ImageContext, Staged
from mlci.step_types.script_start import ScriptStart

TASK = {"Type": "Task", "Resource": "arn:aws:states:::sagemaker:createProcessingJob.sync"}


def text(*, start: str, **states: object) -> str:
    return json.dumps({"StartAt": start, "States": states})


def told(before: str, after: str) -> list[str]:
    return machine(Change("update", "mlci-x", before, ("definition",)), after).splitlines()


def test_states_that_come_go_and_change_are_told_each_by_its_own_lines() -> None:
    before = text(start="a", a={**TASK, "Next": "b"}, b={**TASK, "End": True}, old={"Type": "Succeed"})
    after = text(start="a", a={**TASK, "Next": "c"}, b={**TASK, "End": True}, c={**TASK, "Next": "b"})
    assert told(before, after) == [
        "state machine mlci-x",
        "  to be updated: definition",
        "  + c (Task sagemaker:createProcessingJob.sync)",
        "  - old (Succeed)",
        "  ~ a",
        '      -   "Next": "b"',
        '      +   "Next": "c"',
    ]


def test_a_state_that_only_moves_into_a_branch_is_not_told() -> None:
    single = {**TASK, "End": True}
    before = text(start="a", a=single)
    after = text(
        start="both", both={"Type": "Parallel", "Branches": [{"StartAt": "a", "States": {"a": single}}], "End": True}
    )
    assert told(before, after)[2:] == [
        "  + both (Parallel)",
        "  ~ the start",
        '      -   "StartAt": "a"',
        '      +   "StartAt": "both"',
    ]


def test_what_stays_or_is_new_is_one_line() -> None:
    made = text(start="a", a=TASK)
    assert machine(Change("none", "mlci-x", made), made).endswith("no change")
    assert machine(Change("create", "mlci-x"), made).endswith("to be created, with 1 state")
    assert machine(Change("none kept", "mlci-x"), made).endswith("gone with it")
    assert machine(Change("update", "mlci-x", made, ("role",)), made).endswith("to be updated: role")


def test_images_that_the_run_builds_are_told_with_their_steps() -> None:
    text = "flow: x\nsteps: {one: {uses: processing, run: a.py, image: IMAGE}}\n"
    for written, contexts in (
        ("{build: docker}", {"one": ImageContext("docker", "Dockerfile", {}, ())}),
        ("a/b:1", {}),
    ):
        flow = load(text.replace("IMAGE", written).encode(), "flow.yaml", {}, {})
        images = {} if contexts else {"one": "a/b:1"}
        staged = Staged({"one": CodeUnit(ScriptStart({"script": "a.py"}), (), ())}, {}, images, contexts)
        made = plan(flow, staged, Target("bucket", "role", "20261123-101530-3f9c2a"))
        told = preview(made, "{}", (), Change("none kept", "mlci-x"), ())
        assert ("images\n  docker  localhost/mlci-x:" in told) == bool(contexts)
        assert (", for one\n" in told) == bool(contexts)


def test_a_gate_that_mlci_judges_before_what_is_behind_it_says_so() -> None:
    text = """
flow: x
defaults: {image: "a/b:1"}
steps:
  measure: {uses: processing, run: a.py, outputs: [out], cases: out/cases.csv}
  fold: {uses: wait, seconds: 1, after: gate, matrix: {n: [1, 2]}}
  deploy: {uses: wait, seconds: 1, after: gate}
gate: [{metric: measure.recall, min: 0.9}]
"""
    line = "  mlci judges it before fold, deploy, and the state machine waits for the verdict"
    for written, is_asked in ((text, True), (text.replace(", after: gate", ""), False)):
        flow = load(written.encode(), "flow.yaml", {}, {})
        staged = Staged({"measure": CodeUnit(ScriptStart({"script": "a.py"}), (), ())}, {}, {"measure": "a/b:1"}, {})
        made = plan(flow, staged, Target("bucket", "role", "20261123-101530-3f9c2a"))
        told = preview(made, "{}", (), Change("none kept", "mlci-x"), ())
        assert (line in told.splitlines()) == is_asked
