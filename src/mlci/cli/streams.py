"""Standard output and standard error whose loss ends no command.

The reader of a pipe goes away (`| head`), a disk is full (`> /dev/full`), a terminal is lost, or a stream is closed
from the start (`>&-`). A run goes on, because its exit code and its reports count more than its console.
"""

from __future__ import annotations

import errno
import io
import os
import select
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

from mlci_dataclasses import dataclass

if TYPE_CHECKING:
    from typing_extensions import Buffer

_STANDARD_DESCRIPTORS = (0, 1, 2)


class LossTolerantFile(io.FileIO):
    """A file descriptor that discards what is written to it after its first error.

    `error` is that error, None so far. As the lowest layer of a stream it protects each one above: print, click, rich.
    """

    error: OSError | None = None

    def write(self, data: Buffer, /) -> int:
        while self.error is None:
            try:
                written = super().write(data)
            except OSError as error:
                self.error = error
                break
            if written is not None:
                return written
            select.select([], [self.fileno()], [])  # somebody else made the descriptor non-blocking, and it is full
        return memoryview(data).nbytes


@dataclass(frozen=True)
class StandardOutput:
    """The standard output of a command; `file` is None where the caller of `main` has replaced `sys.stdout`."""

    file: LossTolerantFile | None

    @property
    def error(self) -> OSError | None:
        """The error that lost the output; None if all of it was written, or if its reader went away."""
        error = self.file.error if self.file else None
        return None if error is None or error.errno == errno.EPIPE else error

    def flush(self) -> None:
        """Writes what is buffered, so that `error` is known."""
        sys.stdout.flush()


@contextmanager
def loss_tolerant_streams() -> Iterator[StandardOutput]:
    """Replaces `sys.stdout` and `sys.stderr` by streams that raise no OSError, until the context is left.

    Characters that a stream can't encode are replaced: a terminal that can't show "✔" shows "?".
    """
    _open_closed_descriptors()
    previous = sys.stdout, sys.stderr
    output = error_output = None
    if sys.stdout is sys.__stdout__:
        output, sys.stdout = _tolerant(sys.stdout, 1)
    if sys.stderr is sys.__stderr__:
        error_output, sys.stderr = _tolerant(sys.stderr, 2)
    replaced = sys.stdout, sys.stderr
    try:
        yield StandardOutput(output)
    finally:
        for stream, file in zip(replaced, (output, error_output), strict=True):
            if file is not None:
                stream.flush()
        sys.stdout, sys.stderr = previous


def _tolerant(stream: TextIO | None, descriptor: int) -> tuple[LossTolerantFile, TextIO]:
    file = LossTolerantFile(descriptor, "w", closefd=False)
    if not isinstance(stream, io.TextIOWrapper):
        return file, io.TextIOWrapper(io.BufferedWriter(file), encoding="utf-8", errors="replace")
    return file, io.TextIOWrapper(
        io.BufferedWriter(file),
        encoding=stream.encoding,
        errors="replace",
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )


def _open_closed_descriptors() -> None:
    """Opens the null device in the place of standard descriptors that are closed.

    Otherwise the next file that is opened gets the number of one, and output of a subprocess ends up in that file.
    """
    for descriptor in _STANDARD_DESCRIPTORS:
        try:
            os.fstat(descriptor)
        except OSError:
            opened = os.open(os.devnull, os.O_RDWR)
            if opened != descriptor:
                os.dup2(opened, descriptor)
                os.close(opened)
            os.set_inheritable(descriptor, True)
