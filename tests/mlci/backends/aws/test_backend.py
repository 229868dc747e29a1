"""Runs on AWS from end to end, on a pretended one."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from datetime import datetime, timezone

import pytest

from mlci.backends.stop_signal import StopSignal
from mlci.flow.part import Part
from mlci.partial import PartialRunPlanner
from mlci.plan import NO_BASELINE
from mlci.report.result import Result, Status, to_json
from mlci.run import run
from mlci.running.planned_run import prepare
from mlci.runs.earlier_runs import earlier_runs
from support.aws_builds import FLOW, Builder
from support.fake_aws import BUCKET, PretendAws, Script, response
from support.waiting import wait_for


def test_a_run_passes(builder: Builder, pretended: PretendAws) -> None:
    result = builder.run()
    assert (result.status, result.exit_code) == (Status.PASSED, 0), builder.log.text
    assert {name: step.status for name, step in result.steps.items()} == {"train": "succeeded", "measure": "succeeded"}
    assert to_json(result)["metrics"] == {"measure": {"auc": 0.95}}
    assert result.execution.endswith(f":execution:mlci-small:{result.run_id}")
    assert (
        f"https://eu-west-1.console.aws.amazon.com/states/home?region=eu-west-1#/v2/executions/details/{result.execution}"
        in builder.log.text
    )
    folder = builder.root / ".mlci/runs" / result.run_id
    assert (folder / "logs/train.log").read_text() == "a line\n"
    assert json.loads((folder / "result.json").read_text())["status"] == "passed"
    assert any("/baselines/main" in key for key in pretended.objects())
    assert pretended.running == []


def test_a_missed_gate(builder: Builder, pretended: PretendAws) -> None:
    pretended.sagemaker.scripts["measure"] = Script(metrics={"auc": 0.5})
    assert builder.run().status is Status.GATE_MISSED
    assert not any("/baselines/" in key for key in pretended.objects())


def test_the_same_again_changes_no_state_machine_and_uploads_nothing(builder: Builder, pretended: PretendAws) -> None:
    builder.reuses = False
    builder.run()
    first, pretended.calls[:] = list(pretended.calls), []
    builder.run()
    assert "sfn.CreateStateMachine" in first
    # Two scripts, the data, a starter and its document; a record of each step; the baseline, twice, and its keys.
    assert first.count("s3.PutObject") == 3 + 2 + 2 + 3
    again = pretended.calls
    assert not {"sfn.CreateStateMachine", "sfn.UpdateStateMachine", "sfn.TagResource"} & set(again)
    assert again.count("s3.PutObject") == 2 + 3  # the records, the baseline and its keys, which are of another run
    assert len(next(iter(pretended.states.machines.values())).versions) == 1


def test_a_build_that_is_not_trusted_reads_the_baseline_and_never_writes_it(
    builder: Builder, pretended: PretendAws
) -> None:
    builder.reuses = False
    builder.write(FLOW + "  - {metric: measure.auc, max_drop: 0.02}\n")
    assert builder.run().status is Status.PASSED  # outside of a build, on the base branch
    kept = pretended.get(f"s3://{BUCKET}/mlci/small/baselines/main.json")
    pretended.sagemaker.scripts["measure"] = Script(metrics={"auc": 0.99})
    result = builder.run("models:1")
    assert {judged.bound.baseline for judged in result.rules} == {0.95}
    assert pretended.get(f"s3://{BUCKET}/mlci/small/baselines/main.json") == kept
    pretended.sagemaker.scripts["measure"] = Script(metrics={"auc": 0.92})
    assert builder.run("models:2").status is Status.GATE_MISSED


def test_a_failing_job_explains_itself(builder: Builder, pretended: PretendAws) -> None:
    pretended.sagemaker.scripts["train"] = Script(
        fails="AlgorithmError: ValueError: no such column: age", log=("reading", "ValueError: no such column: age")
    )
    result = builder.run()
    assert result.status is Status.FAILED
    assert result.steps["train"].reason == "AlgorithmError: ValueError: no such column: age"
    assert result.log_tails["train"] == "reading"  # the reason has the rest
    log = builder.root / ".mlci/runs" / result.run_id / "logs/train.log"
    assert log.read_text() == "reading\nValueError: no such column: age\n"
    assert f"/sagemaker/home?region=eu-west-1#/jobs/{result.steps['train'].job}" in builder.log.text


@pytest.mark.parametrize("outlives", [False, True])
def test_a_stopped_run_leaves_nothing(builder: Builder, pretended: PretendAws, outlives: bool) -> None:
    """Also where Step Functions does not stop the job itself."""
    pretended.sagemaker.scripts["train"] = Script(seconds=60, outlives_stop=outlives)
    runs = threading.Thread(target=lambda: results.append(builder.run()))
    results: list[Result] = []
    runs.start()
    wait_for(lambda: pretended.sagemaker.jobs)
    builder.interrupts.put("stopped by SIGTERM")
    runs.join(50)
    [result] = results
    assert result.status is Status.STOPPED
    assert result.exit_code == 4
    assert pretended.running == []
    [job] = pretended.sagemaker.jobs
    assert "stopped by SIGTERM" in result.reason
    if outlives:
        assert f"stopped training job {job}" in result.reason
        assert f"stopping training job {job}" in builder.log.text


def test_a_build_that_was_cut_off_goes_on_with_its_own_run(builder: Builder, pretended: PretendAws) -> None:
    pretended.sagemaker.scripts["train"] = Script(seconds=0.6)
    flow, around = builder.flow(), builder.context("models:1")
    cloud = builder.cloud(flow)
    planned, compiled = prepare(flow, around)
    cloud.upload(planned.uploads, StopSignal())
    version = cloud.publish(flow.name, compiled.definition)
    cloud.executions.start(
        version,
        around.target.run_id,
        compiled.execution_input,
        cloud.target.execution("mlci-small", around.target.run_id),
    )
    pretended.calls.clear()
    result = builder.run("models:1")
    assert (result.status, result.run_id) == (Status.PASSED, around.target.run_id)
    assert f"attached to run {result.run_id}" in builder.log.text
    assert set(pretended.sagemaker.started.values()) == {1}
    assert len(pretended.sagemaker.started) == 2
    assert pretended.calls.count("s3.PutObject") == 2  # a record of each step


@pytest.mark.parametrize(("build", "attaches"), [("models:2", True), ("models:1", False), (None, True)])
def test_another_build_of_the_same_commit_has_a_run_of_its_own(
    builder: Builder, pretended: PretendAws, build: str | None, attaches: bool
) -> None:
    pretended.sagemaker.scripts["train"] = Script(seconds=0.5)
    results = []
    threads = [
        threading.Thread(target=lambda: results.append(builder.run("models:1"))),
        threading.Thread(target=lambda: results.append(builder.run(build, attaches))),
    ]
    threads[0].start()
    wait_for(lambda: pretended.sagemaker.jobs)
    threads[1].start()
    for thread in threads:
        thread.join(20)
    assert [result.status for result in results] == [Status.PASSED] * 2
    assert len({result.run_id for result in results}) == 2
    assert len(pretended.sagemaker.started) == 4


def test_the_same_build_with_another_flow_does_not_attach(builder: Builder, pretended: PretendAws) -> None:
    pretended.sagemaker.scripts["train"] = Script(seconds=0.5)
    first = threading.Thread(target=lambda: builder.run("models:1"))
    first.start()
    wait_for(lambda: pretended.sagemaker.jobs)
    builder.write(FLOW.replace("min: 0.9", "min: 0.8"))
    result = builder.run("models:1")
    first.join(60)
    assert result.status is Status.PASSED
    assert "with another input; it is left alone" in builder.log.text
    assert len(pretended.sagemaker.started) == 4


def test_ten_builds_of_three_definitions_each_run_their_own(builder: Builder, pretended: PretendAws) -> None:
    flows = [
        FLOW,
        FLOW.replace("gate:", "  extra: {uses: processing, run: measure.py}\ngate:"),
        FLOW.replace("gate:", "  after: {uses: processing, run: measure.py, after: gate}\ngate:"),
    ]
    builders = []
    for number in range(10):
        root = builder.root / f"build-{number}"
        root.mkdir()
        made = Builder(root, pretended, reuses=False)
        made.write(flows[number % 3])
        builders.append(made)
    builders[0].run()
    pretended.sagemaker.started.clear()
    for machine in pretended.states.machines.values():
        machine.conflicts = 20  # what AWS answers where several change a state machine at once
    results = {}

    def build(number: int) -> None:
        results[number] = builders[number].run(f"models:{number}")

    threads = [threading.Thread(target=build, args=(number,)) for number in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert [results[number].status for number in range(10)] == [Status.PASSED] * 10
    for number, result in results.items():
        more = [[], ["extra"], ["after"]][number % 3]
        assert set(result.steps) == {"train", "measure", *more}
        assert all(step.status == "succeeded" for step in result.steps.values())
    assert set(pretended.sagemaker.started.values()) == {1}
    assert pretended.running == []


def test_a_build_that_is_stopped_while_it_deploys_starts_nothing(builder: Builder, pretended: PretendAws) -> None:
    builder.interrupts.put("stopped by SIGTERM")
    result = builder.run()
    assert (result.status, result.exit_code) == (Status.STOPPED, 4)
    assert "nothing had been started" in result.reason
    assert pretended.sagemaker.jobs == {}
    assert pretended.states.executions == {}


def test_a_build_that_is_stopped_just_when_it_attaches_stops_its_run(builder: Builder, pretended: PretendAws) -> None:
    pretended.sagemaker.scripts["train"] = Script(seconds=60)
    first = threading.Thread(target=lambda: builder.run("models:1"))
    first.start()
    wait_for(lambda: pretended.sagemaker.jobs)
    again = Builder(builder.root, pretended)
    again.interrupts.put("stopped by SIGTERM")
    result = again.run("models:1")
    first.join(60)
    assert (result.status, result.exit_code) == (Status.STOPPED, 4)
    assert pretended.running == []


def test_a_state_machine_that_is_not_known_everywhere_yet_is_waited_for(
    builder: Builder, pretended: PretendAws
) -> None:
    unknown = response(400, {"__type": "StateMachineDoesNotExist", "message": "State Machine Does Not Exist"})
    left = [unknown] * 3
    pretended.fault = lambda name: left.pop() if name == "sfn.StartExecution" and left else None
    assert builder.run().status is Status.PASSED
    assert pretended.calls.count("sfn.StartExecution") == 4


def test_a_part_of_a_flow_takes_the_outputs_in_the_bucket_and_writes_no_baseline(
    builder: Builder, pretended: PretendAws
) -> None:
    whole = builder.run()
    baseline = pretended.get(f"s3://{BUCKET}/mlci/small/baselines/main.json")
    flow, context, cloud = builder.flow(), builder.context(), builder.cloud(builder.flow())
    planner = PartialRunPlanner(
        context.target,
        NO_BASELINE,
        tuple(earlier_runs(context.folder.siblings(), flow.name, cloud.name)),
        cloud.is_empty,
        lambda: None,
        datetime.now(timezone.utc),
    )
    partial = planner.plan(flow, Part(only=("measure",)))
    result = run(partial.flow, replace(context, part=partial), cloud)
    assert (result.status, result.is_partial, result.taken) == (Status.PASSED, True, {"train": whole.run_id})
    assert [name for name in pretended.sagemaker.jobs if result.run_id in name] == [
        f"mlci-small--measure-{result.run_id}-0-0"
    ]
    started_with = (builder.root / ".mlci/runs" / result.run_id / "input.json").read_text()
    assert f"s3://{BUCKET}/mlci/small/runs/{whole.run_id}/train/model/" in started_with
    assert pretended.get(f"s3://{BUCKET}/mlci/small/baselines/main.json") == baseline


def test_a_build_knows_from_the_newest_execution_how_long_steps_take(builder: Builder, pretended: PretendAws) -> None:
    cloud = builder.cloud(builder.flow())
    assert cloud.step_seconds("small", ["train", "measure"]) == {}
    pretended.sagemaker.scripts["train"] = Script(seconds=0.3)
    builder.run()
    seconds = cloud.step_seconds("small", ["train", "measure"])
    assert seconds.keys() == {"train", "measure"}
    assert seconds["train"] >= 0.3
