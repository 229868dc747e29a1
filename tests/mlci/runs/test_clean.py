"""`mlci clean`: what it removes, and what it never does."""

from __future__ import annotations

import fcntl
import json
import re
from datetime import datetime, timezone
from pathlib import Path

import pytest

from mlci.cli import main
from mlci.report.result import RunStart
from mlci.runs.clean import leftovers, remove_tree, size_of
from mlci.runs.run_folder import RunFolder, Runs
from mlci.runs.run_lock import RunLock

STARTED = datetime(2026, 11, 23, 10, 15, 30, tzinfo=timezone.utc)
RUN_IDS = [f"2026112{number}-101530-aaaaaa" for number in range(4)]
UNIT = 32 * "a"
STORE = ".mlci/store/mlci-local/mlci/iris"


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Runs:
    """Four runs of a flow that left all that runs can leave; the second one is what the baseline came from."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLCI_CACHE", str(tmp_path / "cache"))
    runs = Runs(tmp_path / ".mlci")
    for run_id in RUN_IDS:
        folder = runs.folder(run_id)
        folder.start("{}", "{}", RunStart("iris", run_id, "local", STARTED))
        write(f"{STORE}/runs/{run_id}/train/model/model.tar.gz")
    write(f"{STORE}/protected/runs/{RUN_IDS[0]}/x")
    for kind in ("code", "data", "protected/code"):
        write(f"{STORE}/{kind}/{UNIT}/a")
    write(f"{STORE}/baselines/main.json", json.dumps({"schema": 1, "run_id": RUN_IDS[1], "metrics": {}}))
    write(f"{STORE}/baselines/main/{RUN_IDS[0]}.json", "{}")
    write(f"{STORE}/baselines/damaged.json", "{")
    for name in ("mlci-job-0123456789ab", "mlci-job-abababababab"):
        write(f".mlci/work/{name}/lock", "")
        write(f".mlci/work/{name}/ml/model/m")
    write(f"cache/environments/{UNIT}/mlci-environment.json", '{"requirements": "r.txt", "python": "3.11"}')
    write(f"cache/environments/{UNIT}/bin/python")
    for name in (UNIT, f"hashes/{UNIT}.json", "mine.txt"):
        write(f"cache/{name}")
    write(".mlci/mine.txt")
    write(f"{STORE}/code/mine.txt")
    return runs


def write(path: str, text: str = "1234567890") -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(text)


def files() -> set[str]:
    found = {str(path) for root in (".mlci", "cache") for path in Path(root).rglob("*") if path.is_file()}
    return {path for path in found if not path.endswith(f"environments/{UNIT}.lock")}  # an empty file that stays


KEPT = {
    f"{STORE}/baselines/main.json",
    f"{STORE}/baselines/main/{RUN_IDS[0]}.json",
    f"{STORE}/baselines/damaged.json",
    f"{STORE}/runs/{RUN_IDS[1]}/train/model/model.tar.gz",
    f"{STORE}/code/mine.txt",
    ".mlci/mine.txt",
    "cache/mine.txt",
}


def test_all_goes_but_baselines_and_what_is_not_of_mlci(runs: Runs, capsys: pytest.CaptureFixture[str]) -> None:
    before = files()
    assert main(["clean", "--dry-run"]) == 0
    shown = capsys.readouterr().out
    assert files() == before
    assert "Nothing was removed: --dry-run." in shown
    assert re.search(r"^ *runs +4 ", shown, re.MULTILINE)
    assert main(["clean"]) == 2
    assert "no terminal to confirm" in capsys.readouterr().err
    assert files() == before
    assert main(["clean", "--yes"]) == 0
    assert files() == KEPT
    assert not (runs.home / "latest").is_symlink()
    assert main(["clean", "--yes"]) == 0
    assert "There is nothing to remove." in capsys.readouterr().out


def test_the_newest_runs_are_kept_with_their_outputs(runs: Runs) -> None:
    assert main(["clean", "--yes", "--keep", "2"]) == 0
    assert [folder.run_id for folder in runs.all()] == [RUN_IDS[3], RUN_IDS[2]]
    assert {path.name for path in Path(f"{STORE}/runs").iterdir()} == set(RUN_IDS[1:])
    assert (runs.home / "latest").exists()


def test_a_run_that_goes_on_keeps_its_folder_its_outputs_and_all_staged_code(runs: Runs) -> None:
    lock = RunLock()
    lock.acquire(runs.folder(RUN_IDS[0]).start_file)
    try:
        assert main(["clean", "--yes"]) == 0
    finally:
        lock.release()
    assert [folder.run_id for folder in runs.all()] == [RUN_IDS[0]]
    assert Path(f"{STORE}/runs/{RUN_IDS[0]}").is_dir()
    assert Path(f"{STORE}/code/{UNIT}/a").is_file()


def test_a_run_that_starts_in_the_meantime_is_left_alone(runs: Runs) -> None:
    found = leftovers(runs, None, keep=0)
    lock = RunLock()
    lock.acquire(runs.folder(RUN_IDS[3]).start_file)
    left = [leftover.path for leftover in found if not leftover.remove()]
    lock.release()
    assert runs.folder(RUN_IDS[3]).path in left
    assert Path(f"{STORE}/data/{UNIT}").absolute() in left


def test_the_folder_of_a_job_that_runs_is_left_alone(runs: Runs) -> None:
    with Path(".mlci/work/mlci-job-0123456789ab/lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert main(["clean", "--yes"]) == 0
    assert {path.name for path in Path(".mlci/work").iterdir()} == {"mlci-job-0123456789ab"}


def test_an_environment_that_a_job_uses_is_left_alone(runs: Runs, capsys: pytest.CaptureFixture[str]) -> None:
    with Path(f"cache/environments/{UNIT}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)
        assert main(["clean", "--yes"]) == 3
    assert f"not removed, because it is in use, or belongs to another user: cache/environments/{UNIT}" in (
        capsys.readouterr().err
    )
    assert Path(f"cache/environments/{UNIT}/bin/python").is_file()


def test_links_are_not_followed(runs: Runs, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    write("outside/precious")
    (runs.folder(RUN_IDS[0]).path / "link").symlink_to(outside)
    Path(f"{STORE}/runs/{RUN_IDS[0]}/link").symlink_to(outside)
    Path(f"{STORE}/data/{32 * 'b'}").symlink_to(outside)
    Path(".mlci/store/linked").symlink_to(outside)
    assert main(["clean", "--yes"]) == 0
    assert (outside / "precious").is_file()
    assert RunFolder(outside).path.is_dir()


def test_folders_without_rights_are_removed(tmp_path: Path) -> None:
    folder = tmp_path / "a/b"
    folder.mkdir(parents=True)
    (folder / "c").write_text("12345")
    assert size_of(tmp_path / "a") == 5
    folder.chmod(0)
    (tmp_path / "a").chmod(0o500)
    assert remove_tree(tmp_path / "a")
    assert remove_tree(tmp_path / "gone")


def test_the_outputs_that_a_kept_run_or_a_baseline_has_reused_stay(runs: Runs) -> None:
    newest = runs.folder(RUN_IDS[3])
    newest.write_input(json.dumps({"steps": {"train": {"model": f"s3://b/mlci/iris/runs/{RUN_IDS[2]}/train/model/"}}}))
    uri = f"s3://b/mlci/iris/runs/{RUN_IDS[0]}/train/model/"
    document = {"schema": 1, "run_id": RUN_IDS[1], "metrics": {}, "outputs": {"train": {"model": uri}}}
    write(f"{STORE}/baselines/main.json", json.dumps(document))
    assert main(["clean", "--yes", "--keep", "1"]) == 0
    kept = {run_id for run_id in RUN_IDS if Path(f"{STORE}/runs/{run_id}/train/model/model.tar.gz").exists()}
    assert kept == set(RUN_IDS)
    newest.write_input("{}")
    write(f"{STORE}/baselines/main.json", json.dumps({**document, "outputs": {}}))
    assert main(["clean", "--yes", "--keep", "1"]) == 0
    kept = {run_id for run_id in RUN_IDS if Path(f"{STORE}/runs/{run_id}/train/model/model.tar.gz").exists()}
    assert kept == {RUN_IDS[1], RUN_IDS[3]}


def test_the_runs_of_former_baselines_stay_too(runs: Runs) -> None:
    uri = f"s3://b/mlci/iris/runs/{RUN_IDS[2]}/train/model/"
    document = {"schema": 1, "run_id": RUN_IDS[0], "metrics": {}, "outputs": {"train": {"model": uri}}}
    write(f"{STORE}/baselines/main/{RUN_IDS[0]}.json", json.dumps(document))
    assert main(["clean", "--yes"]) == 0
    kept = {run_id for run_id in RUN_IDS if Path(f"{STORE}/runs/{run_id}/train/model/model.tar.gz").exists()}
    assert kept == set(RUN_IDS[:3])
