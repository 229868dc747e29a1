"""The commands that start a step's script in its container: by the starter, or by a shell. Pure.

The starter (`stage/mlci_start.py`) lies beside the code of a Python script. It runs the script as `python SCRIPT` in
the code's folder does, whatever the image.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

#: The name of the starter among a step's code.
STARTER = "mlci_start.py"
SHELL_SUFFIX = ".sh"


def shell_of(first_line: bytes) -> tuple[str, ...]:
    """Return the program that a shell script's first line names, and its one argument; bash if the line names none.

    >>> shell_of(b"#! /bin/sh -e\\n"), shell_of(b"#!/usr/bin/env -S bash -e"), shell_of(b"echo")
    (('/bin/sh', '-e'), ('/usr/bin/env', '-S bash -e'), ('bash',))
    """
    line = first_line.removeprefix(b"#!").strip(b" \t\n").decode(errors="replace").replace("\t", " ")
    if not first_line.startswith(b"#!") or not line:
        return ("bash",)
    program, _, option = line.partition(" ")
    return (program, option.strip(" ")) if option else (program,)


def processing_entrypoint(folder: str, script: str, import_roots: Iterable[str]) -> list[str]:
    """Return ContainerEntrypoint of a processing job whose code is in `folder`; the script's arguments follow it.

    >>> processing_entrypoint("/opt/ml/processing/input/code", "src/a.py", ["src"])
    ['python3', '/opt/ml/processing/input/code/mlci_start.py', '--import-root=src', '--', 'src/a.py']
    """
    roots = [f"--import-root={root}" for root in import_roots]
    return ["python3", f"{folder}/{STARTER}", *roots, "--", script]


def shell_entrypoint(folder: str, script: str, shell: Sequence[str]) -> list[str]:
    """Return ContainerEntrypoint of a processing job that runs a shell script. The image needs no Python.

    The script runs in its code's folder, as one that the starter runs does.

    >>> shell_entrypoint("/c", "x.sh", ["/bin/sh", "-e"])
    ['/bin/sh', '-c', 'cd "$0" && exec "$@"', '/c', '/bin/sh', '-e', './x.sh']
    """
    return ["/bin/sh", "-c", 'cd "$0" && exec "$@"', folder, *shell, f"./{script}"]
