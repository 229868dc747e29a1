"""The metrics of a run's steps, and why there are none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import pytest

from mlci.backends.progress import initial_progress
from mlci.backends.protocol import Cloud
from mlci.flow import load
from mlci.gate import Metrics
from mlci.outcome.metrics import read_metrics, unread_metrics
from mlci.plan import Plan, Target, plan
from mlci.stage.models import CodeUnit, Staged, StagedFile
from mlci.step_types.script_start import ScriptStart

FLOW = """
flow: case
defaults: {image: "mine.example/image:7"}
steps:
  plain: {uses: processing, run: a.py, outputs: [out], metrics: out/metrics.json}
  fit: {uses: training, run: a.py, metrics: metrics.csv}
  none: {uses: processing, run: a.py}
"""
RUN = "s3://models/mlci/case/runs/20261123-101530-3f9c2a"


def planned() -> Plan:
    flow = load(FLOW.encode(), "flow.yaml", {}, {})
    files = (StagedFile("a.py", "0" * 64, 0, Path("a.py"), b""),)
    unit = CodeUnit(ScriptStart({"script": "a.py"}), files, files)
    staged = Staged(dict.fromkeys(flow.steps, unit), {}, dict.fromkeys(flow.steps, "mine.example/image:7"))
    return plan(flow, staged, Target("models", "arn:aws:iam::123456789012:role/job", "20261123-101530-3f9c2a"))


@dataclass
class InMemoryStore:
    objects: dict[str, bytes]

    def read(self, uri: str, max_bytes: int | None = None) -> bytes | None:
        found = self.objects.get(uri)
        return None if found is None else found[:max_bytes]

    def list(self, prefix: str, most: int | None = None) -> Sequence[str]:
        return [uri for uri in sorted(self.objects) if uri.startswith(prefix)][:most]


def read(objects: dict[str, bytes], *succeeded: str) -> dict[str, Metrics]:
    flow = planned()
    progress = initial_progress(flow.steps)
    steps = {
        name: replace(step, status="succeeded" if name in succeeded else "failed")
        for name, step in progress.steps.items()
    }
    return read_metrics(flow, replace(progress, steps=steps), cast(Cloud, InMemoryStore(objects)))


def test_metrics_lie_in_the_output_or_where_the_job_collected_them() -> None:
    objects = {f"{RUN}/plain/out/metrics.json": b'{"auc": 1}', f"{RUN}/fit/_metrics/metrics.json": b'{"loss": 2}'}
    assert read(objects, "plain", "fit", "none") == {"plain": Metrics({"auc": 1}), "fit": Metrics({"loss": 2})}
    assert read(objects, "fit") == {"fit": Metrics({"loss": 2})}


@pytest.mark.parametrize(
    ("objects", "problem"),
    [
        (
            ["out/metric.json", "out/sub/x.csv", "outer/y"],
            "no file out/metrics.json; did you mean out/metric.json? There are: out/metric.json, out/sub/x.csv",
        ),
        ([], "missing: there is no file out/metrics.json, and no other in that output"),
        ([f"out/{number}" for number in range(1000, 1020)], "out/1006, out/1007 and 12 more"),
    ],
)
def test_a_file_that_is_not_there_is_missing_among_those_that_are(objects: list[str], problem: str) -> None:
    found = read({f"{RUN}/plain/{name}": b"" for name in objects}, "plain")["plain"]
    assert found.document is None
    assert found.problem.endswith(problem)


def test_collected_metrics_tell_why_there_are_none() -> None:
    told = read({f"{RUN}/fit/_metrics/metrics.json": b'"missing: there is no file metrics.csv"'}, "fit")
    assert told == {"fit": Metrics(None, "missing: there is no file metrics.csv")}
    assert read({}, "fit") == {"fit": Metrics(None, "missing: the job left none")}
    assert read({f"{RUN}/plain/out/metrics.json": b'"a text"'}, "plain") == {"plain": Metrics("a text")}


def test_what_no_rule_tells_has_a_line_of_its_own() -> None:
    metrics = {"a": Metrics({}), "b": Metrics(None, "missing: x"), "c": Metrics(None, "too large: y")}
    assert unread_metrics(metrics, {"c"}) == ['the metrics of "b" are missing: x']
