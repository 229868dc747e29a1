"""Metrics of every source: the same verdict on the local cloud and on AWS, as `mlci serve` is."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support.aws_account import Account, account
from support.project import Project

TRAIN = """
import json, os, pathlib
pathlib.Path(os.environ["SM_MODEL_DIR"], "model.json").write_text("{}")
pathlib.Path("reports").mkdir()
folds = '[{"auc": 0.90}, {"auc": 0.1000000000000000000001}]'
pathlib.Path("reports/metrics.json").write_text('{"folds": ' + folds + ', "ok": true}')
pathlib.Path(os.environ["SM_OUTPUT_DATA_DIR"], "row.csv").write_text("name,f1.macro\\nforest,0.75\\n")
for epoch in range(3):
    print(f"epoch {epoch} val:loss={1 / (epoch + 2)};", flush=True)
"""
EVALUATE = """
import pathlib
for name in ("a", "b"):
    pathlib.Path(f"/opt/ml/processing/output/scores/{name}.yaml").write_text(f"{name}: {{recall: 1e-1}}\\n")
print("seen 12 rows")
"""
FLOW = """
flow: metrics
defaults: {image: "mine.example/image:7", timeout: 5m}
steps:
  train:
    uses: training
    run: src/train.py
    metrics: [reports/metrics.json, /opt/ml/output/data/row.csv]
    metric_definitions: [{name: "val:loss", regex: 'val:loss=(.*?);'}]
  evaluate:
    uses: processing
    run: src/evaluate.py
    outputs: [scores]
    metrics: {by: scores/*.yaml}
    metric_definitions: [{name: rows, regex: 'seen ([0-9]+) rows'}]
  after:
    uses: processing
    run: src/after.py
    if: [{metric: train.ok, min: 1}, {metric: 'train["f1.macro"]', min: 0.75}]
gate:
  - {metric: 'train.folds[0].auc', min: 0.9}
  - {metric: 'train.folds[1].auc', min: 0.1}
  - {metric: train.val:loss, max: 0.25}
  - {metric: evaluate.by.b.recall, min: 0.1}
  - {metric: evaluate.rows, min: 12, max: 12}
"""
EXPECTED = {
    "train": {
        "folds": [{"auc": 0.9}, {"auc": 0.1}],
        "ok": True,
        "name": "forest",
        "f1.macro": 0.75,
        "val:loss": 0.25,
    },
    "evaluate": {"by": {"a": {"recall": 0.1}, "b": {"recall": 0.1}}, "rows": 12},
}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    with account(tmp_path_factory.mktemp("served"), "models") as made:
        yield made


@pytest.fixture(params=["local", pytest.param("aws", marks=pytest.mark.slow)])
def cloud(request: pytest.FixtureRequest) -> dict[str, str]:
    if request.param == "local":
        return {}
    served: Account = request.getfixturevalue("served")
    return served.environment


def write(project: Project, flow: str = FLOW, train: str = TRAIN) -> None:
    project.write("flow.yaml", flow)
    project.write("src/train.py", train)
    project.write("src/evaluate.py", EVALUATE)
    project.write("src/after.py", "print('after')")


def test_files_and_lines_are_metrics_of_a_training_and_of_a_processing_step(
    project: Project, cloud: dict[str, str]
) -> None:
    write(project)
    done = project.mlci("run", **cloud)
    assert done.returncode == 0, done.stdout + done.stderr
    result = project.result()
    assert result["metrics"] == EXPECTED
    assert {name: step["status"] for name, step in result["steps"].items()} == dict.fromkeys(
        ["train", "evaluate", "after"], "succeeded"
    )
    assert all(rule["held"] for rule in result["rules"])


def test_what_is_missing_names_what_is_there(project: Project, cloud: dict[str, str]) -> None:
    flow = FLOW.replace("reports/metrics.json", "reports/metric.json").replace(
        "evaluate.by.b.recall", "evaluate.by.b.recal"
    )
    write(project, flow)
    done = project.mlci("run", "--fresh", **cloud)
    assert done.returncode == 1, done.stdout + done.stderr
    result = project.result()
    texts = {rule["metric"]: rule["text"] for rule in result["rules"]}
    assert texts["train.folds[0].auc"] == (
        'train.folds[0].auc can\'t be judged: the metrics of "train" are missing: there is no file '
        "reports/metric.json; did you mean reports/metrics.json? There are in reports: reports/metrics.json"
    )
    assert texts["evaluate.by.b.recal"] == (
        "evaluate.by.b.recal is missing from the metrics; did you mean evaluate.by.b.recall? "
        "There are: evaluate.by.a.recall, evaluate.by.b.recall, evaluate.rows"
    )
    assert {name: step["status"] for name, step in result["steps"].items()} == {
        "train": "succeeded",
        "evaluate": "succeeded",
        "after": "skipped",
    }
    assert "mlci: the metrics are missing: there is no file reports/metric.json" in project.latest("logs/train.log")
