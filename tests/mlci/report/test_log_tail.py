"""The end of a failed step's log: nothing is told twice, and nothing is lost."""

from __future__ import annotations

import pytest

from mlci.report.log_tail import without_repetition

TRACEBACK = 'Traceback (most recent call last):\n  File "a.py", line 1, in <module>\n    f()\nValueError: bad data'
REASON = f'AlgorithmError: ExecuteUserScriptError:\nExitCode 1\nErrorMessage "{TRACEBACK}"\nCommand "python a.py"'


@pytest.mark.parametrize(
    ("tail", "reason", "left"),
    [
        (TRACEBACK, REASON, ""),
        (f"reading\n\n{TRACEBACK}\n", REASON, "reading"),
        (TRACEBACK, REASON.replace("\n  ", "\n"), ""),
        (TRACEBACK, "AlgorithmError: , exit code: 1", TRACEBACK),
        (f"{TRACEBACK}\nkilled", REASON, f"{TRACEBACK}\nkilled"),
        ("rows: 12\n1", REASON, "rows: 12\n1"),
        ("trained", "trained, and no model", ""),
        ("", "a reason", ""),
    ],
)
def test_lines_that_the_reason_has_are_left_out_at_the_end(tail: str, reason: str, left: str) -> None:
    assert without_repetition(tail, reason) == left
