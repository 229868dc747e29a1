"""Files that runs leave on this machine and that can be made again: found with their sizes, and removed.

Runs that go on and baselines are never among it, nor the outputs of the runs that baselines and registered models come
from, nor those that a run which stays has reused. Links are not
followed, and what mlci did not make is left alone.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Literal

from mlci.backends.requirements_environments import remove_environment, stored_environments
from mlci.gc.references import FORMER_KEPT
from mlci.runs.run_folder import RunFolder, Runs
from mlci.stage.file_hashes import HASHES_FOLDER
from mlci_dataclasses import dataclass

Kind = Literal[
    "runs", "outputs", "staged code and data", "work folders", "cached definitions, images and hashes", "environments"
]

_DIGEST = re.compile(r"[0-9a-f]{32}")
_RUN_ID = re.compile(r"\d{8}-\d{6}-[0-9a-f]{6}")
#: The runs in a text that names their outputs.
_RUN_IDS = re.compile(r"/(?:runs|outputs)/(\d{8}-\d{6}-[0-9a-f]{6})/")
_JOB_PREFIX = "mlci-job-"


@dataclass(frozen=True)
class Leftover:
    """A file or a folder that can be removed. `remove` returns False if it is in use by now, or can't be removed."""

    kind: Kind
    path: Path
    size_bytes: int
    remove: Callable[[], bool]


def leftovers(runs: Runs, cache: Path | None, keep: int) -> list[Leftover]:
    """Returns what can be removed, but for the newest `keep` runs with their outputs."""
    folders = runs.all()
    kept = {folder.run_id for folder in folders[:keep]} | {folder.run_id for folder in folders if folder.is_running()}
    reused = {run_id for folder in folders if folder.run_id in kept for run_id in _runs_named(folder)}
    needed = kept | reused | set(_baseline_runs(runs.home / "store"))
    outputs = [path for path in _outputs(runs.home / "store") if path.name not in needed and not _is_registered(path)]
    found = run_folders(folder for folder in folders if folder.run_id not in kept)
    found += [_plain("outputs", path) for path in outputs]
    if not _any_runs(runs):
        found += [_staged(runs, path) for path in _units(runs.home / "store")]
    found += work_folders(runs)
    found += [_plain("cached definitions, images and hashes", path) for path in _cached(cache)]
    return found + [
        Leftover("environments", stored.folder, stored.size_bytes, partial(remove_environment, stored))
        for stored in stored_environments(cache)
    ]


def run_folders(folders: Iterable[RunFolder]) -> list[Leftover]:
    """Returns the folders of runs, each to be removed unless the run goes on."""
    return [_run(folder) for folder in folders]


def work_folders(runs: Runs, before: datetime | None = None) -> list[Leftover]:
    """Returns the folders of jobs whose processes were killed, of those that are older than a time."""
    found = [path for path in _folders(runs.home / "work") if path.name.startswith(_JOB_PREFIX)]
    return [_work_folder(path) for path in found if _is_older(path, before) and not _is_locked(path / "lock")]


def _is_older(path: Path, before: datetime | None) -> bool:
    try:
        return before is None or path.stat().st_mtime < before.timestamp()
    except OSError:
        return False


def _any_runs(runs: Runs) -> bool:
    return any(folder.is_running() for folder in runs.all())


def _run(folder: RunFolder) -> Leftover:
    def remove() -> bool:
        return not folder.is_running() and remove_tree(folder.path)

    return Leftover("runs", folder.path, size_of(folder.path), remove)


def _staged(runs: Runs, path: Path) -> Leftover:
    """Code and data that a run which starts now may be about to read."""
    return Leftover("staged code and data", path, size_of(path), lambda: not _any_runs(runs) and remove_tree(path))


def _work_folder(path: Path) -> Leftover:
    """The folder of a job whose process was killed; that of a job which runs is locked."""
    return Leftover("work folders", path, size_of(path), lambda: not _is_locked(path / "lock") and remove_tree(path))


