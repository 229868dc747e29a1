"""The names and times of an execution, and the context object (`$$`) that its states read.

Source: https://docs.aws.amazon.com/step-functions/latest/dg/input-output-contextobject.html
"""

from __future__ import annotations

from datetime import datetime

from mlci_asl.jsontext import Json
from mlci_asl.timestamps import format_timestamp
from mlci_dataclasses import dataclass


@dataclass(frozen=True)
class Context:
    """Names and times of one execution; `started` and `redriven` are in UTC."""

    execution_arn: str
    execution_name: str
    role_arn: str
    started: datetime
    machine_arn: str
    machine_name: str
    version_arn: str | None = None
    alias_arn: str | None = None
    redrive_count: int = 0
    redriven: datetime | None = None

    @property
    def region(self) -> str:
        """The region in the execution's ARN; empty if it has none."""
        parts = self.execution_arn.split(":")
        return parts[3] if len(parts) > 3 else ""


def context_object(
    context: Context, input: Json, state: str, entered_time: datetime, retry_count: int | None, token: str | None
) -> dict[str, Json]:
    """The context object in a state.

    `retry_count` is None for states without Retry, which have no RetryCount. `token` is None for tasks without one.
    """
    task: dict[str, Json] = {} if token is None else {"Task": {"Token": token}}
    redrive_time = context.redriven
    redriven: dict[str, Json] = {} if redrive_time is None else {"RedriveTime": format_timestamp(redrive_time)}
    retries: dict[str, Json] = {} if retry_count is None else {"RetryCount": retry_count}
    return {
        "Execution": {
            "Id": context.execution_arn,
            "Input": input,
            "StartTime": format_timestamp(context.started),
            "Name": context.execution_name,
            "RoleArn": context.role_arn,
            "RedriveCount": context.redrive_count,
            **redriven,
        },
        "StateMachine": {"Id": context.machine_arn, "Name": context.machine_name},
        "State": {"Name": state, "EnteredTime": format_timestamp(entered_time), **retries},
        **task,
    }
