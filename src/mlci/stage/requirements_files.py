"""The requirements files of a step: those that pip reads before its script starts.

Format: https://pip.pypa.io/en/stable/reference/requirements-file-format/
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Collection, Iterator
from pathlib import Path

from mlci.flow.models import Step
from mlci.flow.secret_variables import isolations
from mlci.stage.models import Requirements
from mlci.stage.repository import OutsideRepository, Repository, UnusableFile, read_code
from mlci.step_types import STEP_TYPES
from mlci.step_types.sagemaker_jobs import NO_REQUIREMENTS
from mlci_dataclasses import dataclass

#: The file that SageMaker's toolkits install where it lies beside a training script.
#: Source: sagemaker-training-toolkit at v5.0.0, src/sagemaker_training/modules.py (has_requirements).
FILE_NAME = "requirements.txt"

_COMMENT = r"(^|\s+)#.*$"
_INCLUDES = ("-r", "--requirement", "-c", "--constraint")
_URLS = ("-i", "--index-url", "--pypi-url", "--extra-index-url", "-f", "--find-links")
_OPTION = r"(--[a-z-]+|-[a-z])[=\s]*(.*)"
_SCHEME = r"([a-z0-9]+\+)?[a-z][a-z0-9]*:"
_PASSWORD = r"://[^/@\s]*:(?!\$\{)[^/@\s]+@"
_NAMED_URL = r"[A-Za-z0-9._-]+\s*(?:\[[^]]*\])?\s*@\s*(.+)"
_ARCHIVE = r"\.(whl|zip|tar|tar\.gz|tgz|tar\.bz2|tar\.xz)$"


class UnusableRequirements(UnusableFile):
    """A requirements file can't be used: `args` are what is wrong, and what to do."""


def requirements_of(
    step: Step, script: Path | None, sent: Collection[Path], root: Path, repository: Repository
) -> Requirements | None:
    """Return the files that the step's job installs from; None for none.

    A training job also installs the requirements.txt beside its script, or else that at the root of its code, if it is
    sent, as SageMaker's toolkits do. `sent` are the other files of the code.

    Raises: UnusableRequirements.
    """
    try:
        first = _first(step, script, sent, root, repository)
        return _requirements(step, first, root, repository) if first else None
    except FileNotFoundError as error:
        hint = f"Paths are relative to {repository.base}."
        raise UnusableRequirements(f'"{error.args[-1]}" does not exist', hint) from error
    except OutsideRepository as error:
        raise UnusableRequirements(str(error), "Only what lies in the repository can be staged.") from error
    except UnusableFile as error:
        raise UnusableRequirements(*error.args) from error


def _requirements(step: Step, first: Path, root: Path, repository: Repository) -> Requirements:
    if any(isolations(dict(step.request), ())):
        what = f'"{repository.relative(first)}" is installed over the network, which EnableNetworkIsolation cuts off'
        raise UnusableFile(what, f"Remove one of them. `requirements: {NO_REQUIREMENTS}` installs nothing.")
    if not first.is_relative_to(root):
        raise UnusableFile(
            f'"{repository.relative(first)}" lies outside of `source`, which is all that is sent', "Move it there."
        )
    locations = list(dict.fromkeys(_included(first, repository)))
    files = []
    for location in locations:
        if not location.is_relative_to(root):
            what = f'"{repository.relative(location)}" lies outside of `source`, which is all that is sent'
            raise UnusableFile(what, "Move it there.")
        files.append(read_code(location, location.relative_to(root).as_posix()))
    return Requirements(first.relative_to(root).as_posix(), tuple(files), tuple(locations))


def _first(step: Step, script: Path | None, sent: Collection[Path], root: Path, repository: Repository) -> Path | None:
    """Return the requirements file that `requirements` names, or that is found."""
    if step.requirements == NO_REQUIREMENTS:
        return None
    if step.requirements is not None:
        location = repository.find(step.requirements)
        if not location.is_file():
            raise UnusableFile(f'"{step.requirements}" is a folder', "`requirements` names one file.")
        return location
    container = STEP_TYPES[step.uses].container
    if container is None or not container.installs_requirements:
        return None
    beside, at_root = script.with_name(FILE_NAME) if script else None, root / FILE_NAME
    if beside is not None and beside.is_file():
        repository.check(beside, repository.relative(beside))
        return beside
    return at_root if at_root in sent else None