def _plain(kind: Kind, path: Path) -> Leftover:
    return Leftover(kind, path, size_of(path), lambda: remove_tree(path))


def _flow_folders(store: Path) -> Iterator[Path]:
    """Yields the folders in the store that hold `code`, `data` and `runs`: of each bucket, each flow, and its
    protected names."""
    for bucket in _folders(store):
        for flow in _folders(bucket / "mlci"):
            yield flow
            yield from (folder for folder in _folders(flow) if folder.name == "protected")


def _outputs(store: Path) -> Iterator[Path]:
    for folder in _flow_folders(store):
        yield from (run for run in _folders(folder / "runs") if _RUN_ID.fullmatch(run.name))


def _units(store: Path) -> Iterator[Path]:
    for folder in _flow_folders(store):
        for kind in ("code", "data"):
            yield from (unit for unit in _folders(folder / kind) if _DIGEST.fullmatch(unit.name))


def _baseline_runs(store: Path) -> Iterator[str]:
    """Yields the runs that the baselines in the store come from, and those whose outputs they name: of each branch's
    current one, and of the newest former ones."""
    for folder in _flow_folders(store):
        branches = [_entries(branch) for branch in _folders(folder / "baselines")]
        former = [file for files in branches for file in [*files][: -FORMER_KEPT - 1 : -1]]
        for file in [*_entries(folder / "baselines"), *former]:
            if file.name.endswith(".json") and file.is_file(follow_symlinks=False):
                try:
                    document = Path(file.path).read_text(encoding="utf-8")
                    yield str(json.loads(document)["run_id"])
                    yield from _RUN_IDS.findall(document)
                except (OSError, ValueError, KeyError, TypeError, RecursionError):
                    continue  # a damaged baseline names no run; it is left as it is


def _runs_named(folder: RunFolder) -> Iterable[str]:
    """Returns the runs that a run's input names: those whose outputs it reused are among them."""
    return _RUN_IDS.findall(json.dumps(folder.execution_input() or {}))


def _is_registered(outputs: Path) -> bool:
    """Returns True if the run put a model into the registry: it has the description of a version among its outputs."""
    return any((step / "package" / "package.json").is_file() for step in _folders(outputs))


def _cached(cache: Path | None) -> Iterator[Path]:
    if cache is not None:
        for entry in [*_entries(cache), *_entries(cache / HASHES_FOLDER)]:
            if _DIGEST.fullmatch(entry.name.removesuffix(".json")) and entry.is_file(follow_symlinks=False):
                yield Path(entry.path)


def _folders(folder: Path) -> list[Path]:
    return [Path(entry.path) for entry in _entries(folder) if entry.is_dir(follow_symlinks=False)]


def _entries(folder: Path) -> Iterable[os.DirEntry[str]]:
    """Returns what a folder holds; nothing where it is missing, unreadable or a link."""
    if folder.is_symlink():
        return ()
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError:
        return ()


def _is_locked(file: Path) -> bool:
    """Returns True if a process holds the lock of a job's folder, or if that can't be told."""
    try:
        lock = os.open(file, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(lock)
    return False


def size_of(path: Path) -> int:
    """Returns the bytes of a file, or of all files in a folder, as far as they can be read."""
    try:
        if path.is_symlink() or not path.is_dir():
            return path.lstat().st_size
    except OSError:
        return 0
    return sum(size_of(Path(entry.path)) for entry in _entries(path))


def remove_tree(path: Path) -> bool:
    """Removes a file or a folder, also one whose rights its owner's scripts took away; False if that fails."""
    try:
        if path.is_symlink() or not path.is_dir():
            path.unlink(missing_ok=True)
            return True
        path.chmod(0o700)
        are_gone = [remove_tree(Path(entry.path)) for entry in _entries(path)]
        path.rmdir()
    except OSError:
        return False
    return all(are_gone)
