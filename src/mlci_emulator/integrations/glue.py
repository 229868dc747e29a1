"""`glue:startJobRun`, with or without waiting for the run.

The output of a `.sync` task is the run, as GetJobRun has it; that of a task which does not wait is StartJobRun's, with
the job's name. A run that did not succeed fails its task with the run as the cause.

Source: https://docs.aws.amazon.com/step-functions/latest/dg/connect-glue.html
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from mlci_asl import TaskError
from mlci_emulator.integrations import sdk_names, task_values
from mlci_emulator.integrations.errors import sdk_v1_error
from mlci_emulator.integrations.resource_arns import Integration, Pattern
from mlci_emulator.integrations.response_metadata import with_metadata
from mlci_emulator.integrations.task_context import fields, task_context
from mlci_emulator.protocol.operations import ApiError, Request, Response, Service

if TYPE_CHECKING:
    from mlci_asl import Json, StopSignal, TaskCall


class JobRunService(Service, Protocol):
    """Glue, as `.sync` needs it. `mlci_emulator.services.glue.GlueService` is one."""

    def run_to_end(
        self, request: Request, region: str, stop: StopSignal, submitted: Callable[[Response], None]
    ) -> Response:
        """Start a run, call `submitted` with the response, wait for its end, and return its description.

        Raises: ApiError.
        """
        ...


def call(service: JobRunService, integration: Integration, task: TaskCall) -> Json:
    """Return the output of a Glue task.

    Raises: TaskError.
    """
    operation = sdk_names.operation_model("glue", integration.action)
    assert operation is not None
    request, region = task_values.to_api(operation.input_shape, fields(task.parameters)), task_context(task).region
    try:
        if integration.pattern is not Pattern.SYNC:
            return _output(service.call(integration.operation, request, region), request)
        run = service.run_to_end(request, region, task.stop, lambda answer: task.submitted(_output(answer, request)))
    except ApiError as error:
        raise sdk_v1_error("glue", error) from error
    output: Json = task_values.epoch_millis(run)
    if run["JobRunState"] != "SUCCEEDED":
        raise TaskError("States.TaskFailed", json.dumps(output, separators=(",", ":"), ensure_ascii=False))
    return output


def _output(answer: Response, request: Request) -> Json:
    return with_metadata("glue", {**fields(task_values.to_task(None, answer)), "JobName": request["JobName"]})
