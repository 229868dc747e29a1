"""The metrics of a step as the starter gets them: folders relative to the code's."""

from __future__ import annotations

from typing import Literal

import pytest

from mlci.flow.models import Json, MetricDefinition, MetricsFiles, Step
from mlci.stage.start_metrics import metrics_feature
from mlci.step_types import STEP_TYPES

Root = Literal["outputs", "container", "working_dir"]


def feature(uses: str, *files: MetricsFiles, **more: object) -> dict[str, Json]:
    step = Step("s", uses, metrics=files, **more)  # type: ignore[arg-type]
    container = STEP_TYPES[uses].container
    assert container is not None
    return metrics_feature(step, container)


@pytest.mark.parametrize(
    ("uses", "root", "pattern", "entry"),
    [
        ("processing", "outputs", "out/a.json", {"pattern": "out/a.json", "root": "../../output"}),
        ("training", "outputs", "model/a.json", {"pattern": "model/a.json", "root": ".."}),
        ("training", "container", "output/data/*", {"pattern": "output/data/*", "root": "..", "prefix": "/opt/ml/"}),
        (
            "processing",
            "container",
            "processing/x/a.csv",
            {"pattern": "processing/x/a.csv", "root": "../../..", "prefix": "/opt/ml/"},
        ),
        ("training", "working_dir", "a/b.yaml", {"pattern": "a/b.yaml"}),
        ("processing", "outputs", "reports/a/b.json", {"pattern": "results/new/a/b.json"}),
        ("processing", "outputs", "scores/s.csv", {"pattern": "results/s.csv"}),
    ],
)
def test_files_are_where_the_starter_finds_them(uses: str, root: Root, pattern: str, entry: Json) -> None:
    written = {"reports": "results/new", "scores": "results/s.csv"}
    assert feature(uses, MetricsFiles(pattern, root), output_paths=written)["files"] == [entry]


def test_names_and_definitions_are_those_of_the_flow() -> None:
    definitions = (MetricDefinition("loss", "loss=(.*)"),)
    made = feature("training", MetricsFiles("a.json", "working_dir", "train"), metric_definitions=definitions)
    assert made == {
        "files": [{"pattern": "a.json", "name": "train"}],
        "definitions": [{"name": "loss", "regex": "loss=(.*)"}],
        "target": "../mlci-metrics",
    }
    assert feature("processing")["target"] == "../../mlci-metrics"
