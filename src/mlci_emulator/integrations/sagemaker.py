"""`sagemaker:create…`: jobs, with or without waiting for them, models and endpoints.

The output of a `.sync` task is the Describe… output of the finished job, in the JSON of the SDK for Java 1: times are
milliseconds since 1970, as in the event that tells Step Functions of the end. A job that failed or was stopped fails
its task with that output as the cause. Step Functions tags each job that it starts, so its role needs
sagemaker:AddTags.
Sources: https://docs.aws.amazon.com/step-functions/latest/dg/connect-sagemaker.html;
https://docs.aws.amazon.com/sagemaker/latest/dg/automating-sagemaker-with-eventbridge.html (the training job's event).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from mlci_asl import TaskError
from mlci_emulator.integrations import sdk_names, task_values
from mlci_emulator.integrations.errors import sdk_v1_error
from mlci_emulator.integrations.parameters import PlainShape
from mlci_emulator.integrations.resource_arns import Integration, Pattern
from mlci_emulator.integrations.response_metadata import with_metadata
from mlci_emulator.integrations.task_context import fields, task_context
from mlci_emulator.jobs import requests
from mlci_emulator.protocol.operations import ApiError, Request, Response, Service

if TYPE_CHECKING:
    from mlci_asl import Json, StopSignal, TaskCall

#: The requests of a usual flow's two jobs, which are validated without a model.
PLAIN: dict[str, PlainShape] = {
    "createProcessingJob": dict(requests.PROCESSING),
    "createTrainingJob": dict(requests.TRAINING),
}


def _read_tuning(parameters: Any, runs_in_image: Callable[[str], bool]) -> object:
    from mlci_emulator.jobs.tuning_request import tuning  # most runs have no tuning job

    return tuning(parameters)


_READ: dict[str, Callable[[Any, Callable[[str], bool]], object]] = {
    "createProcessingJob": requests.processing,
    "createTrainingJob": requests.training,
    "createHyperParameterTuningJob": _read_tuning,
}
_STATUS = {
    "createProcessingJob": "ProcessingJobStatus",
    "createTrainingJob": "TrainingJobStatus",
    "createTransformJob": "TransformJobStatus",
    "createHyperParameterTuningJob": "HyperParameterTuningJobStatus",
}
#: Source: the environment and tags of jobs that Step Functions has started.
STARTED_BY: dict[str, Json] = {"Key": "MANAGED_BY_AWS", "Value": "STARTED_BY_STEP_FUNCTIONS"}


class JobService(Service, Protocol):
    """SageMaker, as `.sync` needs it. `mlci_emulator.services.sagemaker.SageMaker` is one."""

    def runs_in_image(self, image: str) -> bool: ...

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
    """Return the output of a SageMaker task.

    Raises: TaskError.
    """
    request = _request(integration, fields(task.parameters))
    region = task_context(task).region
    _expect_possible(service, integration, request)
    try:
        if integration.pattern is Pattern.SYNC:
            described = service.run_to_end(
                integration.operation,
                request,
                region,
                task.stop,
                lambda answer: task.submitted(_output(answer)),
            )
            return _completed(described, _STATUS[integration.action])
        return _output(service.call(integration.operation, request, region))
    except ApiError as error:
        raise sdk_v1_error("sagemaker", error) from error


def _expect_possible(service: JobService, integration: Integration, request: dict[str, Any]) -> None:
    """Reject a job that cannot run here by another error than SageMaker's, which a state machine might retry.

    Raises: TaskError.
    """
    if integration.action in _READ:
        try:
            _READ[integration.action](request, service.runs_in_image)
        except requests.UnsupportedRequest as error:
            raise TaskError("States.Runtime", str(error)) from error
        except (requests.MalformedRequest, requests.InvalidRequest):
            pass  # SageMaker rejects it in its own words


def _request(integration: Integration, parameters: dict[str, Json]) -> dict[str, Any]:
    request: dict[str, Any] = parameters
    if integration.action not in PLAIN:
        request = task_values.to_api(sdk_names.operation_model("sagemaker", integration.action).input_shape, parameters)  # type: ignore[union-attr]
    if integration.action in _STATUS:
        request = {**request, "Tags": [*request.get("Tags", []), STARTED_BY]}
    return request


def _output(answer: Response) -> Json:
    return with_metadata("sagemaker", fields(task_values.to_task(None, answer)))


def _completed(described: Response, status: str) -> Json:
    output: Json = task_values.epoch_millis(described)
    if described[status] != "Completed":
        raise TaskError("States.TaskFailed", json.dumps(output, separators=(",", ":"), ensure_ascii=False))
    return output
