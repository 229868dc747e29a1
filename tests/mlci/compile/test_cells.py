"""The cells of a matrix in the state machine: one Map, the failures of cells, and rules on their metrics."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlci.compile import compile_plan, step_inputs
from mlci.errors import InputError
from mlci.flow import dependencies, load
from mlci.flow.models import Aggregate, Json, Op, Rule
from mlci.gate import judge, parse_metrics
from mlci.plan import Baseline, Plan, Target, plan
from mlci.plan.thresholds import bounds
from mlci.stage.models import CodeUnit, Staged, StagedFile
from mlci.step_types.script_start import ScriptStart
from mlci_asl import TaskCall, TaskError
from support.compiled_flows import kept_definition
from support.examples import examples
from support.executions import Run, ScriptedHandlers, run

FLOW = """
flow: folds
defaults: {image: "mine.example/image:7"}
steps:
  split: {uses: processing, run: a.py, outputs: [data]}
  train:
    uses: training
    run: a.py
    matrix: {fold: [1, 2, 3]}
    inputs: {data: "${{ steps.split.outputs.data }}"}
    hyperparameters: {fold: "${{ matrix.fold }}"}
  score:
    uses: processing
    run: a.py
    matrix: {fold: [1, 2, 3]}
    inputs: {model: "${{ steps.train.outputs.model }}"}
    outputs: [out]
    metrics: out/metrics.json
  sum: {uses: processing, run: a.py, inputs: {all: "${{ steps.score.outputs.out }}"}}
  other: {uses: processing, run: a.py, after: split}
