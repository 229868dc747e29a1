"""What every kind of integration needs to know of a task: where it runs, and for whom."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from mlci_emulator.identity import ACCOUNT, REGION

if TYPE_CHECKING:
    from mlci_asl import Json, TaskCall


class Where(NamedTuple):
    """Of an execution's ARN."""

    region: str
    account: str
    state_machine_arn: str


def where(task: TaskCall) -> Where:
    """Where the task's execution runs; what the ARN doesn't say is as in `mlci run`.

    `arn:aws:states:<region>:<account>:execution:<machine>:<name>`, with `express` and a further part in an express one.
    """
    parts = task.execution_arn.split(":")
    if len(parts) < 8:
        return Where(REGION, ACCOUNT, "")
    partition, region, account, machine = parts[1], parts[3], parts[4], parts[6]
    return Where(region, account, f"arn:{partition}:states:{region}:{account}:stateMachine:{machine}")


def fields(parameters: Json) -> dict[str, Json]:
    """The parameters, which have been checked to be an object."""
    return parameters if isinstance(parameters, dict) else {}
