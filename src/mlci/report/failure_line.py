"""The line of a failure that says what went wrong, for where a single line is shown."""

from __future__ import annotations

import re

_STEP = re.compile(r'step "[^"\n]*" failed: ')
_NEXT_STEP = re.compile(r'\nstep "[^"\n]*" failed: ')
#: The reason of SageMaker's training toolkit: headings, what the script wrote, and the command that started it.
#: Source: https://github.com/aws/sagemaker-training-toolkit/blob/master/src/sagemaker_training/errors.py
_TOOLKIT = re.compile(r'ErrorMessage "(?P<text>.*?)"?\s*(?:\nCommand "|\Z)', re.DOTALL)
_TRACEBACK = "Traceback (most recent call last):"


def failure_line(reason: str) -> str:
    """Return the line that says what went wrong: the first, or what a heading without content is about.

    >>> failure_line("AlgorithmError: no such column: speed\\nTraceback (most recent call last):")
    'AlgorithmError: no such column: speed'
    >>> error = 'Traceback (most recent call last):\\n  File "a.py", line 1\\nValueError: no\\nCaused by the data'
    >>> failure_line(f'step "a" failed: ExecuteUserScriptError:\\nExitCode 1\\nErrorMessage "{error}"\\nCommand "x"')
    'step "a" failed: ValueError: no'
    """
    step = _STEP.match(reason.lstrip())
    prefix = step.group() if step else ""
    text = _NEXT_STEP.split(reason.strip().removeprefix(prefix), maxsplit=1)[0]
    first, _, rest = text.strip().partition("\n")
    told = _TOOLKIT.search(rest)
    if first.rstrip().endswith(":") and told:
        first = _error_line(told["text"]) or first
    return f"{prefix}{first.strip()}"


def _error_line(output: str) -> str:
    """Return the line of the last exception in what a script wrote, or else the last line; "" if there is none."""
    _, traceback, below = output.rpartition(_TRACEBACK)
    lines = [line for line in below.split("\n") if line.strip()]
    if traceback:
        return next((line for line in lines if not line[0].isspace()), "")
    return lines[-1].strip() if lines else ""
