"""Runs a step's script as a child, and stays its parent: filters its output, and acts when the script has ended.

Signals are passed on to the script. The exit code is the script's, also where a signal killed it. Without a filter, the
script writes to this process's own output.
"""

import os
import re
import resource
import signal
import subprocess
import sys
import threading

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType
    from typing import Callable, Dict, List, NoReturn, Optional, Sequence, Tuple

    from mlci.stage.starter.mlci_start import ScriptJob

    Filter = Callable[[bytes], bytes]

#: Signals that a job's process may get from outside.
_SIGNALS = ("SIGHUP", "SIGINT", "SIGQUIT", "SIGTERM", "SIGUSR1", "SIGUSR2")
#: The ends of a line; a progress bar returns to the line's start.
_LINE_END = re.compile(b"\r\n|\r|\n")
#: A longer line is printed in parts.
_MAX_LINE_BYTES = 1 << 20
#: A process that the script leaves behind may hold its output open; it is not waited for any longer.
_DRAIN_S = 5


def supervise(job: "ScriptJob") -> "NoReturn":
    """Run the script, do what is due afterwards, and exit as the script did."""
    returncode = run(job.command, job.environment, job.filters)
    for action in job.always:
        action()
    if returncode == 0:
        done = [_succeeds(action) for action in job.after]
        returncode = 0 if all(done) else 1
    exit_as(returncode)


def _succeeds(action: "Callable[[], None]") -> bool:
    try:
        action()
    except SystemExit as failure:
        sys.stderr.write("{}\n".format(failure))
        return False
    return True


def run(command: "Sequence[str]", environment: "Dict[str, str]", filters: "Sequence[Filter]") -> int:
    """Return the command's exit code; the negative number of a signal that killed it."""
    children: List[subprocess.Popen[bytes]] = []
    early: List[int] = []

    def forward(number: int, frame: "Optional[FrameType]") -> None:
        for child in children:
            child.send_signal(number)
        if not children:
            early.append(number)

    for name in _SIGNALS:
        number = getattr(signal, name)
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, forward)
    child = _started(command, environment, subprocess.PIPE if filters else None)
    children.append(child)
    for number in early:
        child.send_signal(number)
    pumps = [
        threading.Thread(target=pump, args=(source.fileno(), target, filters), daemon=True)
        for source, target in ((child.stdout, 1), (child.stderr, 2))
        if source is not None
    ]
    for thread in pumps:
        thread.start()
    child.wait()
    for thread in pumps:
        thread.join(_DRAIN_S)
    return int(child.returncode)


def _started(
    command: "Sequence[str]", environment: "Dict[str, str]", output: "Optional[int]"
) -> "subprocess.Popen[bytes]":
    encoded = [_encoded(part) for part in command]
    variables = {_encoded(name): _encoded(value) for name, value in environment.items()}
    try:
        return subprocess.Popen(encoded, env=variables, stdout=output, stderr=output, bufsize=0)
    except OSError as error:
        sys.stderr.write("{}: {}\n".format(command[0], error.strerror))
        sys.exit(127 if isinstance(error, FileNotFoundError) else 126)


def pump(source: int, target: int, filters: "Sequence[Filter]") -> None:
    """Copy lines from one file descriptor to another, each through the filters, which raise nothing."""
    rest = b""
    while True:
        chunk = os.read(source, 1 << 16)
        lines, rest = _lines(rest, chunk)
        if rest and (not chunk or len(rest) > _MAX_LINE_BYTES):
            end = rest.rfind(b" ") + 1 if chunk else 0  # a filter finds a word that is not cut
            lines, rest = [*lines, rest[: end or None]], rest[end:] if end else b""
        for each in filters:
            lines = [each(line) for line in lines]
        if not _write(target, b"".join(lines)):
            os.close(source)  # nobody reads any more; the script is told as if there were no parent
            return
        if not chunk:
            return


def _lines(rest: bytes, chunk: bytes) -> "Tuple[List[bytes], bytes]":
    """Return the lines that end in the chunk, and the beginning of the next one.

    >>> _lines(b"a", b"b\\nc\\r\\nd")
    ([b'ab\\n', b'c\\r\\n'], b'd')
    """
    lines = []
    start = 0
    for end in _LINE_END.finditer(chunk):
        lines.append(rest + chunk[start : end.end()])
        rest, start = b"", end.end()
    return lines, rest + chunk[start:]


def _write(target: int, content: bytes) -> bool:
    try:
        while content:
            content = content[os.write(target, content) :]
    except OSError:
        return False
    return True


def exit_as(returncode: int) -> "NoReturn":
    """Exit with the script's code, or by the signal that killed the script."""
    sys.stderr.flush()
    if returncode < 0:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # the script's own core dump is enough
        if -returncode not in (signal.SIGKILL, signal.SIGSTOP):
            signal.signal(-returncode, signal.SIG_DFL)
        os.kill(os.getpid(), -returncode)
        returncode = 128 - returncode  # the first process of a container survives its own signals
    sys.exit(returncode)


def _encoded(text: str) -> bytes:
    """Encode as UTF-8, whatever the locale. Bytes that Python could not decode stay as they came."""
    return text.encode("utf-8", "surrogateescape")