"""


def planned(text: str, gate: tuple[Rule, ...] | None = None, baseline: Mapping[str, Json] | None = None) -> Plan:
    flow = load(text.encode(), "flow.yaml", {}, {})
    flow = flow if gate is None else replace(flow, gate=gate)
    files = (StagedFile("a.py", "0" * 64, 0, Path("a.py"), b""),)
    staged = Staged(
        {name: CodeUnit(ScriptStart({"script": "a.py"}), files, files) for name in flow.steps},
        {},
        dict.fromkeys(flow.steps, "mine:7"),
    )
    target = Target("bucket", "arn:aws:iam::000000000000:role/r", "20261123-101530-3f9c2a")
    return plan(flow, staged, target, Baseline(baseline or {}))


@dataclass
class Handlers(ScriptedHandlers):
    """Jobs that succeed, but those whose names hold one of `failing`, and a store of metrics files by a part of the
    key."""

    failing: tuple[str, ...] = ()
    bodies: Mapping[str, str] = field(default_factory=dict)

    def supports(self, resource: str) -> bool:
        return True

    def __call__(self, task: TaskCall) -> Json:
        self.calls.append(task)
        parameters: Any = task.parameters
        if "Key" in parameters and "CopySource" not in parameters:
            return {"Body": next(body for part, body in self.bodies.items() if part in parameters["Key"])}
        name = parameters.get("TrainingJobName") or parameters.get("ProcessingJobName") or ""
        if any(part in name for part in self.failing):
            raise TaskError("States.TaskFailed", "{}")
        return dict(parameters)

    @property
    def jobs(self) -> set[str]:
        names = [call.parameters.get(f"{kind}JobName") for call in self.calls for kind in ("Training", "Processing")]  # type: ignore[union-attr]
        return {str(name).split("--", 1)[1].split("-2026")[0] for name in names if name}


def execute(of: Plan, handlers: Handlers) -> Run:
    compiled = compile_plan(of, kept_definition)
    return run(compiled.definition, json.loads(compiled.execution_input), handlers=handlers)


def compiled(text: str) -> tuple[dict[str, Any], dict[str, Any]]:
    made = compile_plan(planned(text), kept_definition)
    return json.loads(made.definition), json.loads(made.execution_input)


def states(machine: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, state in machine["States"].items():
        found[name] = state
        for inner in (*state.get("Branches", ()), *([state["ItemProcessor"]] if "ItemProcessor" in state else ())):
            found.update(states(inner))
    return found


def test_the_definition_does_not_grow_with_the_cells() -> None:
    few, _ = compiled(FLOW)
    many, _ = compiled(FLOW.replace("[1, 2, 3]", str(list(range(50)))))
    assert {**few, "TimeoutSeconds": 0} == {**many, "TimeoutSeconds": 0}


def test_steps_of_the_same_cells_that_follow_each_other_share_a_map() -> None:
    machine, values = compiled(FLOW)
    found = states(machine)
    assert [name for name, state in found.items() if state["Type"] == "Map" and "each cell" in name] == [
        "each cell: train, score"
    ]
    group = values["cells"]["train"]
    assert len(group["items"]) == 3
    assert group["max_parallel"] == 0
    shared = group["shared"]["train"]["request"]
    assert "RoleArn" in shared
    assert "HyperParameters" not in shared
    assert set(group["items"][0]["train"]["request"]).isdisjoint(shared)


def test_the_values_of_each_cell_can_be_read_from_the_input() -> None:
    of = planned(FLOW)
    _, values = compiled(FLOW)
    found = step_inputs(values)
    for name, step in of.steps.items():
        assert found[name]["request"] == step.request


def test_every_cell_runs_under_a_name_of_its_own_with_its_own_request() -> None:
    handlers = Handlers()
    outcome = execute(planned(FLOW), handlers)
    assert outcome.types[-1] == "ExecutionSucceeded"
    assert handlers.jobs == {
        "split", "other", "sum", *(f"{step}--{cell}" for step in ("train", "score") for cell in range(3))
    }  # fmt: skip
    sent: list[Any] = [call.parameters for call in handlers.calls if call.state == "train"]
    assert {json.loads(request["HyperParameters"]["fold"]) for request in sent} == {1, 2, 3}
    assert all(request["RoleArn"] for request in sent)


def test_a_failed_cell_stops_the_run_by_default() -> None:
    handlers = Handlers(failing=("train--1",))
    outcome = execute(planned(FLOW), handlers)
    assert outcome.types[-1] == "ExecutionFailed"
    assert "sum" not in handlers.jobs


def test_without_fail_fast_the_other_cells_and_the_steps_beside_go_on_and_the_run_fails() -> None:
    text = FLOW.replace("    matrix:", "    fail_fast: false\n    matrix:", 1)
    handlers = Handlers(failing=("train--1",))
    outcome = execute(planned(text), handlers)
    assert outcome.types[-1] == "ExecutionFailed"
    assert handlers.jobs == {"split", "other", "train--0", "train--1", "train--2", "score--0", "score--2"}
    assert outcome.outcome.error == "mlci.StepFailed"


def test_without_fail_fast_a_step_without_a_matrix_leaves_those_beside_it_running() -> None:
    text = """
flow: beside
defaults: {image: "mine.example/image:7", fail_fast: false}
steps:
  a: {uses: processing, run: a.py}
  after_a: {uses: processing, run: a.py, after: a}
  b: {uses: processing, run: a.py}
  after_b: {uses: processing, run: a.py, after: b}
  last: {uses: processing, run: a.py, after: [after_a, after_b]}
"""
    handlers = Handlers(failing=("--a-",))
    outcome = execute(planned(text), handlers)
    assert outcome.types[-1] == "ExecutionFailed"
    assert handlers.jobs >= {"a", "b"}
    assert not any(job.startswith(("after-a", "last")) for job in handlers.jobs)
    assert any(job.startswith("after-b") for job in handlers.jobs)


CONDITIONAL = """
flow: folds
defaults: {image: "mine.example/image:7"}
steps:
  probe: {uses: processing, run: a.py, matrix: {fold: [1, 2, 3]}, outputs: [out], metrics: out/metrics.json}
  train:
    uses: processing
    run: a.py
    matrix: {fold: [1, 2, 3]}
    if: [{metric: probe.drift, min: 0.5}]
  late: {uses: processing, run: a.py, after: train}
