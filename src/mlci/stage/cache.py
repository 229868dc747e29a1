"""Results that are slow to compute and depend on their key alone, kept as files for the next run."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from mlci_dataclasses import dataclass


@dataclass(frozen=True)
class Cache:
    """A folder of texts by key; without a folder, nothing is kept.

    The folder is the user's own and never part of a repository: whoever writes to it decides what runs. Losing it costs
    time only, and a damaged entry is computed again.
    """

    folder: Path | None

    def get(self, key: object, compute: Callable[[], str]) -> str:
        """Returns the text that is kept for this JSON-able key, or computes and keeps it."""
        if self.folder is None:
            return compute()
        name = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:32]
        file = self.folder / name
        try:
            stored = json.loads(file.read_text())
            if isinstance(stored, str):
                return stored
        except (OSError, ValueError):
            pass
        text = compute()
        with contextlib.suppress(OSError):  # a folder that may not be written to: the next run computes it again
            write_whole(file, json.dumps(text))
        return text

    def check_once(self, key: Sequence[object], check: Callable[[], None]) -> None:
        """Calls a check, unless it has passed before for this JSON-able key."""

        def passed() -> str:
            check()
            return "passed"

        self.get(["check", *key], passed)


#: Keeps nothing.
NO_CACHE = Cache(None)


def cache_folder(environment: Mapping[str, str], platform: str) -> Path | None:
    """Returns the user's folder for mlci's cache: MLCI_CACHE, else the platform's; None where there is none.

    `platform` is Python's `sys.platform`.
    Source: https://specifications.freedesktop.org/basedir-spec/latest/ (a relative path in XDG_CACHE_HOME is invalid)

    >>> cache_folder({"HOME": "/home/ada"}, "linux"), cache_folder({"HOME": "/Users/ada"}, "darwin")
    (PosixPath('/home/ada/.cache/mlci'), PosixPath('/Users/ada/Library/Caches/mlci'))
    """
    if environment.get("MLCI_CACHE"):
        return Path(environment["MLCI_CACHE"])
    if os.path.isabs(environment.get("XDG_CACHE_HOME", "")):
        return Path(environment["XDG_CACHE_HOME"]) / "mlci"
    home = environment.get("HOME", "")
    if not os.path.isabs(home):
        return None
    return Path(home, "Library/Caches/mlci" if platform == "darwin" else ".cache/mlci")


def code_stamp(folders: Iterable[Path]) -> list[tuple[str, int, int]]:
    """Returns the names, sizes and times of the Python files in folders, as a part of the key of what they compute:
    other code may compute something else."""
    files = (file for folder in folders for file in os.scandir(folder) if file.name.endswith(".py"))
    return sorted((file.name, (found := file.stat()).st_size, found.st_mtime_ns) for file in files)


def write_whole(file: Path, text: str) -> None:
    """Puts a file of the cache in place whole: of two runs at once, either may win."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    temporary = file.with_name(f".{file.name}-{os.getpid()}")
    try:
        temporary.write_text(text)
        os.replace(temporary, file)
    finally:
        temporary.unlink(missing_ok=True)
