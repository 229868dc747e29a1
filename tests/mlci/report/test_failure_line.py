"""The line of a failure that says what went wrong."""

from __future__ import annotations

import pytest

from mlci.report.failure_line import failure_line

HEAD = "AlgorithmError: ExecuteUserScriptError:\nExitCode 1\n"
COMMAND = 'Command "/usr/bin/python3 a.py", exit code: 1'
TRACEBACK = 'Traceback (most recent call last):\n  File "a.py", line 1\n    f()\n'


@pytest.mark.parametrize(
    ("reason", "line"),
    [
        ("", ""),
        ("AlgorithmError: no such column\nTraceback (most recent call last):\n", "AlgorithmError: no such column"),
        (f'{HEAD}ErrorMessage "{TRACEBACK}ValueError: no\nof two lines"\n{COMMAND}', "ValueError: no"),
        (f'{HEAD}ErrorMessage "{TRACEBACK}KeyError: 1\n\n{TRACEBACK}ValueError: no"\n{COMMAND}', "ValueError: no"),
        (f'{HEAD}ErrorMessage "ValueError: no\n"\n{COMMAND}', "ValueError: no"),
        (f'{HEAD}ErrorMessage "line 1\nKilled"', "Killed"),
        (f'{HEAD}ErrorMessage ""\n{COMMAND}', "AlgorithmError: ExecuteUserScriptError:"),
        (f'step "a(n=1)" failed: {HEAD}ErrorMessage "{TRACEBACK}E: x"\n{COMMAND}', 'step "a(n=1)" failed: E: x'),
        ('step "a" failed: one:\nstep "b" failed: two', 'step "a" failed: one:'),
        ("Exit code 1:\nmore", "Exit code 1:"),
    ],
)
def test_the_line_says_what_went_wrong(reason: str, line: str) -> None:
    assert failure_line(reason) == line
