"""The temporary folders of jobs."""

from __future__ import annotations

import os
from pathlib import Path

from mlci_emulator.jobs.workspace import remove_abandoned, workspace


def test_a_folder_is_there_while_its_job_is(tmp_path: Path) -> None:
    with workspace(tmp_path / "work") as space:
        assert space.ml.is_dir()
        assert space.temporary.is_dir()
        remove_abandoned(tmp_path / "work")  # another mlci starts
        assert space.ml.is_dir()
    assert list((tmp_path / "work").iterdir()) == []


def test_a_folder_without_an_owner_is_swept_and_others_stay(tmp_path: Path) -> None:
    abandoned = tmp_path / "mlci-job-0123" / "ml" / "closed"
    abandoned.mkdir(parents=True)
    abandoned.chmod(0)
    (tmp_path / "mlci-job-0123" / "lock").touch()
    (tmp_path / "somebody's").mkdir()
    remove_abandoned(tmp_path)
    assert os.listdir(tmp_path) == ["somebody's"]


def test_removing_from_a_missing_folder_creates_nothing(tmp_path: Path) -> None:
    remove_abandoned(tmp_path / "work")
    assert list(tmp_path.iterdir()) == []


def test_a_link_beside_the_folders_is_left_with_its_target(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    (precious / "inner").mkdir(parents=True)
    (precious / "inner").chmod(0o500)
    work = tmp_path / "work"
    work.mkdir()
    (work / "mlci-job-0123").symlink_to(precious)
    remove_abandoned(work)
    assert (work / "mlci-job-0123").is_symlink()
    assert (precious / "inner").stat().st_mode & 0o777 == 0o500


def test_a_lock_that_is_a_link_or_a_pipe_fails_no_sweep(tmp_path: Path) -> None:
    for number in range(2):
        (tmp_path / f"mlci-job-{number}").mkdir()
    (tmp_path / "mlci-job-0" / "lock").symlink_to("/etc/passwd")
    os.mkfifo(tmp_path / "mlci-job-1" / "lock")
    remove_abandoned(tmp_path)
    assert (tmp_path / "mlci-job-0").exists(), "nobody knows whose it is"
