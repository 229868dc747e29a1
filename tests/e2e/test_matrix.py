"""Five folds by a matrix, run by the real command: results, a cell that fails, the best cell, and the aws cloud."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from support.aws_account import Account, account
from support.project import Project

SCRIPTS = {
    "train": """
import argparse, json, os
parser = argparse.ArgumentParser()
for name in ("--fold", "--fail"):
    parser.add_argument(name, type=int)
options = parser.parse_args()
print("threads", os.environ.get("OMP_NUM_THREADS"))
if options.fold == options.fail:
    raise SystemExit(f"fold {options.fold} is bad")
json.dump({"fold": options.fold}, open(os.environ["SM_MODEL_DIR"] + "/m.json", "w"))
""",
    "score": """
import json, sys, tarfile
model = json.load(tarfile.open("/opt/ml/processing/input/model/model.tar.gz").extractfile("m.json"))
assert model == {"fold": int(sys.argv[1])}, model
json.dump({"r2": 1 - abs(model["fold"] - 3) / 10}, open("/opt/ml/processing/output/evaluation/metrics.json", "w"))
""",
    "summary": """
import glob, json
files = sorted(glob.glob("/opt/ml/processing/input/scores/fold=*/metrics.json"))
values = [json.load(open(file))["r2"] for file in files]
json.dump({"folds": len(values), "mean": sum(values) / 5}, open("/opt/ml/processing/output/report/metrics.json", "w"))
""",
    "publish": """
import json, tarfile
model = json.load(tarfile.open("/opt/ml/processing/input/model/model.tar.gz").extractfile("m.json"))
print("published", model["fold"])
""",
}
FLOW = """
flow: folds
params: {fail: 0}
x-step: &step {uses: processing, image: "mine.example/image:7"}
x-folds: &folds {fold: [1, 2, 3, 4, 5]}
steps:
  train:
    uses: training
    image: mine.example/image:7
    run: train.py
    matrix: *folds
    hyperparameters: {fold: "${{ matrix.fold }}", fail: "${{ params.fail }}"}
  score:
    <<: *step
    run: score.py
    matrix: *folds
    inputs: {model: "${{ steps.train.outputs.model }}"}
    args: ["${{ matrix.fold }}"]
    outputs: [evaluation]
    metrics: evaluation/metrics.json
  summary:
    <<: *step
    run: summary.py
    inputs: {scores: "${{ steps.score.outputs.evaluation }}"}
    outputs: [report]
    metrics: report/metrics.json
  publish:
    <<: *step
    run: publish.py
    after: gate
    inputs: {model: {from: "${{ steps.train.outputs.model }}", select: {metric: score.r2, best: max}}}
gate:
  - {metric: score.r2, min: 0.8}
  - {metric: score.r2, aggregate: mean, min: 0.88}
  - {metric: score.r2, aggregate: std, max: 0.1}
  - {metric: summary.folds, min: 5}
"""
FOLDS = range(1, 6)


def write(project: Project, flow: str = FLOW) -> Project:
    for name, script in SCRIPTS.items():
        project.write(f"{name}.py", script)
    project.write("flow.yaml", flow)
    return project


@pytest.fixture(scope="module")
def folds(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A repository whose five folds ran once, and passed."""
    project = write(Project(tmp_path_factory.mktemp("folds")))
    done = project.mlci("run")
    assert done.returncode == 0, done.stdout + done.stderr
    return project


def passed(result: dict[str, Any]) -> None:
    """Assert what a run of all folds says, on any cloud."""
    cells = [f"{step}(fold={fold})" for step in ("train", "score") for fold in FOLDS]
    assert {name: step["status"] for name, step in result["steps"].items()} == dict.fromkeys(
        [*cells, "summary", "publish"], "succeeded"
    )
    assert len({result["steps"][cell]["job"] for cell in cells}) == 10
    assert [(rule["metric"], rule["held"]) for rule in result["rules"]] == [
        *((f"score(fold={fold}).r2", True) for fold in FOLDS),
        ("mean(score.r2)", True),
        ("std(score.r2)", True),
        ("summary.folds", True),
    ]
    assert result["chosen"] == {"publish.model": "train(fold=3)"}
    assert result["rules"][5]["value"] == pytest.approx(0.88)


def test_a_cell_is_a_step_in_the_result_and_a_rule_has_an_entry_for_each(folds: Project) -> None:
    passed(folds.result())


