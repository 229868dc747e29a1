"""What does the work of tasks: the protocol that an embedding program implements, and what it is called with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from mlci_asl.callbacks import Callback
from mlci_asl.jsontext import Json
from mlci_asl.stop_signal import StopSignal


@dataclass(frozen=True)
class TaskCall:
    """One attempt at a task.

    `resource` is as in the definition. `stop` is set when the execution is stopped, when a sibling branch has failed,
    and when the state has timed out: the handler then ends within a second, and until it has, the execution waits.
    `submitted` is to be called, at most once, with the service's answer when a `.sync` job has been accepted.

    `callback` is there for `.waitForTaskToken` resources, whose handler does the call and returns the service's answer
    at once, and for activities, whose handler only queues the task: the interpreter then waits for the callback, and
    it alone keeps it alive. `credentials` are the state's Credentials, evaluated. `timeout_s` and `heartbeat_s` are
    the state's limits, which the interpreter keeps.
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
        """Whether tasks with this resource can be done."""
        ...

    def __call__(self, task: TaskCall) -> Json:
        """The task's result.

        Raises: TaskError, to fail the task under a name. Any other exception is a fault of the handler, which fails
        the execution with States.Runtime and the exception's text.
        """
        ...


@runtime_checkable
class ParameterCheck(Protocol):
    """What handlers may have besides: parameters that can't start a task fail the execution before it is scheduled."""

    def check(self, resource: str, parameters: Json) -> Sequence[str]:
        """What is wrong with the parameters, each in AWS's words; nothing where they can start the task.

        Raises: TaskError, whose cause says in a sentence of its own why the task can't be started.
        """
        ...
