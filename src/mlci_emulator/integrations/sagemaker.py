"""`sagemaker:create…`: jobs, waited for or not, and what serves models.

A `.sync` task's output is what Describe… says when the job has ended, in the older SDK's JSON: times are milliseconds
since 1970, as in the event by which Step Functions learns of the end. A job that failed or was stopped fails its task
with that as the cause. Step Functions marks each job that it starts with a tag, which is why its role needs
sagemaker:AddTags.
Sources: https://docs.aws.amazon.com/step-functions/latest/dg/connect-sagemaker.html;
https://docs.aws.amazon.com/sagemaker/latest/dg/automating-sagemaker-with-eventbridge.html (the training job's event).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from mlci_asl import TaskError
from mlci_emulator.integrations import json_values, sdk_names
from mlci_emulator.integrations.errors import old_sdk_error
from mlci_emulator.integrations.parameters import PlainShape
from mlci_emulator.integrations.resource_arns import Integration, Pattern
from mlci_emulator.integrations.response_metadata import with_metadata
from mlci_emulator.integrations.task_context import fields, where
from mlci_emulator.jobs import requests
from mlci_emulator.protocol.operations import ApiError, Request, Response, Service

if TYPE_CHECKING:
    from mlci_asl import Json, StopSignal, TaskCall

#: The two jobs of a usual flow, whose requests need no model to be known as right.
PLAIN: dict[str, PlainShape] = {
    "createProcessingJob": dict(requests.PROCESSING),
    "createTrainingJob": dict(requests.TRAINING),
}
_READ: dict[str, Callable[[Any], object]] = {
    "createProcessingJob": requests.processing,
    "createTrainingJob": requests.training,
}
_STATUS = {
    "createProcessingJob": "ProcessingJobStatus",
    "createTrainingJob": "TrainingJobStatus",
    "createTransformJob": "TransformJobStatus",
}
#: Source: the environment and tags of jobs that Step Functions has started.
STARTED_BY: dict[str, Json] = {"Key": "MANAGED_BY_AWS", "Value": "STARTED_BY_STEP_FUNCTIONS"}


class JobService(Service, Protocol):
    """SageMaker, with what `.sync` needs. `mlci_emulator.services.sagemaker.SageMaker` is one."""

    def run_to_end(
        self,
        operation: str,
        request: Request,
        region: str,
        stop: StopSignal,
        submitted: Callable[[Response], None],
    ) -> Response:
        """Creates a job, calls `submitted` with the answer, and waits for its end: what Describe… says then.

        Raises: ApiError.
        """
        ...


def call(service: JobService, integration: Integration, task: TaskCall) -> Json:
    """The output of a SageMaker task.

    Raises: TaskError.
    """
    request = _request(integration, fields(task.parameters))
    region = where(task).region
    _expect_possible(integration, request)
    try:
        if integration.pattern is Pattern.SYNC:
            described = service.run_to_end(
                integration.operation,
                request,
                region,
                task.stop,
                lambda answer: task.submitted(_answer(answer)),
            )
            return _completed(described, _STATUS[integration.action])
        return _answer(service.call(integration.operation, request, region))
    except ApiError as error:
        raise old_sdk_error("sagemaker", error) from error


def _expect_possible(integration: Integration, request: dict[str, Any]) -> None:
    """What AWS would do and this machine can't is no refusal of SageMaker's, which a state machine might retry.

    Raises: TaskError.
    """
    if integration.action in _READ:
        try:
            _READ[integration.action](request)
        except requests.UnsupportedRequest as error:
            raise TaskError("States.Runtime", str(error)) from error
        except (requests.MalformedRequest, requests.InvalidRequest):
            pass  # SageMaker says it in its own words


def _request(integration: Integration, given: dict[str, Json]) -> dict[str, Any]:
    request: dict[str, Any] = given
    if integration.action not in PLAIN:
        request = json_values.request(sdk_names.operation_model("sagemaker", integration.action).input_shape, given)  # type: ignore[union-attr]
    if integration.action in _STATUS:
        request = {**request, "Tags": [*request.get("Tags", []), STARTED_BY]}
    return request


def _answer(answer: Response) -> Json:
    return with_metadata("sagemaker", fields(json_values.answer(None, answer)))


def _completed(described: Response, status: str) -> Json:
    output: Json = json_values.epoch_millis(described)
    if described[status] != "Completed":
        raise TaskError("States.TaskFailed", json.dumps(output, separators=(",", ":"), ensure_ascii=False))
    return output
