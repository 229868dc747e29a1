r"""The bytes of a job's log → lines to read. A progress bar, which draws over its line by "\r", becomes one line."""

from __future__ import annotations

#: A line that is longer is cut into lines of this length, so that a job can't fill mlci's memory.
MAX_LINE_BYTES = 65_536


def lines_of(text: str) -> list[str]:
    r"""The lines of a text; of a line that was drawn over, only the last state remains.

    >>> lines_of("10 %\r50 %\r100 %\ndone\r\n")
    ['100 %', 'done']
    """
    lines = text.split("\n")
    return [last_state(line) for line in (lines[:-1] if lines[-1] == "" else lines)]


def last_state(line: str) -> str:
    r"""A line as a terminal shows it after the last "\r".

    >>> last_state("10 %\r50 %\r"), last_state("one\r"), last_state("one")
    ('50 %', 'one', 'one')
    """
    return line.rstrip("\r").rpartition("\r")[2]


def last_line(text: str) -> str:
    """The last line of a text that is not blank; empty if there is none.

    >>> last_line("one\\ntwo\\n  \\n")
    'two'
    """
    return next((line.strip() for line in reversed(lines_of(text)) if line.strip()), "")


class LineSplitter:
    """Splits a log that grows into whole lines."""

    def __init__(self) -> None:
        self._pending = b""

    def feed(self, data: bytes) -> list[str]:
        """Takes the next bytes, and returns the lines that they end."""
        *whole, pending = (self._pending + data).split(b"\n")
        if len(pending) > MAX_LINE_BYTES:
            pending = pending.rstrip(b"\r").rpartition(b"\r")[2]
        while len(pending) > MAX_LINE_BYTES:
            whole.append(pending[:MAX_LINE_BYTES])
            pending = pending[MAX_LINE_BYTES:]
        self._pending = pending
        return [_decoded(line) for line in whole]

    def rest(self) -> list[str]:
        """Returns the line that no newline ended, if there is one."""
        pending, self._pending = self._pending, b""
        return [_decoded(pending)] if pending else []


def _decoded(line: bytes) -> str:
    return last_state(line.decode("utf-8", "replace"))