def test_each_cell_has_its_log_and_the_best_is_published(folds: Project) -> None:
    for fold in FOLDS:
        assert folds.latest(f"logs/train(fold={fold}).log").startswith("threads ")
    assert folds.latest("logs/publish.log") == "published 3\n"
    shown = folds.mlci("logs", "train(fold=4)")
    assert shown.returncode == 0
    assert shown.stdout.startswith("threads ")


def test_the_reports_and_the_graph_know_the_cells(folds: Project) -> None:
    names = [case.get("name") for case in ElementTree.fromstring(folds.latest("junit.xml")).iter("testcase")]
    assert "train(fold=5)" in names
    assert "score(fold=5).r2 min" in names
    assert "train\\(fold=5\\)" in folds.latest("report.md") or "train(fold=5)" in folds.latest("report.md")
    graph = folds.mlci("graph").stdout
    assert graph.count('"train<br') == 1
    assert "5 cells" in graph


def test_the_definition_holds_one_map_and_the_input_the_cells(folds: Project) -> None:
    machine = json.loads(folds.latest("definition.json"))
    maps = [name for name, state in machine["States"].items() if name.startswith("each cell: ")]
    assert maps == ["each cell: train, score"]
    assert len(json.loads(folds.latest("input.json"))["cells"]["train"]["items"]) == 5


def test_plan_lists_a_step_once_with_its_cells(folds: Project) -> None:
    plan = folds.mlci("plan", "--fresh")
    assert plan.returncode == 0, plan.stderr
    assert "train    5 cells (at most" in plan.stdout or "train    5 cells, " in plan.stdout
    assert "fold=1, fold=2, fold=3, fold=4, fold=5" in plan.stdout
    assert "score.r2 ≥ 0.8 (min), in each of 5 cells" in plan.stdout


def test_a_failed_fold_stops_the_run_or_leaves_the_others_running(tmp_path: Path) -> None:
    project = write(
        Project(tmp_path), FLOW.replace("    matrix: *folds", "    fail_fast: false\n    matrix: *folds", 1)
    )
    done = project.mlci("run", "--param", "fail=2")
    assert done.returncode == 3, done.stdout + done.stderr
    steps = {name: step["status"] for name, step in project.result()["steps"].items()}
    assert steps.pop("train(fold=2)") == "failed"
    assert steps.pop("score(fold=2)") == "skipped"
    assert (steps.pop("summary"), steps.pop("publish")) == ("skipped", "skipped")
    assert set(steps.values()) == {"succeeded"}
    assert "fold 2 is bad" in project.result()["reason"]
    write(project, FLOW.replace("    matrix: *folds", "    max_parallel: 1\n    matrix: *folds", 1))
    done = project.mlci("run", "--fresh", "--param", "fail=2")
    assert done.returncode == 3, done.stdout + done.stderr
    steps = {name: step["status"] for name, step in project.result()["steps"].items()}
    assert steps["train(fold=1)"] == "succeeded"
    assert steps["train(fold=3)"] == "skipped"


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("min: 0.88", "min: 0.89", "mean(score.r2) 0.88 ≥ 0.89 is missed by 0.01"),
        ("min: 0.8}", "min: 0.9}", "score(fold=1).r2 0.8 ≥ 0.9 is missed by 0.1"),
    ],
)
def test_a_rule_that_a_cell_or_the_mean_misses_publishes_nothing(
    folds: Project, tmp_path: Path, old: str, new: str, problem: str
) -> None:
    project = write(Project(tmp_path), FLOW.replace(old, new, 1))
    done = project.mlci("run")
    assert done.returncode == 1, done.stdout + done.stderr
    assert problem in done.stdout
    assert project.result()["steps"]["publish"]["status"] == "skipped"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    with account(tmp_path_factory.mktemp("served"), "models") as made:
        yield made


@pytest.mark.slow
def test_the_aws_cloud_comes_to_the_same(served: Account, tmp_path: Path) -> None:
    project = write(Project(tmp_path))
    done = project.mlci("run", **served.environment)
    assert done.returncode == 0, done.stdout + done.stderr
    passed(project.result())
    assert "published 3" in project.latest("logs/publish.log")
    failed = project.mlci("run", "--param", "fail=2", **served.environment)
    assert failed.returncode == 3, failed.stdout + failed.stderr
    assert project.result()["steps"]["train(fold=2)"]["status"] == "failed"
