"""Steps that are reused: the definition is the same, and the state machine leaves them out."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from mlci.backends.events import Event
from mlci.backends.progress import Progress, initial_progress
from mlci.compile import compile_plan
from mlci.plan import Plan, ReusedResult, S3Uri
from mlci_asl import Json, TaskCall
from support.compiled_flows import kept_definition, planned
from support.executions import Run, ScriptedHandlers, run

MADE = "20261101-000000-000000"
FLOW = """
flow: small
defaults: {image: "mine.example/image:7"}
steps:
  prepare: {uses: processing, run: a.py, outputs: [table]}
  fold:
    uses: training
    run: a.py
    inputs: {x: "${{ steps.prepare.outputs.table }}"}
    hyperparameters: {n: "${{ matrix.n }}"}
    matrix: {n: [1, 2]}
    metrics: m.json
  best:
    uses: processing
    run: a.py
    inputs: {m: {from: "${{ steps.fold.outputs.model }}", select: {metric: fold.auc, best: max}}}
    outputs: [out]
    metrics: out/metrics.json
  beside: {uses: processing, run: a.py, outputs: [o], after: prepare, fail_fast: false}
  last: {uses: processing, run: a.py, outputs: [o], if: [{metric: best.auc, min: 0.5}]}
  pause: {uses: wait, seconds: 1, after: gate}
gate: [{metric: best.auc, min: 0.5}]
"""
BEFORE = planned(FLOW)


def plan_with(*reused: str) -> Plan:
    def moved(uri: str) -> S3Uri:
        return S3Uri(uri.replace(BEFORE.target.run_id, MADE))

    results = {
        name: ReusedResult(
            MADE,
            {output: moved(uri) for output, uri in BEFORE.steps[name].outputs.items()},
            moved(BEFORE.steps[name].metrics) if BEFORE.steps[name].metrics else None,  # type: ignore[arg-type]
        )
        for name in reused
    }
    return planned(FLOW, results)


@dataclass
class Handlers(ScriptedHandlers):
    """Jobs that succeed, and a store in which each metrics file says `auc`."""

    auc: float = 1
    read: list[str] = field(default_factory=list)

    def supports(self, resource: str) -> bool:
        return True

    def __call__(self, task: TaskCall) -> Json:
        self.calls.append(task)
        parameters: Any = task.parameters
        if "Key" in parameters and "CopySource" not in parameters:
            self.read.append(parameters["Key"])
            return {"Body": json.dumps({"auc": self.auc})}
        return dict(parameters)

    @property
    def jobs(self) -> set[str]:
        names = [call.parameters.get(f"{kind}JobName") for call in self.calls for kind in ("Training", "Processing")]  # type: ignore[union-attr]
        return {str(name).split("--", 1)[1].split("-2026")[0] for name in names if name}


def compiled(of: Plan) -> tuple[str, dict[str, Any]]:
    result = compile_plan(of, kept_definition)
    return result.definition, json.loads(result.execution_input)


def execute(of: Plan, handlers: Handlers) -> Run:
    text, values = compiled(of)
    return run(text, values, handlers=handlers)


def progress_of(of: Plan, outcome: Run) -> Progress:
    progress = initial_progress(of.steps, reused=of.reused)
    for event in outcome.events:
        progress = progress.after(Event(event.id, event.previous_id, event.timestamp, event.type, dict(event.details)))
    return progress


def statuses(progress: Progress, steps: Iterable[str]) -> dict[str, str]:
    return {step: progress.steps[step].status for step in steps}


ALL = ("prepare", "fold(n=1)", "fold(n=2)", "best", "beside", "last")


@pytest.mark.parametrize("reused", [(), ("prepare",), ("fold(n=1)",), ALL])
def test_the_definition_is_the_same_whatever_is_reused(reused: tuple[str, ...]) -> None:
    assert compiled(plan_with(*reused))[0] == compiled(BEFORE)[0]


def test_reused_steps_start_no_job_and_the_others_read_their_results() -> None:
    of = plan_with("prepare", "fold(n=1)", "beside")
    handlers = Handlers()
    outcome = execute(of, handlers)
    assert outcome.types[-1] == "ExecutionSucceeded"
    assert handlers.jobs == {"fold--1", "best", "last"}
    progress = progress_of(of, outcome)
    reused = ["prepare", "fold(n=1)", "beside"]
    assert statuses(progress, [*reused, "fold(n=2)", "best"]) == {
        **dict.fromkeys(reused, "reused"),
        "fold(n=2)": "succeeded",
        "best": "succeeded",
    }
    assert {progress.steps[step].reused_from for step in reused} == {MADE}
    assert progress.steps["best"].reused_from is None
    request = of.steps["fold(n=2)"].request
    assert MADE in json.dumps(request)
    assert any(MADE in key for key in handlers.read), "the best cell is chosen by the metrics of the reused one"


def test_a_reused_step_whose_condition_is_missed_today_is_skipped() -> None:
    of = plan_with(*ALL)
    handlers = Handlers(auc=0.25)
    outcome = execute(of, handlers)
    assert handlers.jobs == set()
    progress = progress_of(of, outcome).finished(outcome.events[-1].timestamp)
    assert statuses(progress, ["best", "last", "pause"]) == {"best": "reused", "last": "skipped", "pause": "skipped"}
    assert progress.steps["last"].reused_from is None


def test_the_input_names_the_runs_that_results_are_of() -> None:
    _, values = compiled(plan_with("prepare", "fold(n=2)"))
    assert values["reused"] == {MADE: ["prepare", "fold(n=2)"]}
    assert values["steps"]["prepare"]["reused"] is True
    assert [item["fold"]["reused"] for item in values["cells"]["fold"]["items"]] == [False, True]
    assert "reused" not in values["steps"]["pause"]
    assert "reused" not in compiled(BEFORE)[1]


def test_a_definition_that_nobody_needs_is_not_compiled() -> None:
    result = compile_plan(BEFORE, lambda key, compute: None)
    assert result.definition == ""
    assert json.loads(result.execution_input) == compiled(BEFORE)[1]


def test_what_only_reused_steps_need_is_not_uploaded() -> None:
    def units(of: Plan) -> Mapping[str, int]:
        return {str(upload.unit): 1 for upload in of.uploads}

    assert units(plan_with(*ALL)) == {}
    assert units(plan_with("prepare")) == units(BEFORE)
