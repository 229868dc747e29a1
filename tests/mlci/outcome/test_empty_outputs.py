"""The outputs that a step left empty, as a run reports them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from mlci.backends.progress import Progress, initial_progress
from mlci.errors import CloudError
from mlci.flow import load
from mlci.outcome.empty_outputs import EmptyOutputs
from mlci.plan import Plan, Target, plan
from mlci.stage.models import CodeUnit, Staged, StagedFile
from mlci.step_types.script_start import ScriptStart

FLOW = """
flow: case
defaults: {image: "mine.example/image:7", instance: ml.m5.large}
steps:
  split: {uses: processing, run: a.py, outputs: [train, test]}
  fit: {uses: training, run: a.py, inputs: {train: "${{ steps.split.outputs.train }}"}}
  score: {uses: processing, run: a.py, inputs: {test: "${{ steps.split.outputs.test }}"}, outputs: [x]}
"""
EMPTY = (
    'step "split" left its output "train" empty: its script wrote nothing to /opt/ml/processing/output/train. For a '
    "path of its own, write outputs: {train: <path>}"
)
NO_INPUT = 'No S3 objects found under S3 URL "s3://b/x" given in input data source.'
NO_KEY = "The specified key does not exist. (Service: S3, Status Code: 404)"


def planned() -> Plan:
    flow = load(FLOW.encode(), "flow.yaml", {}, {})
    files = (StagedFile("a.py", "0" * 64, 0, Path("a.py"), b""),)
    staged = Staged(
        dict.fromkeys(flow.steps, CodeUnit(ScriptStart({"script": "a.py"}), files, files)),
        {},
        dict.fromkeys(flow.steps, "mine.example/image:7"),
    )
    return plan(flow, staged, Target("models", "arn:aws:iam::123456789012:role/job", "20261123-101530-3f9c2a"))


class Run:
    """A run whose store holds the objects below these prefixes only."""

    def __init__(self, *full: str) -> None:
        self.lines: list[str] = []
        self.outputs = EmptyOutputs(
            planned(), lambda uri: not any(uri.endswith(f"{name}/") for name in full), self.lines.append
        )
        self.progress = initial_progress(planned().steps)

    def change(self, step: str, status: str, reason: str | None = None) -> str | None:
        """Change a step's status, and return its reason as the run reports it."""
        changed = replace(self.progress.steps[step], status=status, reason=reason)  # type: ignore[arg-type]
        after = Progress({**self.progress.steps, step: changed}, changed=(step,))
        self.progress = self.outputs.explain(self.progress, after)
        return self.progress.steps[step].reason


def test_an_empty_output_is_reported_when_its_step_succeeds_and_once() -> None:
    run = Run("split/test")
    run.change("split", "running")
    assert run.lines == []
    run.change("split", "succeeded")
    run.change("split", "succeeded")
    assert run.lines == [EMPTY]


def test_the_reason_of_its_reader_names_it_and_no_other_reason_does() -> None:
    run = Run("split/test")
    run.change("split", "succeeded")
    assert run.change("fit", "failed", NO_INPUT) == f"{EMPTY}. {NO_INPUT}"
    assert run.change("score", "failed", "AlgorithmError") == "AlgorithmError"


def test_a_model_is_empty_where_there_is_none_to_copy() -> None:
    run = Run("split/train", "split/test")
    run.change("split", "succeeded")
    run.change("fit", "succeeded")
    assert run.lines == [], "the model is not in its place yet"
    assert run.change("fit", "failed", NO_KEY) == (
        'step "fit" left its output "model" empty: its script wrote nothing to /opt/ml/model. For a path of its own, '
        "write outputs: {model: <path>}"
    )
    assert run.change("score", "failed", NO_KEY) == NO_KEY


def test_a_store_that_cannot_be_listed_fails_no_run() -> None:
    def is_empty(uri: str) -> bool:
        raise CloudError("AccessDenied")

    run = Run()
    run.outputs = EmptyOutputs(planned(), is_empty, run.lines.append)
    run.change("split", "succeeded")
    assert run.lines == []
