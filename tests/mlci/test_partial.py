"""Outputs that a partial run takes: from which run, or that none has them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from mlci.errors import InputError
from mlci.flow import load
from mlci.flow.part import Part
from mlci.partial import PartialRun, PartialRunPlanner
from mlci.plan import NO_BASELINE, Target
from mlci.runs.earlier_runs import EarlierRun, earlier_runs
from mlci.runs.run_folder import Runs

STARTED = datetime(2026, 11, 23, 10, 15, 30, tzinfo=timezone.utc)
TEXT = """
flow: small
defaults: {image: "mine.example/image:7"}
steps:
  prepare: {uses: processing, run: a.py, outputs: [train, test]}
  train: {uses: training, run: a.py, inputs: {data: "${{ steps.prepare.outputs.train }}"}}
  evaluate:
    uses: processing
    run: a.py
    inputs: {model: "${{ steps.train.outputs.model }}", test: "${{ steps.prepare.outputs.test }}"}
    outputs: [out]
    metrics: out/m.json
  tell: {uses: processing, run: a.py, if: [{metric: evaluate.auc, min: 0.9}], outputs: [text]}
  send: {uses: processing, run: a.py, inputs: {text: "${{ steps.tell.outputs.text }}"}}
gate: [{metric: evaluate.auc, min: 0.5}]
"""
FLOW = load(TEXT.encode(), "flow.yaml", {}, {})
OLD, NEW = "20261122-101530-aaaaaa", "20261123-101530-bbbbbb"


def run(
    tmp_path: Path, run_id: str, auc: float = 0.95, cells: Mapping[str, str] | None = None, **steps: str
) -> EarlierRun:
    states = {name: {"status": status, "seconds": 1.0} for name, status in {**(cells or {}), **steps}.items()}
    metrics = {"evaluate": {"auc": auc}}
    result = {"flow": "small", "cloud": "local", "started": STARTED.isoformat(), "steps": states, "metrics": metrics}
    return EarlierRun(Runs(tmp_path).folder(run_id), result, STARTED)  # type: ignore[arg-type]


def plan(part: Part, *earlier: EarlierRun, empty: str = "nothing") -> PartialRun:
    planner = PartialRunPlanner(
        target=Target("bucket", "role", "20261201-000000-cccccc"),
        baseline=NO_BASELINE,
        earlier=earlier,
        is_empty=lambda uri: empty in uri,
        whole=lambda: None,
        now=STARTED + timedelta(hours=2),
        command="mlci run --cloud aws",
    )
    return planner.plan(FLOW, part)


def test_each_step_is_taken_from_the_newest_run_that_has_it(tmp_path: Path) -> None:
    newer = run(tmp_path, NEW, prepare="succeeded", train="failed")
    older = run(tmp_path, OLD, prepare="succeeded", train="reused")
    partial = plan(Part(only=("evaluate",)), newer, older)
    assert partial.taken_runs == {"prepare": NEW, "train": OLD}
    assert partial.outputs["prepare", "test"] == f"s3://bucket/mlci/small/runs/{NEW}/prepare/test/"
    assert partial.outputs["train", "model"] == f"s3://bucket/mlci/small/runs/{OLD}/train/model/"
    assert (tuple(partial.flow.steps), partial.flow.gate) == (("evaluate",), ())
    assert f"train: taken from run {OLD}, 2 h old" in [
        message.replace("1 h 60 min", "2 h") for message in partial.messages
    ]


def test_only_the_outputs_that_are_read_need_to_be_there(tmp_path: Path) -> None:
    newer, older = (run(tmp_path, name, prepare="succeeded", train="succeeded") for name in (NEW, OLD))
    assert plan(Part(only=("train",)), newer, older, empty=f"{NEW}/prepare/test").taken_runs == {"prepare": NEW}
    assert plan(Part(only=("train",)), newer, older, empty=f"{NEW}/prepare/train").taken_runs == {"prepare": OLD}


def test_what_no_run_has_is_named_with_the_command_that_makes_it(tmp_path: Path) -> None:
    with pytest.raises(InputError) as refused:
        plan(Part(only=("evaluate",)), run(tmp_path, NEW, prepare="succeeded"), empty="/prepare/test")
    first = "which is needed. Run that first: mlci run --cloud aws --until"
    assert sorted(str(refused.value).splitlines()) == [
        f'no earlier run has "model" of step "train", {first} train',
        f'no earlier run has "test" of step "prepare", {first} prepare',
    ]
    assert plan(Part(last="evaluate")).taken == {}


def test_a_condition_is_judged_by_the_metrics_of_the_earlier_run(tmp_path: Path) -> None:
    held = plan(Part(first="tell"), run(tmp_path, NEW, evaluate="succeeded"))
    assert [(name, step.when) for name, step in held.flow.steps.items()] == [("tell", ()), ("send", ())]
    with pytest.raises(InputError, match=r'step "tell" would be skipped: evaluate.auc 0.5 ≥ 0.9 is missed by 0.4'):
        plan(Part(only=("tell",)), run(tmp_path, NEW, 0.5, evaluate="succeeded"))
    left_out = plan(Part(only=("tell", "evaluate")), run(tmp_path, NEW, prepare="succeeded", train="succeeded"))
    assert len(left_out.flow.steps["tell"].when) == 1  # evaluate runs now, so that the state machine judges
    with pytest.raises(InputError, match=r"no earlier run has step \"evaluate\", which is needed"):
        plan(Part(only=("tell",)), run(tmp_path, NEW, evaluate="failed"))


def test_runs_of_other_flows_and_clouds_and_damaged_ones_are_passed_over(tmp_path: Path) -> None:
    runs = Runs(tmp_path)
    base = {"schema": 1, "status": "passed", "started": STARTED.isoformat(), "seconds": 1, "rules": [], "steps": {}}
    texts = {
        "4": json.dumps({**base, "flow": "small", "cloud": "local"}),
        "3": json.dumps({**base, "flow": "other", "cloud": "local"}),
        "2": json.dumps({**base, "flow": "small", "cloud": "aws"}),
        "1": "damaged",
    }
    for name, text in texts.items():
        runs.folder(name).path.mkdir(parents=True)
        (runs.folder(name).path / "result.json").write_text(text)
    runs.folder("0").path.mkdir()
    found = earlier_runs(runs.folder("5").siblings(), "small", "local")
    assert [run.run_id for run in found] == ["4"]


FOLDS = load(
    b"""
