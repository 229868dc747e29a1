"""The files of cases and of ids that a baseline names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import cast

import pytest

from mlci.backends.protocol import Cloud
from mlci.backends.stop_signal import StopSignal
from mlci.baseline.kept_files import cases_files, id_files
from mlci.flow import load
from mlci.plan import Plan, Target, Upload, plan
from mlci.stage.models import DataUnit, Staged, StagedFile

FLOW = b"""
flow: small
defaults: {image: "mine.example/image:7"}
steps:
  split: {uses: processing, entrypoint: [a], outputs: [train, test]}
  fold: {uses: processing, entrypoint: [a], matrix: {k: [1, 2]}, outputs: [rows], metrics: rows/m.json}
  fit:
    uses: training
    inputs:
      own: "${{ steps.split.outputs.train }}"
      all: "${{ steps.fold.outputs.rows }}"
      best: {from: "${{ steps.fold.outputs.rows }}", select: {metric: fold.auc, best: max}}
      data: data
      bought: s3://shop/rows
"""
RUN = "20261123-101530-3f9c2a"
TARGET = Target("b", "jobs", RUN)
KEPT = "s3://b/kept"
FILES = (
    StagedFile("a.csv", "0" * 64, 1, Path("data/a.csv")),
    StagedFile("more/b.csv", "1" * 64, 1, Path("data/b.csv")),
)


@dataclass
class InMemoryUploads:
    uploads: list[Upload] = field(default_factory=list)

    def upload(self, uploads: Iterable[Upload], stop: StopSignal) -> int:
        self.uploads += uploads
        return len(self.uploads)


def planned(cases: Mapping[str, str] | None = None, trained_on: Mapping[str, str] | None = None) -> Plan:
    """A plan whose steps have these files, by their names."""
    flow = load(FLOW, "flow.yaml", {}, {})
    steps = {
        name: replace(step, cases=(cases or {}).get(name), trained_on=(trained_on or {}).get(name))
        for name, step in flow.steps.items()
    }
    staged = Staged({}, {"data": DataUnit("data", FILES, is_folder=True)}, dict.fromkeys(steps, "i"))
    return plan(replace(flow, steps=steps), staged, TARGET)


OUTPUTS = {
    "split": {"train": f"{KEPT}/split/train/", "test": f"{KEPT}/split/test/"},
    "fold(k=1)": {"rows": f"{KEPT}/fold/rows/k=1/"},
    "fold(k=2)": {"rows": f"{KEPT}/fold/rows/k=2/"},
}


def test_a_file_of_cases_lies_in_the_output_that_is_kept() -> None:
    found = planned(cases={"split": "test/cases.csv", "fold(k=2)": "rows/a/cases.parquet", "fit": "model/cases.csv"})
    assert cases_files(found, OUTPUTS) == {
        "split": f"{KEPT}/split/test/cases.csv",
        "fold(k=2)": f"{KEPT}/fold/rows/k=2/a/cases.parquet",
    }
    assert cases_files(found, {}) == {}


@pytest.mark.parametrize(
    ("written", "uri"),
    [
        ("own/ids.csv", f"{KEPT}/split/train/ids.csv"),
        ("all/k=2/ids.csv", f"{KEPT}/fold/rows/k=2/ids.csv"),
        ("best/ids.csv", f"{KEPT}/fold/rows/k=1/ids.csv"),
        ("bought/ids.csv", "s3://shop/rows/ids.csv"),
        ("data/more/b.csv", f"s3://b/mlci/small/baselines/outputs/{RUN}/fit/_inputs/more/b.csv"),
        ("data/none.csv", ""),
    ],
)
def test_the_ids_that_a_training_step_read_are_where_its_input_came_from(written: str, uri: str) -> None:
    cloud = InMemoryUploads()
    found = id_files(planned(trained_on={"fit": written}), OUTPUTS, {"fit.best": "fold(k=1)"}, cast(Cloud, cloud))
    assert found == ({"fit": uri} if uri else {})
    is_uploaded = "_inputs" in uri
    assert [(each.uri, each.files) for each in cloud.uploads] == ([(uri, FILES[1:])] if is_uploaded else [])


def test_ids_of_an_output_that_is_not_kept_are_not_named() -> None:
    for written in ("own/ids.csv", "all/k=2/ids.csv", "best/ids.csv"):
        found = planned(trained_on={"fit": written, "split": "train/ids.csv"})
        assert id_files(found, {"split": {"test": f"{KEPT}/"}}, {}, cast(Cloud, InMemoryUploads())) == {}


def test_a_processing_step_wrote_its_ids_itself() -> None:
    found = id_files(planned(trained_on={"split": "train/ids.csv"}), OUTPUTS, {}, cast(Cloud, InMemoryUploads()))
    assert found == {"split": f"{KEPT}/split/train/ids.csv"}
