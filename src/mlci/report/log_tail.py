"""The last lines of a failed step's log, without what its reason says already."""

from __future__ import annotations

#: Less than this may stand in a reason by chance.
_MIN_CHARS = 20


def without_repetition(tail: str, reason: str) -> str:
    """Return the lines of a log's end that come before those that the reason repeats, which are the last.

    >>> tail = "reading 12 rows\\nTraceback (most recent call last):\\n  File \\"a.py\\"\\nValueError: no"
    >>> without_repetition(tail, 'ErrorMessage "Traceback (most recent call last):\\nFile "a.py"\\nValueError: no"')
    'reading 12 rows'
    """
    lines, told = tail.rstrip().split("\n"), _plain(reason)
    for start in range(len(lines)):
        repeated = _plain("\n".join(lines[start:]))
        if repeated in told and (start == 0 or len(repeated) >= _MIN_CHARS):
            return "\n".join(lines[:start]).rstrip()
    return tail


def _plain(text: str) -> str:
    """The text without the indents of its lines, and without empty lines."""
    return "\n".join(filter(None, (line.strip() for line in text.split("\n"))))
