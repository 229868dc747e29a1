"""Runs in a list, and one run in full, whatever is left of them."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest

from mlci.backends.decisions import Question
from mlci.backends.progress import StepState
from mlci.flow.models import Json
from mlci.report.heartbeat import heartbeat
from mlci.report.metrics_table import MAX_METRICS, metric_values
from mlci.report.result import RunStart
from mlci.report.run_list import HEAD, ListedRun, describe, list_json

START = datetime(2026, 11, 23, 10, 15, 30, tzinfo=timezone.utc)
NOW = START + timedelta(seconds=95)
RUN = RunStart("iris", "20261123-101530-3f9c2a", "local", START, "0123456789abcdef", True, steps=("train",))
RESULT = {
    "schema": 1,
    "flow": "iris",
    "run_id": RUN.run_id,
    "cloud": "local",
    "commit": "0123456789abcdef",
    "dirty": True,
    "status": "gate_missed",
    "started": "2026-11-23T10:15:30.000+00:00",
    "seconds": 12.5,
    "params": {"depth": 4, "fast": True},
    "steps": {"train(fold=0)": {"status": "succeeded", "seconds": 3.0}},
    "metrics": {"train": {"auc": 0.9, "loss": 0.25, "by.class": [1, 2], "name": "x", "ok": True}},
    "rules": [{"metric": "train.auc", "value": 0.9, "held": False, "text": "train.auc 0.9 ≥ 0.95 is missed by 0.05"}],
}


def row(run: ListedRun) -> dict[str, str]:
    return dict(zip(HEAD, run.row(NOW), strict=True))


def test_a_finished_run_has_its_flow_commit_and_headline_metrics() -> None:
    assert row(ListedRun(RUN.run_id, "f", "finished", RUN, RESULT)) == {
        "run": RUN.run_id,
        "flow": "iris",
        "status": "gate_missed",
        "started": "2026-11-23 10:15:30",
        "time": "12.5 s",
        "commit": "0123456789ab*",
        "gate": "0 of 1 held",
        "metrics": "train.auc 0.9",
    }


def test_the_gate_of_a_run_without_any_of_its_metrics_was_not_judged() -> None:
    rules = [{"metric": "train.auc", "value": None, "held": False, "text": "train.auc is missing"}]
    run = ListedRun(RUN.run_id, "f", "finished", RUN, {**RESULT, "status": "failed", "rules": rules})
    assert row(run)["gate"] == "not judged"


def test_a_run_without_a_result_is_running_or_was_killed() -> None:
    running = row(ListedRun(RUN.run_id, "f", "running", RUN))
    assert (running["status"], running["time"], running["flow"]) == ("running", "1 min 35 s", "iris")
    killed = row(ListedRun(RUN.run_id, "f", "killed", RUN))
    assert (killed["status"], killed["time"], killed["commit"]) == ("killed", "–", "0123456789ab*")
    assert row(ListedRun(RUN.run_id, "f", "unfinished"))["status"] == "unfinished"
    assert "is running: it has started 2 min ago" in describe(ListedRun(RUN.run_id, "f", "running", RUN), NOW)
    on_aws = ListedRun(RUN.run_id, "f", "killed", replace(RUN, cloud="aws"))
    assert f"may still run: mlci stop {RUN.run_id}" in describe(on_aws, NOW)


def test_a_run_in_full_has_its_params_and_the_metrics_that_no_rule_judges() -> None:
    shown = describe(ListedRun(RUN.run_id, "f", "finished", RUN, RESULT), NOW)
    assert "  depth  4\n  fast   true\n" in shown
    assert '  train.loss            0.25\n  train["by.class"][0]  1\n' in shown
    assert "train(fold=0)" in shown
    assert "train.auc  " not in shown


def test_a_partial_run_says_so() -> None:
    result = {**RESULT, "status": "passed", "rules": [], "partial": True, "taken": {"prepare": "20261122-1"}}
    run = ListedRun(RUN.run_id, "f", "finished", RUN, result)
    assert row(run)["gate"] == "part of the flow"
    assert "iris: passed in 12.5 s, a part of the flow, without a verdict" in describe(run, NOW)
    assert "  prepare  20261122-1\n" in describe(run, NOW)


def test_lists_are_json_with_a_schema() -> None:
    document = list_json([ListedRun(RUN.run_id, "f", "finished", RUN, RESULT), ListedRun("x", "f", "running", RUN)])
    assert document["schema"] == 1
    assert document["runs"] == [
        {
            "run_id": RUN.run_id,
            "flow": "iris",
            "status": "gate_missed",
            "undecided": {},
            "cloud": "local",
            "started": "2026-11-23T10:15:30.000+00:00",
            "seconds": 12.5,
            "commit": "0123456789abcdef",
            "dirty": True,
            "partial": False,
            "rules": 1,
            "rules_held": 0,
            "metrics": {"train.auc": 0.9},
            "folder": "f",
        },
        {
            "run_id": "x",
            "flow": "iris",
            "status": "running",
            "undecided": {},
            "cloud": "local",
            "started": "2026-11-23T10:15:30.000+00:00",
            "seconds": None,
            "commit": "0123456789abcdef",
            "dirty": True,
            "partial": False,
            "rules": 0,
            "rules_held": 0,
            "metrics": {},
            "folder": "f",
        },
    ]


def test_the_start_of_a_run_is_read_as_it_was_written() -> None:
    assert RunStart.from_json(RUN.to_json()) == RUN
    documents: list[Json] = [None, [], {}, {"schema": 2}, {**RUN.to_json(), "started": "soon"}]
    for damaged in documents:
        with pytest.raises(ValueError, match=r"."):
            RunStart.from_json(damaged)


def test_a_curve_does_not_flood_a_report() -> None:
    assert len(metric_values({"train": {"curve": list(range(10_000))}})) == MAX_METRICS
    assert metric_values({"train": {"a": float("nan"), "b": 10**400, "c": None, "d": -0.5}}) == {"train.d": -0.5}


def test_a_heartbeat_has_the_time_the_running_steps_their_last_lines_and_the_rest() -> None:
    steps = {
        "prepare": StepState("succeeded", START, START),
        "train(fold=0)": StepState("running", START),
        "train(fold=1)": StepState("running", START),
        "evaluate": StepState(),
    }
    text = heartbeat(NOW, steps, {"train(fold=0)": "\x1b[1mepoch 3\x1b[0m\n", "train(fold=1)": ""}.__getitem__, 130)
    running = "train(fold=0) (1 min 35 s), train(fold=1) (1 min 35 s)"
    assert text.splitlines() == [
        f"10:17:05  running: {running}; 1 of 4 steps done; about 2 min left",
        "          train(fold=0) | epoch 3",
    ]
    assert heartbeat(NOW, {"train": StepState()}, str, None) == "10:17:05  no step is running; 0 of 1 steps done"


def test_a_heartbeat_of_many_steps_is_short() -> None:
    steps = {f"train(fold={number})": StepState("running", START) for number in range(50)}
    text = heartbeat(NOW, steps, lambda step: 1_000 * "x", None)
    assert "and 42 more" in text
    assert len(text) < 3_000


def test_a_run_that_waits_says_for_which_decision() -> None:
    waiting = ListedRun(RUN.run_id, "f", "running", RUN, undecided={"approve": "go on?"})
    assert row(waiting)["status"] == "waits for approve"
    assert waiting.to_json()["undecided"] == {"approve": "go on?"}
    assert f"approve waits for a decision: go on?\n  mlci approve {RUN.run_id} approve" in describe(waiting, NOW)
    assert describe(waiting, NOW, "a/flow.yaml").count(" --flow a/flow.yaml") == 2
    steps = {"approve": StepState("running", START, question=Question("go on?", is_asked=True))}
    assert "approve | waits for a decision: go on?" in heartbeat(NOW, steps, lambda step: "", None)
