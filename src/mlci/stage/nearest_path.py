"""The path of the repository that a path which does not exist was meant to be."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from mlci.stage.repository import IGNORED_NAMES, Repository

#: As many files are looked at for the same name in another folder.
_MOST_FILES = 20_000


def nearest_path(repository: Repository, path: str) -> str | None:
    """Return the nearest path that exists, relative to the flow's folder as `path` is; None if none is near.

    A file of the same name in another folder is near, and so is a path of which each part is spelt alike.
    """
    return _spelt_alike(repository.base, path) or _elsewhere(repository.base, Path(path).name)


def _spelt_alike(base: Path, path: str) -> str | None:
    location = base
    for part in Path(path).parts:
        if not (location / part).exists():
            names = [name for name in _names(location) if name not in IGNORED_NAMES]
            near = _near(part, names)
            if near is None:
                return None
            part = near
        location = location / part
    return os.path.relpath(location, base)


def _near(name: str, names: list[str]) -> str | None:
    """Return the name that is spelt alike; the ending that two files share says nothing.

    >>> _near("trian.py", ["train.py", "a.py"]), _near("one.py", ["two.py"]), _near("data.cvs", ["data.csv"])
    ('train.py', None, 'data.csv')
    """
    from difflib import get_close_matches  # only a path that does not exist needs it

    suffix = Path(name).suffix
    stems = {Path(each).stem: each for each in names if Path(each).suffix == suffix}
    near = get_close_matches(Path(name).stem, list(stems), 1, 0.6)
    if near:
        return stems[near[0]]
    return next(iter(get_close_matches(name, names, 1, 0.75)), None)


def _names(folder: Path) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except OSError:
        return []


def _elsewhere(base: Path, name: str) -> str | None:
    found = [path for path in islice(_files(base), _MOST_FILES) if path.name == name]
    return os.path.relpath(found[0], base) if len(found) == 1 else None


def _files(base: Path) -> Iterator[Path]:
    for folder, folders, names in os.walk(base):
        folders[:] = sorted(name for name in folders if name not in IGNORED_NAMES and not name.startswith("."))
        yield from (Path(folder, name) for name in (*folders, *names))
