"""A command line, as dvc.yaml and MLproject have it → what a step starts, and its arguments."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Sequence

from mlci_dataclasses import dataclass

_PYTHON = re.compile(r"python[0-9.]*")
#: What a shell does beyond splitting words: such a command goes to a shell as it is.
_SHELL_CHARACTERS = re.compile(r"[|&;<>()$`\\*?\[\]#~{}!\n]")
_ASSIGNMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=")


@dataclass(frozen=True)
class StartCommand:
    """The keys `run` and `args` of a step, and `env` of the assignments before a command."""

    run: str
    args: tuple[str, ...] = ()
    env: tuple[tuple[str, str], ...] = ()


def parse_command(commands: Sequence[str], is_file: Callable[[str], bool]) -> StartCommand:
    """Returns how a step runs these commands, one after the other. `is_file` knows the files of the repository.

    >>> parse_command(["python src/train.py --depth 3"], lambda path: True)
    StartCommand(run='src/train.py', args=('--depth', '3'), env=())
    >>> parse_command(["python -m pkg.train a b"], lambda path: True).run
    '-m pkg.train'
    """
    command = " && ".join(line.strip() for line in commands)
    words = [] if len(commands) != 1 or _SHELL_CHARACTERS.search(_unquoted(command)) else _words(command)
    environment = []
    while words and _ASSIGNMENT.match(words[0]):
        name, _, value = words.pop(0).partition("=")
        environment.append((name, value))
    start = _start(words, is_file) if words else None
    if start is None:
        return StartCommand("sh", ("-c", command))
    return StartCommand(start.run, start.args, tuple(environment))


def _start(words: Sequence[str], is_file: Callable[[str], bool]) -> StartCommand | None:
    """Returns the script, the module or the program that the words start; None where a shell has to."""
    program, rest = words[0], list(words[1:])
    if _PYTHON.fullmatch(program):
        while rest and rest[0] in ("-u", "-B"):
            rest.pop(0)
        if len(rest) > 1 and rest[0] == "-m":
            return StartCommand(f"-m {rest[1]}", tuple(rest[2:]))
        return _script(rest) if rest and rest[0].endswith(".py") else None
    if program in ("sh", "bash") and rest and rest[0].endswith(".sh") and is_file(rest[0].removeprefix("./")):
        return _script(rest)
    if "/" in program:
        return _script(words) if is_file(program.removeprefix("./")) else None
    return StartCommand(program, tuple(rest))


def _script(words: Sequence[str]) -> StartCommand:
    return StartCommand(words[0].removeprefix("./"), tuple(words[1:]))


def _words(command: str) -> list[str]:
    try:
        return shlex.split(command)
    except ValueError:  # a quotation that does not end
        return []


def _unquoted(command: str) -> str:
    """Returns the command without what stands in single quotes."""
    return re.sub(r"'[^']*'", "", command)
