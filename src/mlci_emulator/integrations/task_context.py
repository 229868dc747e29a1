"""The region, account and state machine of a task's execution."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from mlci_emulator.identity import ACCOUNT, REGION

if TYPE_CHECKING:
    from mlci_asl import Json, TaskCall


class TaskContext(NamedTuple):
    """The parts of an execution's ARN."""

    region: str
    account: str
    state_machine_arn: str


def task_context(task: TaskCall) -> TaskContext:
    """Return the context of a task's execution, with the emulator's own values if the ARN is of another form.

    `arn:aws:states:<region>:<account>:execution:<machine>:<name>`, and for an Express execution
    `…:express:<machine>:<name>:<id>`.
    """
    parts = task.execution_arn.split(":")
    if len(parts) < 8:
        return TaskContext(REGION, ACCOUNT, "")
    partition, region, account, machine = parts[1], parts[3], parts[4], parts[6]
    return TaskContext(region, account, f"arn:{partition}:states:{region}:{account}:stateMachine:{machine}")


def fields(parameters: Json) -> dict[str, Json]:
    """Return the parameters, which are known to be an object."""
    return parameters if isinstance(parameters, dict) else {}
