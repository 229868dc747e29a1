from __future__ import annotations

import random
import shutil
from pathlib import Path

import pytest

from mlci.stage import Cache
from pull_requests import EDITS, MIX, Push, Scopes, keys_of, month
from support.compiled_flows import XGBOOST_IMAGE

CACHE = Cache(None)
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
def test_an_edit_changes_the_keys_of_the_steps_that_it_can_change(folder: Path, edit: str, expected: set[str]) -> None:
    before = keys_of(folder, CACHE)
    EDITS[edit](folder, random.Random(1))
    after = keys_of(folder, CACHE)
    assert {step for step in before if before[step] != after[step]} == expected


def test_the_same_seed_gives_the_same_month(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    again = tmp_path_factory.mktemp("again") / "example"
    shutil.copytree(folder, again)
    assert list(month(folder, CACHE, 2, 7)) == list(month(again, CACHE, 2, 7))


def test_a_pull_request_reads_both_scopes_and_a_merge_only_the_base() -> None:
    scopes = Scopes({"a"})
    push = Push("train.py", {"preprocess": "a", "train": "b"})
    assert scopes.reused(push) == {"preprocess"}
    scopes.record(push)
    assert scopes.reused(push) == {"preprocess", "train"}
    merge = Push("merge", push.keys, is_merge=True)
    assert scopes.reused(merge) == {"preprocess"}
    scopes.record(merge)
    assert scopes.reused(merge) == {"preprocess", "train"}
