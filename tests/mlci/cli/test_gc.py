"""`mlci gc` on this machine."""

from __future__ import annotations

import json
import os
import time
from datetime import datetime, timezone
from pathlib import Path

import pytest

from mlci.cli import main
from mlci.report.result import RunStart
from mlci.runs.run_folder import Runs
from mlci.runs.run_lock import RunLock
from support.registered_models import register

OLD, RUNNING, BASE = "20250101-101530-aaaaaa", "20250102-101530-aaaaaa", "20250103-101530-aaaaaa"
STORE = ".mlci/store/mlci-local/mlci/small"
CODE, USED = "a" * 64, "b" * 64
FLOW = "flow: small\nsteps: {pause: {uses: wait, seconds: 1}}\n"


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Runs:
    """Three old runs, of which one goes on and one is the baseline's, with old code."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLCI_CACHE", str(tmp_path / "cache"))
    Path("flow.yaml").write_text(FLOW)
    runs = Runs(tmp_path / ".mlci")
    for run_id in (OLD, RUNNING, BASE):
        text = json.dumps({"code": f"s3://mlci-local/mlci/small/code/{USED}/"})
        start = RunStart("small", run_id, "local", datetime(2025, 1, 1, tzinfo=timezone.utc))
        runs.folder(run_id).start("{}", text if run_id == RUNNING else "{}", start)
        write(f"{STORE}/runs/{run_id}/train/model/m")
    for digest in (CODE, USED):
        write(f"{STORE}/code/{digest}/a.py")
    write(f"{STORE}/baselines/main.json", json.dumps({"schema": 1, "run_id": BASE, "metrics": {}}))
    write(".mlci/work/mlci-job-0123456789ab/lock", "")
    os.utime(".mlci/work/mlci-job-0123456789ab", (1, 1))
    register(runs.home, "models")
    return runs


def write(path: str, text: str = "1234567890") -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(text)
    os.utime(path, (time.time() - 100 * 86_400,) * 2)


def files() -> set[str]:
    return {str(path) for path in Path(".mlci").rglob("*") if path.is_file()}


def test_a_dry_run_changes_nothing_and_shows_what_would_go(runs: Runs, capsys: pytest.CaptureFixture[str]) -> None:
    before = files()
    assert main(["gc", "--dry-run"]) == 0
    assert files() == before
    shown = capsys.readouterr().out
    rows = {line.split("  ")[0].strip(): line.split() for line in shown.splitlines()}
    assert rows["code"][1:] == ["2", "20", "bytes", "2", "20", "bytes"]
    assert rows["runs"][1:] == ["3", "30", "bytes", "2", "20", "bytes"]
    assert "Nothing was deleted: --dry-run." in shown


def test_old_runs_and_code_go_but_for_those_of_a_run_that_goes_on_and_the_baselines(
    runs: Runs, capsys: pytest.CaptureFixture[str]
) -> None:
    lock = RunLock()
    lock.acquire(runs.folder(RUNNING).start_file)
    try:
        assert main(["gc", "--yes", "--json"]) == 0
    finally:
        lock.release()
    document = json.loads(capsys.readouterr().out)
    assert {item["place"] for item in document["items"]} == {
        f"s3://mlci-local/mlci/small/runs/{OLD}/",
        f"s3://mlci-local/mlci/small/code/{CODE}/",
        f".mlci/runs/{OLD}",
        ".mlci/work/mlci-job-0123456789ab",
    }
    assert all(item["deleted"] for item in document["items"])
    assert [folder.run_id for folder in runs.all()] == [BASE, RUNNING]
    left = {path.removeprefix(f"{STORE}/") for path in files() if path.startswith(STORE)}
    assert left == {
        f"runs/{RUNNING}/train/model/m",
        f"runs/{BASE}/train/model/m",
        f"code/{USED}/a.py",
        "baselines/main.json",
    }
    assert main(["gc", "--yes"]) == 0


def test_without_a_terminal_nothing_is_deleted_unless_yes_is_given(
    runs: Runs, capsys: pytest.CaptureFixture[str]
) -> None:
    before = files()
    assert main(["gc"]) == 2
    assert files() == before
    assert "nothing was deleted" in capsys.readouterr().err


@pytest.mark.parametrize(("keep", "right"), [("30", "30d"), ("a month", "1d"), ("999999999d", "9999d")])
def test_the_time_to_keep_is_a_duration(runs: Runs, capsys: pytest.CaptureFixture[str], keep: str, right: str) -> None:
    assert main(["gc", "--dry-run", "--keep", keep]) == 2
    assert "--keep: " in capsys.readouterr().err
    assert main(["gc", "--dry-run", "--keep", right]) == 0


def test_with_a_long_time_to_keep_there_is_nothing_to_delete(runs: Runs, capsys: pytest.CaptureFixture[str]) -> None:
    (runs.home / "work/mlci-job-0123456789ab/lock").unlink()
    (runs.home / "work/mlci-job-0123456789ab").rmdir()
    assert main(["gc", "--keep", "9999d"]) == 0
    assert "There is nothing to delete." in capsys.readouterr().out
