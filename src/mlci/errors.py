"""The errors that a user is meant to read, and the exit code that each ends in.

They stand outside the line: every module may raise them, and only `cli/main.py` catches them all. A missed gate is no
error but a result (exit code 1), so it has no class here.
"""

from __future__ import annotations

from collections.abc import Iterable

from mlci_dataclasses import dataclass


@dataclass(frozen=True, order=True)
class Problem:
    """One thing that is wrong in the user's input, and where.

    `file`, `line` and `column` (both from 1) are empty or 0 where the input is not a file, such as an option.

    >>> print(Problem("flow.yaml", 31, 14, 'unknown key "imputs"', 'Did you mean "inputs"?'))
    flow.yaml:31:14: unknown key "imputs". Did you mean "inputs"?
    """

    file: str
    line: int
    column: int
    what: str
    hint: str = ""

    def __str__(self) -> str:
        place = ":".join(str(part) for part in (self.file, self.line, self.column) if part)
        text = f"{place}: {self.what}" if place else self.what
        return f"{text}. {self.hint}" if self.hint else text


class MlciError(Exception):
    """Base of every error that a user is meant to read: what is wrong, where, and what to do."""

    exit_code = 3

    def __init__(self, what: str, where: str = "", hint: str = "") -> None:
        super().__init__(what, where, hint)  # args stay whole, so repr, pickle and logs do too
        self.what, self.where, self.hint = what, where, hint

    def __str__(self) -> str:
        text = f"{self.where}: {self.what}" if self.where else self.what
        return f"{text} {self.hint}" if self.hint else text


class InputError(MlciError):
    """The input is wrong: flow, options or configuration. Holds all of its problems; nothing was staged or started."""

    exit_code = 2

    def __init__(self, problems: Iterable[Problem] | str, hint: str = "") -> None:
        found = [Problem("", 0, 0, problems, hint)] if isinstance(problems, str) else list(problems)
        self.problems = tuple(dict.fromkeys(sorted(found)))
        super().__init__("\n".join(str(problem) for problem in self.problems))


class SdkMissing(InputError):
    """A definition has to be compiled, and the environment has no SDK for that, as a slim install of mlci."""


class CloudError(MlciError):
    """The cloud did not do what it was asked: refused, unreachable, or an answer that we do not know."""


class Stopped(MlciError):
    """The run was stopped or timed out, and nothing is left running."""

    exit_code = 4
