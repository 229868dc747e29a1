"""The Python interpreter of the project, which local jobs run with: mlci may be installed apart from it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from mlci.errors import InputError, Problem
from mlci.flow.models import Flow
from mlci_dataclasses import dataclass


@dataclass(frozen=True)
class ProjectPython:
    """An interpreter, and where it comes from, in words.

    `is_own` says that it is mlci's own, and `is_fixed` that the flow names it.
    """

    executable: str
    origin: str
    is_own: bool = False
    is_fixed: bool = False

    def __str__(self) -> str:
        return f"python: {self.executable} ({self.origin})"


def python_of_flow(flow: Flow, environment: Mapping[str, str], folders: Iterable[Path], own: str) -> ProjectPython:
    """Returns the interpreter that `local: {python: …}` names, or else the one of the environment.

    Raises: InputError.
    """
    if flow.python is None:
        return project_python(environment, folders, own)
    command = str(Path(flow.file).resolve().parent / flow.python) if "/" in flow.python else flow.python
    python = shutil.which(command, path=environment.get("PATH"))
    if python is None:
        at = flow.position("local", "python")
        problem = Problem(at.file, at.line, at.column, f'"{flow.python}" is no Python interpreter', "Is it installed?")
        raise InputError([problem])
    return ProjectPython(python, "local: python in the flow", is_fixed=True)


def project_python(environment: Mapping[str, str], folders: Iterable[Path], own: str) -> ProjectPython:
    """Returns the interpreter of the active environment, else of `.venv` in one of the folders, else mlci's own.

    Conda's base environment is active in every shell of many machines, and so comes after `.venv`, as it does for uv:
    https://docs.astral.sh/uv/pip/environments/#discovery-of-python-environments
    """
    for folder, origin in _environments(environment, folders, os.path.dirname(own)):
        python = folder / "bin" / "python"
        if os.access(python, os.X_OK) and python.is_file():
            return ProjectPython(str(python), origin)
    return ProjectPython(own, "mlci's own: no environment is active, and the repository has no .venv", is_own=True)


def _environments(
    environment: Mapping[str, str], folders: Iterable[Path], own_programs: str
) -> Iterator[tuple[Path, str]]:
    """Yields environments that may be the project's, the first one first, and what they are."""
    conda = environment.get("CONDA_PREFIX", "")
    is_base = bool(conda) and _is_base(Path(conda), environment)
    if environment.get("VIRTUAL_ENV"):
        yield Path(environment["VIRTUAL_ENV"]), "the active environment, VIRTUAL_ENV"
    if conda and not is_base:
        yield Path(conda), "the active environment, CONDA_PREFIX"
    found = shutil.which("python", path=environment.get("PATH", os.defpath))
    if found is not None and os.path.dirname(found) != own_programs:
        folder = Path(found).parent.parent
        if _is_environment(folder) and not _is_base(folder, environment):
            yield folder, "the environment of python on PATH"
    for folder in folders:
        yield folder / ".venv", "the repository's .venv"
    if conda:
        yield Path(conda), "the base environment of conda, CONDA_PREFIX"


def _is_environment(folder: Path) -> bool:
    return (folder / "pyvenv.cfg").is_file() or (folder / "conda-meta").is_dir()


def _is_base(folder: Path, environment: Mapping[str, str]) -> bool:
    """Return True if the folder is conda's base environment, which alone holds `condabin`."""
    is_named = folder == Path(environment.get("CONDA_PREFIX", "")) and environment.get("CONDA_DEFAULT_ENV") == "base"
    return is_named or (folder / "condabin").is_dir()
