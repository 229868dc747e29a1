"""The protocol of the handlers that do tasks, which an embedding program implements, and the call that they get."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, runtime_checkable

from mlci_asl.callbacks import Callback
from mlci_asl.jsontext import Json
from mlci_asl.stop_signal import StopSignal
from mlci_dataclasses import dataclass


@dataclass(frozen=True)
class TaskCall:
    """One attempt at a task.

    `resource` is the one in the definition. `stop` is set when the execution is stopped, when a sibling branch has
    failed, and when the state has timed out: the handler then ends within a second, and the execution waits for it.
    The handler calls `submitted`, at most once, with the service's response when a `.sync` job has been accepted.

    `.waitForTaskToken` resources and activities have a `callback`. The handler of the former calls the service and
    returns its response at once; the handler of an activity only queues the task. The interpreter then waits for the
    callback, and nothing else keeps it alive. `credentials` are the state's Credentials, evaluated. The interpreter
    enforces `timeout_s` and `heartbeat_s`, the state's timeouts.
    """

    resource: str
    state: str
    parameters: Json
    stop: StopSignal
    submitted: Callable[[Json], None]
    execution_arn: str = ""
    callback: Callback | None = None
    credentials: Json = None
    timeout_s: int | None = None
    heartbeat_s: int | None = None


class Handlers(Protocol):
    """Does tasks. Called from several threads at once, each call in the thread of its branch."""

    def supports(self, resource: str) -> bool:
        """True if the handlers can do tasks with this resource."""
        ...

    def __call__(self, task: TaskCall) -> Json:
        """The task's result.

        Raises: TaskError, to fail the task with an error name. Any other exception is an error of the handler, which
        fails the execution with States.Runtime and the exception's text.
        """
        ...


@runtime_checkable
class ParameterCheck(Protocol):
    """Handlers may also check parameters: invalid ones fail the execution before the task is scheduled."""

    def check(self, resource: str, parameters: Json) -> Sequence[str]:
        """The problems of the parameters, in AWS's words; empty if they can start the task.

        Raises: TaskError, whose cause is a whole sentence, if the task can't be started for another reason.
        """
        ...