def _included(location: Path, repository: Repository, seen: frozenset[Path] = frozenset()) -> Iterator[Path]:
    """Yield a file, and those that it includes.

    Raises: UnusableFile, with every line that a job can't install.
    """
    yield location
    problems: list[tuple[str, str]] = []
    name = repository.relative(location)
    for number, line in _lines(location, name):
        match _read(line):
            case _Include(path):
                target = location.parent / path
                if target in seen or target == location:
                    continue
                try:
                    found = repository.find(os.path.relpath(target, repository.base))
                except FileNotFoundError:
                    problems.append((f'{name}:{number}: "{path}" does not exist', "Paths are relative to the file."))
                    continue
                yield from _included(found, repository, seen | {location})
            case _Refused(what, hint):
                problems.append((f"{name}:{number}: {what}", hint))
    if problems:
        raise UnusableFile("; ".join(what for what, _ in problems), problems[0][1])


@dataclass(frozen=True)
class _Include:
    path: str


@dataclass(frozen=True)
class _Refused:
    what: str
    hint: str


def _lines(location: Path, name: str) -> Iterator[tuple[int, str]]:
    """Yield the lines with their numbers, continued ones joined, without comments."""
    try:
        text = location.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise UnusableFile(f'"{name}" is not UTF-8', "Save it as UTF-8.") from error
    joined, start = "", 0
    for number, line in enumerate(text.splitlines(), 1):
        start = start or number
        if line.endswith("\\") and not re.fullmatch(_COMMENT, line):
            joined += line[:-1] + " "
            continue
        whole = re.sub(_COMMENT, "", joined + line).strip()
        if whole:
            yield start, whole
        joined, start = "", 0
    if joined.strip():
        yield start, joined.strip()


def _read(line: str) -> _Include | _Refused | None:
    """Return what a line includes, or why a job can't install it; None for a line that is pip's alone.

    >>> _read("-r other.txt"), _read("numpy>=1.24 ; python_version > '3.9'")
    (_Include(path='other.txt'), None)
    >>> [_read(line).what for line in ("-e .", "./wheels/a.whl", "-r https://x.org/a.txt")]
    ... # doctest: +NORMALIZE_WHITESPACE
    ['"-e ." installs from a folder, which the job\\'s machine does not have',
     '"./wheels/a.whl" is a path, which the job\\'s machine does not have',
     '"https://x.org/a.txt" may change from one job to the next']
    """
    option = re.fullmatch(_OPTION, line)
    if option:
        return _read_option(line, option[1], option[2])
    requirement = line.split(" --", 1)[0].split(";", 1)[0].strip()
    named = re.fullmatch(_NAMED_URL, requirement)
    target = named[1] if named else requirement
    if target.startswith("file:") or (not re.match(_SCHEME, target) and _is_path(target)):
        what = f'"{requirement}" is a path, which the job\'s machine does not have'
        return _Refused(what, "Name a package of an index, or a URL. mlci sends the modules that scripts import.")
    return _password(line)


def _read_option(line: str, name: str, value: str) -> _Include | _Refused | None:
    if name in _INCLUDES:
        path = " ".join(shlex.split(value))
        if re.match(_SCHEME, path):
            return _Refused(f'"{path}" may change from one job to the next', "Copy it into the repository.")
        return _Include(path)
    if name in ("-e", "--editable"):
        if re.match(_SCHEME, value):
            return _Refused(f'"{line}" installs a checkout to be edited', f"Write it without {name}.")
        what = f'"{line}" installs from a folder, which the job\'s machine does not have'
        return _Refused(what, "Remove it: mlci sends the modules that scripts import, and what `include` names.")
    if name in ("-f", "--find-links") and not re.match(_SCHEME, value):
        return _Refused(f'"{line}" names a folder, which the job\'s machine does not have', "Name a URL.")
    return _password(line) if name in _URLS else None


def _is_path(text: str) -> bool:
    return text.startswith((".", "/", "~")) or "/" in text.split("@")[0] or re.search(_ARCHIVE, text) is not None


def _password(line: str) -> _Refused | None:
    if not re.search(_PASSWORD, line):
        return None
    what = "a password stands in a URL, and the file is stored with the run"
    return _Refused(what, "Write ${NAME} for it: pip puts in the environment variable of that name.")
