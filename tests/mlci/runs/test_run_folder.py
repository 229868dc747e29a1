"""The folder of a run: its files are written whole or not at all."""

from __future__ import annotations

import errno
import resource
from datetime import datetime, timezone
from pathlib import Path

import pytest

from mlci.errors import InputError
from mlci.report.result import Result, RunStart, Status
from mlci.runs.run_folder import RunFolder, Runs

START = RunStart("small", "one", "local", datetime(2026, 11, 23, 10, 15, 30, tzinfo=timezone.utc), "0" * 40, True)


def test_files_that_the_disk_does_not_take_are_not_begun(tmp_path: Path) -> None:
    """A limit on the size of files stands for a full disk: the second file does not fit."""
    folder = RunFolder(tmp_path / "runs" / "one")
    folder.start("{}", "{}", START)
    before = {path.name: path.read_text() for path in folder.path.iterdir() if path.is_file()}
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, limits[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            folder.start('{"StartAt": "other"}', '{"long": "' + 200 * "x" + '"}', START)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert {path.name: path.read_text() for path in folder.path.iterdir() if path.is_file()} == before


def test_a_name_that_is_no_utf_8_is_written_with_a_replacement(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "runs" / "one")
    folder.start("{}", "{}", START)
    folder.finish(
        Result(
            flow="small",
            run_id="one",
            cloud="local",
            commit=None,
            is_dirty=None,
            status=Status.FAILED,
            started=START.started,
            seconds=1,
            steps={},
            rules=(),
            metrics={},
            execution="",
            reason="caf\udce9 is full",
        )
    )
    for path in folder.path.iterdir():
        assert path.is_dir() or path.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        '{"schema": 2}',
        '{"schema": 1}',
        '{"schema": 1, "flow": "x", "cloud": "local", "status": "passed", "started": "", "seconds": 1e999}',
        '{"schema": 1, "flow": "x", "cloud": "local", "status": "passed", "started": "", "seconds": 1, "rules": [1]}',
        100_000 * "[",
    ],
)
def test_a_damaged_result_is_an_error_with_its_file(tmp_path: Path, text: str) -> None:
    folder = RunFolder(tmp_path)
    (tmp_path / "result.json").write_text(text)
    with pytest.raises(InputError, match=r"result\.json.* is damaged, or of another version of mlci"):
        folder.result()


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_nothing_is_left_where_the_disk_takes_no_file(
    code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(code, "full")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="full"):
        RunFolder(tmp_path / "runs/r1").start("{}", "{}", START)
    assert list((tmp_path / "runs/r1").glob("*.json")) == []
    assert list((tmp_path / "runs/r1").glob(".*")) == []


def test_a_file_system_that_can_not_sync_is_none_of_our_business(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unable(descriptor: int) -> None:
        raise OSError(errno.EINVAL, "no fsync here")

    monkeypatch.setattr("os.fsync", unable)
    RunFolder(tmp_path / "runs/r1").start("{}", "{}", START)
    assert (tmp_path / "runs/r1/run.json").exists()


def runs_here(folder: Path, *ids: str) -> Runs:
    for run_id in ids:
        (folder / "runs" / run_id).mkdir(parents=True)
    return Runs(folder)


@pytest.mark.parametrize("run", ["20261201-101530-3f9c2a", "20261201", "3f9c2a", "latest"])
def test_a_run_is_named_by_its_id_an_end_of_it_or_as_the_latest(tmp_path: Path, run: str) -> None:
    runs = runs_here(tmp_path, "20261130-101530-aaaaaa", "20261201-101530-3f9c2a")
    for found in (runs.find(run), runs.here_or_elsewhere(run)):
        assert found.run_id == "20261201-101530-3f9c2a"


def test_a_run_that_is_not_here_may_be_elsewhere(tmp_path: Path) -> None:
    runs = runs_here(tmp_path, "20261201-101530-3f9c2a")
    assert runs.here_or_elsewhere("20261201-101530-3f9c2b").run_id == "20261201-101530-3f9c2b"
    with pytest.raises(InputError, match=r'no run ".*b". Did you mean "20261201-101530-3f9c2a"'):
        runs.find("20261201-101530-3f9c2b")
    with pytest.raises(InputError, match="There are: 20261201-101530-3f9c2a"):
        runs.find("nope")


def test_a_name_of_two_runs_is_neither(tmp_path: Path) -> None:
    runs = runs_here(tmp_path, "20261130-101530-aaaaaa", "20261201-101530-3f9c2a")
    for find in (runs.find, runs.here_or_elsewhere):
        with pytest.raises(InputError, match='more than one run is called "2026"'):
            find("2026")


def test_where_nothing_ran_none_is_the_latest(tmp_path: Path) -> None:
    assert runs_here(tmp_path).here_or_elsewhere("x").run_id == "x"
    with pytest.raises(InputError, match="there are no runs"):
        runs_here(tmp_path).here_or_elsewhere("latest")
