from __future__ import annotations

import random
import shutil
from pathlib import Path

import pytest

from mlci.stage import Cache
from pull_requests import EDITS, MIX, Planner, Records, month
from support.compiled_flows import XGBOOST_IMAGE

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the example, without git."""
    for name in ("data", "src/breast_cancer"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    flow = (ROOT / "flow.yaml").read_text().replace("image: xgboost:1.7-1", f"image: {XGBOOST_IMAGE}")  # no SDK
    (tmp_path / "flow.yaml").write_text(flow)
    return tmp_path


def test_the_mix_names_each_edit_and_makes_a_hundred() -> None:
    assert MIX.keys() == EDITS.keys()
    assert sum(MIX.values()) == 100


@pytest.mark.parametrize(
    ("edit", "expected"),
    [
        ("README only", set()),
        ("nothing: the build is run again", set()),
        ("evaluate.py", {"evaluate"}),
        ("train.py", {"train", "evaluate"}),
        ("preprocess.py", {"preprocess", "train", "evaluate"}),
        ("features.py, which all scripts import", {"preprocess", "train", "evaluate"}),
        ("data", {"preprocess", "train", "evaluate"}),
    ],
)
def test_an_edit_runs_the_steps_that_it_can_change(folder: Path, edit: str, expected: set[str]) -> None:
    planner, records = Planner(folder, Cache(None)), Records()
    records.run(planner.push("before", 1))
    EDITS[edit](folder, random.Random(1))
    push = planner.push(edit, 2)
    assert push.keys.steps.keys() - records.run(push) == expected


def test_the_same_seed_gives_the_same_month(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    again = tmp_path_factory.mktemp("again") / "example"
    shutil.copytree(folder, again)
    months = [list(month(Planner(each, Cache(None)), 2, 7)) for each in (folder, again)]
    assert [push.keys for push in months[0]] == [push.keys for push in months[1]]
    assert [push.edit for push in months[0]] == [push.edit for push in months[1]]


def test_a_merge_runs_what_a_pull_request_ran_before(folder: Path) -> None:
    planner, records = Planner(folder, Cache(None)), Records()
    records.run(planner.push("the base branch", 0, is_merge=True))
    EDITS["train.py"](folder, random.Random(1))
    runs = [planner.push("train.py", 1), planner.push("again", 2), planner.push("merge", 3, is_merge=True)]
    assert [records.run(push) for push in runs] == [{"preprocess"}, {"preprocess", "train", "evaluate"}, {"preprocess"}]
    assert records.run(planner.push("merge again", 4, is_merge=True)) == {"preprocess", "train", "evaluate"}
