"""The example of an approval: approved and rejected from a second process, and ended before it is asked for."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from support.project import ROOT, Project
from support.waiting_runs import WaitingRun

pytestmark = [pytest.mark.e2e, pytest.mark.slow]


@pytest.fixture
def example(tmp_path: Path) -> Project:
    folder = tmp_path / "approval"
    shutil.copytree(ROOT / "examples" / "approval", folder, ignore=shutil.ignore_patterns(".mlci"))
    subprocess.run(["git", "init", "-q", "-b", "main"], cwd=folder, check=True)
    return Project(folder)


def test_a_person_releases_the_model_or_does_not(example: Project) -> None:
    run = WaitingRun(example)
    assert "approve: release a model that finds 0.857 of the rarest kind?\n" in run.lines
    approved = example.mlci("approve", "latest", "approve", "--reason", "as good as the last one")
    assert approved.returncode == 0, approved.stderr
    code, output = run.end()
    assert code == 0, output
    decision = example.result()["steps"]["approve"]["decision"]
    note = f"approved by {decision['by']} at {decision['at']}: as good as the last one"
    assert note in example.latest("logs/promote.log")
    assert note in example.latest("report.md")
    [release] = (example.root / ".mlci/store").glob(f"*/mlci/release/runs/{run.run_id}/promote/release/RELEASE.txt")
    assert release.read_text() == f"{note}\n"
    assert example.result()["steps"]["too_good"]["reason"].startswith(
        "its if does not hold: evaluate.accuracy 0.933 ≥ 1"
    )

    rejected = WaitingRun(example)
    done = example.mlci("reject", rejected.run_id, "approve", "--reason", "one kind in seven is missed")
    assert done.returncode == 0, done.stderr
    code, output = rejected.end()
    assert code == 1, output
    result = example.result()
    assert result["status"] == "gate_missed"
    assert result["reason"] == f"approve was rejected by {decision['by']}: one kind in seven is missed"
    assert result["steps"]["promote"]["status"] == "skipped"


def test_nobody_is_asked_about_a_bad_model_nor_about_one_that_is_too_good(example: Project) -> None:
    worse = example.mlci("run", "--param", "measures=1")
    assert worse.returncode == 1, worse.stdout + worse.stderr
    result = example.result()
    assert [rule["metric"] for rule in result["rules"] if not rule["held"]] == ["evaluate.accuracy"]
    assert "none of these holds: (evaluate.accuracy 0.8 ≥ 0.95" in result["steps"]["approve"]["reason"]
    better = example.mlci("run", "--param", "measures=13")
    assert better.returncode == 1, better.stdout + better.stderr
    assert example.result()["reason"] == "1 on 45 wines: has it seen them?"
    assert (
        example.result()["steps"]["approve"]["reason"] == "its if does not hold: evaluate.accuracy 1 < 1 is missed by 0"
    )
