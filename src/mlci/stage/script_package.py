"""The files of a step's code as its container gets them: the starter, and the repository's files in their layout."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from mlci.stage.models import StagedFile
from mlci.stage.repository import UnusableFile
from mlci.step_types.base import CodePackage
from mlci.step_types.script_start import SHELL_SUFFIX, STARTER

#: The folder of an archive that holds the code until the starter moves it to the root.
ARCHIVE_FOLDER = "mlci_code"
#: The toolkits install it if it is beside the program. Source: modules.has_requirements in sagemaker-training-toolkit.
REQUIREMENTS = "requirements.txt"


def packaged(files: Sequence[StagedFile], script: str, package: CodePackage) -> tuple[StagedFile, ...]:
    """Return the files that are uploaded for a step's script.

    In an archive, the starter and requirements.txt lie at the root, and all else in a folder, which the starter moves
    to the root before the script runs. Until then no file of the repository lies where a training toolkit, or the pip
    that it starts, takes it for its own: a `setup.py`, a `pyproject.toml`, a `json.py`. A shell script outside of an
    archive needs no starter: its image may have no Python.

    Raises: UnusableFile, if a file of the repository has the starter's name.
    """
    if package == "archive":
        return (_starter(), *(_in_archive(file) for file in files))
    if script.endswith(SHELL_SUFFIX):
        return tuple(files)
    if any(file.path == STARTER for file in files):
        raise UnusableFile(f'"{STARTER}" at the repository\'s root has the name of a file that mlci adds', "Rename it.")
    return (_starter(), *files)


def _in_archive(file: StagedFile) -> StagedFile:
    return file if file.path == REQUIREMENTS else replace(file, path=f"{ARCHIVE_FOLDER}/{file.path}")


def _starter() -> StagedFile:
    source = Path(__file__).with_name(STARTER)
    content = source.read_bytes()
    return StagedFile(STARTER, hashlib.sha256(content).hexdigest(), len(content), source, content)
