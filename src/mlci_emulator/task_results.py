"""The results of tasks that wait for a token, from another process: SendTaskSuccess for executions of this process.

A task that waits has a file `<digest of its token>.waiting` in the folder of its execution. Its result arrives as
`<digest>.result`, and is renamed to `<digest>.taken` once it counts. Only the owner can write there, and only one
result can arrive.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import stat
import threading
from collections.abc import Callable, Iterator
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING

from mlci_dataclasses import dataclass
from mlci_emulator.errors import OperationError

if TYPE_CHECKING:
    import mlci_asl as asl

_WAITING, _RESULT, _TAKEN = ".waiting", ".result", ".taken"
_POLL_S = 0.1
#: As much as the output of a task may have, and as much again for its escapes.
_MAX_BYTES = 1 << 19


class TaskNotWaiting(OperationError):
    """No task waits for this token, or another result has arrived."""


@dataclass(frozen=True)
class TaskResults:
    """Takes the results of tasks that wait. `folder` returns the folder of an execution, by its name. `waiting` has the
    tasks of this process by their tokens, which it may complete itself."""

    folder: Callable[[str], Path]
    waiting: dict[str, asl.Callback] = field(default_factory=dict)

    def expect_result(self, task: asl.TaskCall) -> None:
        """Expect the result of a task that waits for a token; of other tasks, none comes."""
        if task.callback is not None and task.resource.endswith(".waitForTaskToken"):
            self.waiting[task.callback.token] = task.callback
            self.expect(task.callback, task.execution_arn.rpartition(":")[2])

    def succeed(self, token: str, output: str) -> bool:
        """Complete a task of this process; return False if it does not wait."""
        return token in self.waiting and self.waiting[token].succeed(output)

    def fail(self, token: str, error: str, cause: str) -> bool:
        """Fail a task of this process; return False if it does not wait."""
        return token in self.waiting and self.waiting[token].fail(error, cause)

    def heartbeat(self, token: str) -> bool:
        """Tell that the work for a task of this process goes on; return False if it does not wait."""
        return token in self.waiting and self.waiting[token].heartbeat()

    def expect(self, callback: asl.Callback, execution: str) -> None:
        """Complete a callback by the result that arrives for its token, in a thread that ends with the callback."""
        folder, name = self.folder(execution), _name(callback.token)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _write_new(folder / f"{name}{_WAITING}", b"")
        threading.Thread(target=_await_result, args=(callback, folder, name), name="task result", daemon=True).start()


def send_task_success(folder: Path, token: str, output: str) -> Callable[[], bool]:
    """Send the output of a waiting task, and return a function that tells whether the task has taken it.

    Raises: TaskNotWaiting.
    """
    name = _name(token)
    if not (folder / f"{name}{_WAITING}").exists():
        raise TaskNotWaiting("no task waits for this token")
    temporary, result = folder / f".{name}-{os.urandom(4).hex()}", folder / f"{name}{_RESULT}"
    try:
        _write_new(temporary, json.dumps({"token": token, "output": output}).encode())
        os.link(temporary, result)
    except FileExistsError as error:
        raise TaskNotWaiting("another result has arrived for this token") from error
    except FileNotFoundError as error:
        raise TaskNotWaiting("the execution has ended") from error
    finally:
        temporary.unlink(missing_ok=True)
    return (folder / f"{name}{_TAKEN}").exists


def _name(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _write_new(path: Path, data: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with open(descriptor, "wb") as file:
        file.write(data)


def _await_result(callback: asl.Callback, folder: Path, name: str) -> None:
    waiting, result = folder / f"{name}{_WAITING}", folder / f"{name}{_RESULT}"
    is_over = threading.Event()
    try:
        while callback.is_open() and not is_over.wait(_POLL_S):
            output = _read_output(result, callback.token)
            if output is not None and callback.succeed(output):
                result.rename(folder / f"{name}{_TAKEN}")
    finally:
        waiting.unlink(missing_ok=True)


def _read_output(path: Path, token: str) -> str | None:
    """Return the output in a result's file; None if there is none yet, or if it is not from this user."""
    try:
        with _opened(path) as descriptor:
            status = os.fstat(descriptor)
            if status.st_uid != os.geteuid() or not stat.S_ISREG(status.st_mode):
                return None
            document = json.loads(os.read(descriptor, _MAX_BYTES))
    except (OSError, ValueError, RecursionError):
        return None
    if not isinstance(document, dict) or document.get("token") != token:
        return None
    output = document.get("output")
    return output if isinstance(output, str) and _is_json(output) else None


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True
