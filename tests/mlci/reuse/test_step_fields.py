"""Each field of a step either counts in its key, or is known not to: a new field has to be decided about."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from mlci.flow.models import (
    Cell,
    Flow,
    MetricDefinition,
    MetricsFiles,
    RepositoryPath,
    Reuse,
    Rule,
    SecretValue,
    Selection,
    Step,
)
from mlci.plan import Plan, Target
from mlci.plan.models import PlannedStep
from mlci.reuse.step_keys import step_keys
from mlci.stage.models import DataUnit, StagedFile

STEP = Step("a", "processing", inputs={"x": RepositoryPath("x.csv")}, env={"A": ("1",)})
#: A value of each field that is not the step's.
COUNTED: dict[str, Any] = {
    "uses": "training",
    "instance_count": 2,
    "inputs": {"y": RepositoryPath("x.csv")},
    "content_types": {"x": "text/csv"},
    "outputs": ("o",),
    "args": (("-v",),),
    "hyperparameters": {"depth": 4},
    "env": {"A": ("2",)},
    "metrics": (MetricsFiles("o/m.json", "outputs"),),
    "metric_definitions": (MetricDefinition("auc", "auc=(.*)"),),
    "collects_metrics": True,
    "keeps_checkpoints": True,
    "request": {"Environment": {"B": "1"}},
    "further_requests": {"model_request": {"EnableNetworkIsolation": True}},
    "values": {"entrypoint": ["x"]},
    "sharded_inputs": frozenset({"x"}),
    "input_paths": {"x": "data"},
    "output_paths": {"o": "data"},
    "runs_on": "build",
}
#: They count by what is staged: the files of the code, its start document, and the image.
STAGED = {"run", "image", "include", "requirements", "source", "working_dir"}
NOT_COUNTED: dict[str, Any] = {
    "name": "b",
    "instance": "ml.m5.4xlarge",
    "volume_gb": 90,
    "timeout_s": 60,
    "secrets": {"TOKEN": (SecretValue("token"),)},
    "when": (Rule("z", ("auc",), "min", 0.5),),
    "conditions": (),
    "cell": Cell("a", 0, "a(x=1)", {"x": 1}, (("x", "1"),), ("x",), "x=1"),
    "fail_fast": False,
    "after": ("z",),
    "is_after_gate": True,
    "reuse": Reuse(is_allowed=False),
    "cases": "o/cases.csv",
    "trained_on": "x/ids.csv",
    "plots": ("o/roc.png",),
}
#: It counts with an input of the best cell.
WITH_CELLS = {"selections": {"x": Selection("z", ("auc",), "max")}}


def key(step: Step) -> str:
    data = {"x.csv": DataUnit("x.csv", (StagedFile("x.csv", "1", 1, Path("x.csv")),), is_folder=False)}
    flow = Flow("small", "flow.yaml", {}, {step.name: step}, ())
    planned = PlannedStep(step.name, None, {}, {}, {}, "")
    keys = step_keys(Plan(flow, Target("b", "r", "20261123-101530-3f9c2a"), {step.name: planned}, (), data=data))
    return keys.steps[step.name].key


def test_every_field_of_a_step_is_decided_about() -> None:
    known = [*COUNTED, *STAGED, *NOT_COUNTED, *WITH_CELLS]
    assert sorted(known) == sorted(field.name for field in fields(Step))


@pytest.mark.parametrize("name", COUNTED)
def test_a_field_that_counts_changes_the_key(name: str) -> None:
    assert key(replace(STEP, **{name: COUNTED[name]})) != key(STEP)


@pytest.mark.parametrize("name", NOT_COUNTED)
def test_a_field_that_does_not_count_leaves_the_key(name: str) -> None:
    assert key(replace(STEP, **{name: NOT_COUNTED[name]})) == key(STEP)
