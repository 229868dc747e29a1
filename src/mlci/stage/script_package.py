"""The files of a step's code as its container gets them: the starter, and the repository's files in their layout."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from mlci.stage.models import StagedFile
from mlci.stage.repository import UnusableFile
from mlci.step_types.base import CodePackage
from mlci.step_types.script_start import ARCHIVE_FOLDER, DOCUMENT, GLUE_STARTER, STARTER, STARTER_PREFIX, ScriptStart

_STARTER_FOLDER = Path(__file__).with_name("starter")
_SUPERVISOR = f"{STARTER_PREFIX}_supervise.py"
#: Files that a feature needs beside its own.
_COMPANIONS: Mapping[str, tuple[str, ...]] = {"secrets": (f"{STARTER_PREFIX}_aws.py",)}


def packaged(files: Sequence[StagedFile], start: ScriptStart, package: CodePackage) -> tuple[StagedFile, ...]:
    """Return the files that are uploaded for a step's script.

    In an archive, the starter lies at the root, and all else in a folder, which the starter moves to the root before
    the script runs. Until then no file of the repository lies where a training toolkit takes it for its own: a
    `setup.py`, a `requirements.txt`, which the starter installs itself, a `json.py`. A script that runs without
    Python, outside of an archive, needs no starter.

    Raises: UnusableFile, if a file of the repository has a name of the starter's.
    """
    if package == "fetched":
        return (*_starter(start, (GLUE_STARTER,)), *files)
    if package == "archive":
        return (*_starter(start), *(_in_archive(file) for file in files))
    if not start.needs_starter:
        return tuple(files)
    for file in files:
        if file.path.startswith(STARTER_PREFIX) and file.path.endswith((".py", ".json")):
            what = f'"{file.path}" at the repository\'s root has the name of a file that mlci adds'
            raise UnusableFile(what, "Rename it.")
    return (*_starter(start), *files)


def _in_archive(file: StagedFile) -> StagedFile:
    return replace(file, path=f"{ARCHIVE_FOLDER}/{file.path}")


def _starter(start: ScriptStart, names: Sequence[str] = (STARTER,)) -> Iterator[StagedFile]:
    names = list(names)
    for feature in start.features:
        names += [f"{STARTER_PREFIX}_{feature}.py", *_COMPANIONS.get(feature, ())]
    for name in [*names, _SUPERVISOR] if start.features else names:
        yield _starter_file(name)
    yield _staged(DOCUMENT, _STARTER_FOLDER / STARTER, start.document())


@functools.cache
def _starter_file(name: str) -> StagedFile:
    return _staged(name, _STARTER_FOLDER / name, (_STARTER_FOLDER / name).read_bytes())


def _staged(path: str, source: Path, content: bytes) -> StagedFile:
    return StagedFile(path, hashlib.sha256(content).hexdigest(), len(content), source, content)