flow: small
defaults: {image: "mine.example/image:7"}
steps:
  train: {uses: training, run: a.py, matrix: {fold: [0, 1]}}
  test:
    uses: processing
    run: a.py
    matrix: {fold: [0, 1]}
    inputs: {model: "${{ steps.train.outputs.model }}"}
    outputs: [out]
  gather: {uses: processing, run: a.py, inputs: {all: "${{ steps.test.outputs.out }}"}}
""",
    "flow.yaml",
    {},
    {},
)


def plan_folds(part: Part, *earlier: EarlierRun) -> PartialRun:
    target = Target("bucket", "role", "20261201-000000-cccccc")
    return PartialRunPlanner(target, NO_BASELINE, earlier, lambda uri: False, lambda: None, STARTED).plan(FOLDS, part)


def test_the_cells_of_a_matrix_are_run_together_and_taken_from_one_run(tmp_path: Path) -> None:
    cells = {"train(fold=0)": "succeeded", "train(fold=1)": "succeeded"}
    newer = run(tmp_path, NEW, cells={**cells, "train(fold=1)": "failed"})
    older = run(tmp_path, OLD, cells=cells)
    partial = plan_folds(Part(only=("test",)), newer, older)
    assert partial.taken_runs == {"train": OLD}
    assert list(partial.flow.steps) == ["test(fold=0)", "test(fold=1)"]
    assert list(partial.flow.matrices) == ["test"]
    uri = f"s3://bucket/mlci/small/runs/{OLD}/train/model/fold="
    assert partial.outputs == {(f"train(fold={fold})", "model"): f"{uri}{fold}/" for fold in range(2)}
    tests = {name.replace("train", "test"): status for name, status in cells.items()}
    gathered = plan_folds(Part(first="gather"), run(tmp_path, NEW, cells=tests))
    assert (gathered.taken_runs, list(gathered.flow.steps)) == ({"test": NEW}, ["gather"])


def test_a_single_cell_is_no_part(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r'"train\(fold=1\)" is a cell of a matrix, .*Name the step: "train"\.'):
        plan_folds(Part(only=("train(fold=1)",)))
