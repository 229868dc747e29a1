"""Gives each job a Python environment of its own above the one that it runs with.

The environment is empty, and sees the packages below it. `pip install` in a job finds what is there already, and adds
to the job's own environment, which is removed with the job; pip uninstalls nothing below. (With PIP_TARGET instead,
pip 23.2 installs every dependency again, and uninstalls from the environment below.)

It is a virtual environment as PEP 405 describes it. `uv run --with` builds its own in the same way:
https://docs.astral.sh/uv/concepts/projects/run/.
"""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import field
from pathlib import Path

from mlci_dataclasses import dataclass
from mlci_emulator.jobs import interpreter

_QUERY_S = 60.0


class PythonUnavailable(Exception):
    """A job's interpreter can't be had; the text says why."""


@dataclass(frozen=True)
class Interpreter:
    """An interpreter that jobs run with, and variables that belong to it.

    `folders` are on PATH after its own.
    """

    executable: str
    variables: Mapping[str, str] = field(default_factory=dict)
    folders: tuple[str, ...] = ()


@dataclass(frozen=True)
class JobPython:
    """The interpreter of a job: its executable, the folders that are first on PATH, and variables.

    `is_in_image` says that it is not this machine's, but that of the image which the job runs in.
    """

    executable: str
    folders: tuple[str, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)
    is_in_image: bool = False


#: The interpreter of a job that runs in its image.
IMAGE_PYTHON = JobPython("python3", is_in_image=True)


@dataclass(frozen=True)
class PythonFacts:
    """An interpreter, as `interpreter.describe` returns it."""

    base: str
    version: str
    library: str
    sites: tuple[str, ...]


def bare(python: Interpreter) -> JobPython:
    """Return an interpreter as it is."""
    folder = os.path.dirname(python.executable)
    return JobPython(python.executable, (*([folder] if folder else []), *python.folders), python.variables)


def overlay(python: Interpreter, folder: Path, environment: Mapping[str, str]) -> JobPython:
    """Make an environment above an interpreter in this folder, and return it.

    An interpreter that does not answer is returned as it is: the job's start says what is wrong with it.
    """
    facts = python_facts(python.executable, environment)
    if facts is None:
        return bare(python)
    executable = make_environment(facts, folder, facts.sites)
    _write_pip(executable)
    programs = str(executable.parent)
    # uv looks for VIRTUAL_ENV.
    return JobPython(
        str(executable), (programs, *bare(python).folders), {**python.variables, "VIRTUAL_ENV": str(folder)}
    )


def make_environment(facts: PythonFacts, folder: Path, sites: Iterable[str]) -> Path:
    """Make an empty environment for an interpreter, with these folders of packages below, and return its executable."""
    programs, packages = folder / "bin", folder / facts.library
    programs.mkdir(parents=True)
    packages.mkdir(parents=True)
    home = os.path.dirname(facts.base)
    settings = f"home = {home}\ninclude-system-site-packages = false\nversion = {facts.version}\n"
    (folder / "pyvenv.cfg").write_bytes(os.fsencode(settings))
    major, minor, _ = facts.version.split(".")
    for name in ("python", "python3", f"python{major}.{minor}"):
        (programs / name).symlink_to(facts.base)
    # In the order of the interpreter below; `addsitedir` reads the .pth files there, too. ASCII, whatever the locale.
    lines = [f"import site; site.addsitedir({site!a})\n" for site in sites]
    (packages / "_below.pth").write_text("".join(lines), encoding="ascii")
    return programs / "python"


def _write_pip(executable: Path) -> None:
    """Write the program `pip`: another one on PATH would install elsewhere.

    It is no script of Python's: a path in its first line may be longer than the kernel reads, or hold a space.
    """
    quoted = str(executable).replace("'", "'\\''")
    for name in ("pip", "pip3"):
        program = executable.with_name(name)
        program.write_bytes(os.fsencode(f"#!/bin/sh\nexec '{quoted}' -m pip \"$@\"\n"))
        program.chmod(0o755)


def python_facts(python: str, environment: Mapping[str, str]) -> PythonFacts | None:
    """Return the facts of an interpreter; None if it does not answer. Each is asked once."""
    return _ask(python, tuple(sorted(environment.items())))


@functools.cache
def _ask(python: str, environment: tuple[tuple[str, str], ...]) -> PythonFacts | None:
    if python == sys.executable:
        return _facts(interpreter.describe())
    try:
        done = subprocess.run(
            [python, interpreter.__file__],
            env=dict(environment),
            cwd="/",
            capture_output=True,
            timeout=_QUERY_S,
            check=True,
        )
        return _facts(json.loads(done.stdout))
    except (OSError, subprocess.SubprocessError, ValueError, KeyError, TypeError):
        return None


def _facts(described: Mapping[str, object]) -> PythonFacts:
    sites = described["sites"]
    if not isinstance(sites, list):
        raise TypeError(sites)
    return PythonFacts(
        str(described["base"]), str(described["version"]), str(described["library"]), tuple(map(str, sites))
    )