"""


@pytest.mark.parametrize(
    ("drift", "jobs"),
    [
        ((1, 0, 1), {"train--0", "train--2"}),
        ((1, 1, 1), {"train--0", "train--1", "train--2", "late"}),
        ((0, 0, 0), set()),
    ],
)
def test_an_if_on_the_own_cell_decides_about_that_cell_and_what_needs_all_cells_runs_if_it_holds_in_each(
    drift: tuple[int, ...], jobs: set[str]
) -> None:
    bodies = {f"fold={cell}/": json.dumps({"drift": value}) for cell, value in enumerate(drift, 1)}
    handlers = Handlers(bodies=bodies)
    outcome = execute(planned(CONDITIONAL), handlers)
    assert outcome.types[-1] == "ExecutionSucceeded"
    assert {job for job in handlers.jobs if not job.startswith("probe")} == jobs


numbers = st.floats(-2, 2) | st.integers(-2, 2) | st.booleans() | st.none()


@pytest.mark.slow
@given(
    st.lists(numbers, min_size=3, max_size=3),
    st.sampled_from([None, *get_args(Aggregate)]),
    st.sampled_from(["min", "max"]),
    st.floats(-1, 1) | st.integers(-1, 1),
)
@settings(max_examples=examples(30), deadline=None)
def test_the_state_machine_and_mlci_judge_cells_alike(
    values: list[Json], aggregate: Aggregate | None, op: Op, limit: float
) -> None:
    names = tuple(f"score(fold={cell})" for cell in (1, 2, 3))
    rules = (
        (Rule("score", ("r2",), op, limit, aggregate=aggregate, cells=names),)
        if aggregate
        else tuple(Rule(name, ("r2",), op, limit) for name in names)
    )
    bodies = {f"fold={cell}/": json.dumps({"r2": value}) for cell, value in enumerate(values, 1)}
    metrics = {name: parse_metrics(body.encode()) for name, body in zip(names, bodies.values(), strict=True)}
    verdict = judge(bounds(rules, {}), metrics)
    outcome = execute(planned(FLOW, rules), Handlers(bodies=bodies))
    is_held = outcome.types[-1] == "ExecutionSucceeded"
    is_rounded = aggregate in ("mean", "std") and abs(verdict.rules[0].margin or 1) < 1e-9
    assert is_held is verdict.held or (is_held and is_rounded), [judged.text for judged in verdict.rules]


def test_a_drop_of_an_aggregate_is_measured_by_the_cells_of_the_baseline() -> None:
    rule = Rule("score", ("r2",), "max_drop", 0.1, aggregate="mean", cells=("score(fold=1)",))
    baseline: dict[str, Json] = {"score(fold=1)": {"r2": 0.5}, "score(fold=2)": {"r2": 0.7}, "other": {"r2": 9}}
    assert bounds([rule], baseline)[0].threshold == pytest.approx(0.5)
    assert bounds([rule], {"score(fold=1)": {}})[0].threshold is None


SELECTING = (
    FLOW
    + """
  best:
    uses: processing
    run: a.py
    inputs:
      model: {from: "${{ steps.train.outputs.model }}", select: {metric: score.r2, best: max}}
      data: "${{ steps.split.outputs.data }}"
