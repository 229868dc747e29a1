"""The way a step's script starts in its container: the start document, and the commands that run it. Pure.

The starter (`stage/starter/mlci_start.py`) lies beside the code, and reads the start document beside it. It runs the
script as `python SCRIPT` in the code's folder does, whatever the image. A processing job whose script needs no Python
does without it: its image may have none.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import field

from mlci.step_types.keys import Json
from mlci_dataclasses import dataclass

#: The names of the starter and of its document among a step's code.
STARTER = "mlci_start.py"
DOCUMENT = "mlci_start.json"
#: The file that Glue runs, which fetches all others.
GLUE_STARTER = "mlci_start_glue.py"
#: The folder of an archive that holds the code until the starter moves it to the root.
ARCHIVE_FOLDER = "mlci_code"
#: Begins the names of all files that belong to the starter.
STARTER_PREFIX = "mlci_start"
SHELL_SUFFIX = ".sh"
#: `run: -m package.module`.
MODULE = re.compile(r"-m +([A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*)")


@dataclass(frozen=True)
class ScriptStart:
    """The content of the start document: how a step's script starts.

    `run` is `{"script": path}`, `{"module": name}` or `{"command": [program]}`. `import_roots` are the folders, beside
    the script's own, at which its imports start, and `working_dir` is where it starts; paths are relative to the code's
    root, which is "". `features` are what the starter does beyond starting, by their names there. `command` runs a
    script without the starter, in the working folder; it is empty where the script, or a feature, needs Python.
    """

    run: Mapping[str, Json]
    import_roots: tuple[str, ...] = ()
    working_dir: str = ""
    features: Mapping[str, Json] = field(default_factory=dict)
    command: tuple[str, ...] = ()

    @property
    def needs_starter(self) -> bool:
        """True if a processing job runs the starter, and not the command itself."""
        return bool(self.features) or not self.command

    def document(self) -> bytes:
        """Return the start document's bytes."""
        content: dict[str, Json] = {"run": dict(self.run), "import_roots": list(self.import_roots)}
        if self.working_dir:
            content["working_dir"] = self.working_dir
        return json.dumps({**content, **self.features}, indent=2, sort_keys=True).encode() + b"\n"


def shell_of(first_line: bytes) -> tuple[str, ...]:
    """Return the program that a script's first line names, and its one argument; bash if the line names none.

    >>> shell_of(b"#! /bin/sh -e\\n"), shell_of(b"#!/usr/bin/env -S bash -e"), shell_of(b"echo")
    (('/bin/sh', '-e'), ('/usr/bin/env', '-S bash -e'), ('bash',))
    """
    line = first_line.removeprefix(b"#!").strip(b" \t\n").decode(errors="replace").replace("\t", " ")
    if not first_line.startswith(b"#!") or not line:
        return ("bash",)
    program, _, option = line.partition(" ")
    return (program, option.strip(" ")) if option else (program,)


def processing_entrypoint(folder: str, working_dir: str, command: Sequence[str]) -> list[str]:
    """Return ContainerEntrypoint of a processing job whose code is in `folder`; the script's arguments follow it.

    Without a command, the starter runs the script. With one, the image needs no Python.

    >>> processing_entrypoint("/opt/ml/processing/input/code", "", ())
    ['python3', '/opt/ml/processing/input/code/mlci_start.py']
    >>> processing_entrypoint("/c", "src", ("/bin/sh", "-e", "./x.sh"))
    ['/bin/sh', '-c', 'mkdir -p "$0" && cd "$0" && exec "$@"', '/c/src', '/bin/sh', '-e', './x.sh']
    """
    if not command:
        return ["python3", f"{folder}/{STARTER}"]
    make = 'mkdir -p "$0" && ' if working_dir else ""  # none of the files that are sent may lie there
    return ["/bin/sh", "-c", f'{make}cd "$0" && exec "$@"', f"{folder}/{working_dir}".rstrip("/"), *command]