"""
)


@pytest.mark.parametrize(
    ("best", "values", "fold"),
    [
        ("max", (0.1, 0.5, 0.3), 2),
        ("min", (0.1, 0.5, 0.3), 1),
        ("max", (0.5, 0.5, 0.5), 1),
        ("max", (None, "x", -1), 3),
        ("max", (True, 0.5, False), 1),
        ("min", (3, 2, 1), 3),
        ("max", (None, None, None), None),
    ],
)
def test_the_best_cell_is_read(best: str, values: tuple[Json, ...], fold: int | None) -> None:
    bodies = {f"fold={cell}/": json.dumps({"r2": value}) for cell, value in enumerate(values, 1)}
    handlers = Handlers(bodies=bodies)
    outcome = execute(planned(SELECTING.replace("best: max", f"best: {best}")), handlers)
    requests: list[Any] = [call.parameters for call in handlers.calls if call.state == "best"]
    if fold is None:
        assert requests == []
        assert (outcome.outcome.error, outcome.outcome.cause) == (
            "mlci.StepFailed",
            'best: no cell to choose model from: "select" compares metrics.r2, which is a number in no cell',
        )
        return
    assert outcome.types[-1] == "ExecutionSucceeded"
    (request,) = requests
    uris = {each["InputName"]: each["S3Input"]["S3Uri"] for each in request["ProcessingInputs"]}
    assert uris["model"].endswith(f"/train/model/fold={fold}/")
    assert uris["data"].endswith("/split/data/")


def test_each_cell_of_fewer_keys_reads_the_best_of_its_own() -> None:
    text = SELECTING.replace("matrix: {fold: [1, 2, 3]}", "matrix: {fold: [1, 2], depth: [3, 6]}").replace(
        "  best:\n", "  best:\n    matrix: {fold: [1, 2]}\n"
    )
    scores = {(1, 3): 0.9, (1, 6): 0.1, (2, 3): 0.2, (2, 6): 0.4}
    bodies = {f"fold={fold}/depth={depth}/": json.dumps({"r2": score}) for (fold, depth), score in scores.items()}
    handlers = Handlers(bodies=bodies)
    assert execute(planned(text), handlers).types[-1] == "ExecutionSucceeded"
    requests: list[Any] = [call.parameters for call in handlers.calls if call.state == "best"]
    uris = {each["S3Input"]["S3Uri"] for request in requests for each in request["ProcessingInputs"]}
    assert {uri.partition("/train/model/")[2] for uri in uris} - {""} == {"fold=1/depth=3/", "fold=2/depth=6/"}


def test_cells_whose_requests_are_too_large_together_are_refused_at_their_matrix() -> None:
    text = FLOW.replace("[1, 2, 3]", str(list(range(250)))).replace(
        'hyperparameters: {fold: "${{ matrix.fold }}"}',
        f'hyperparameters: {{fold: "${{{{ matrix.fold }}}}-{"x" * 2000}"}}',
    )
    with pytest.raises(InputError) as caught:
        compile_plan(planned(text), kept_definition)
    (problem,) = caught.value.problems
    assert (problem.line, problem.column) == (9, 13), str(problem)
    assert 'the request of step "train" has' in problem.what
    assert "The 250 cells of this matrix take them" in problem.hint


_MATRICES = st.sampled_from([None, "{fold: [1, 2]}", "{fold: [1, 2], depth: [3, 6]}", "{depth: [3, 6]}"])
_STEP = st.tuples(_MATRICES, st.booleans(), st.sets(st.integers(0, 3), max_size=2))


@pytest.mark.slow
@given(st.lists(_STEP, min_size=2, max_size=5))
@settings(max_examples=examples(15), deadline=None)
def test_every_cell_runs_once_and_after_all_that_it_waits_for(
    steps: list[tuple[str | None, bool, set[int]]],
) -> None:
    text = 'flow: any\ndefaults: {image: "mine.example/image:7"}\nsteps:\n'
    for index, (matrix, fail_fast, before) in enumerate(steps):
        keys = [f"matrix: {matrix}"] if matrix else []
        after = ", ".join(f"s{other}" for other in sorted(before) if other < index)
        keys += [f"fail_fast: {str(fail_fast).lower()}", f"after: [{after}]"]
        text += f"  s{index}: {{uses: processing, run: a.py, {', '.join(keys)}}}\n"
    of = planned(text)
    handlers = Handlers()
    assert execute(of, handlers).types[-1] == "ExecutionSucceeded"
    names = [str(call.parameters["ProcessingJobName"]).rsplit("-", 2)[0] for call in handlers.calls]  # type: ignore[index,call-overload]
    assert sorted(names) == sorted(step.job or "" for step in of.steps.values())
    order = {name: names.index(step.job or "") for name, step in of.steps.items()}
    for name, before_it in dependencies(of.flow).items():
        assert all(order[other] < order[name] for other in before_it)
