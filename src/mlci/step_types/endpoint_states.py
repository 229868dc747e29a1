"""The states of an endpoint step: create or update the endpoint, wait until it is in service, ask it, tidy up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from mlci.step_types import sagemaker_models as models
from mlci.step_types.endpoint_requests import MAX_SMOKE_REQUESTS
from mlci.step_types.kept_results import keep_result
from mlci.step_types.states import (
    SAGEMAKER_RETRIES,
    SAGEMAKER_TRANSIENT_ERRORS,
    Alternative,
    BranchState,
    PollState,
    SmokeState,
    State,
    StepPaths,
    TaskState,
)

_CALL_S, _INVOKE_S = 60, 90
#: The cause of a creation whose answer was lost, so that it was sent again: names are of one run and step.
_EXISTS = "*Cannot create already existing endpoint*"
_NO_ENDPOINT = "*Could not find endpoint*"
#: The causes of a deletion of what is gone.
_GONE = ("*Could not find model*", "*Could not find endpoint*")
#: The names of what runs of merged code create. An endpoint that another tool created has other ones.
_OWN = "mlcip-*"
#: EndpointStatus, https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_DescribeEndpoint.html
_PENDING = ("Creating", "Updating", "SystemUpdating", "RollingBack")
_SDK_TRANSIENT_ERRORS = ("SageMaker.SdkClientException",)
#: The rules for `aws-sdk:` tasks, whose exceptions have another base class.
SDK_RETRIES = tuple(
    replace(rule, errors=("SageMaker.SageMakerException",)) for rule in SAGEMAKER_RETRIES if rule.kind == "service"
)
#: Source: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_runtime_InvokeEndpoint.html (Errors)
_RUNTIME_TRANSIENT_ERRORS = (
    "SageMakerRuntime.InternalDependencyException",
    "SageMakerRuntime.InternalFailureException",
    "SageMakerRuntime.ModelNotReadyException",
    "SageMakerRuntime.SdkClientException",
    "SageMakerRuntime.ServiceUnavailableException",
)


def states(paths: StepPaths) -> tuple[State, ...]:
    """Return the states in order. Where the endpoint is `kept`, one that is there is updated."""
    smoke = (_smoke(paths),) if "smoke" in paths.input_fields else ()
    keep = _keep_answers(paths, f"{paths.result}.smoke" if smoke else f"{paths.input}.no_answers")
    first = (models.create_model(paths), _create_config(paths))
    if "kept" not in paths.input_fields:
        return (*first, _create_endpoint(paths), _await(paths), *smoke, keep)
    before = f"{paths.result}.before"
    return (
        *first,
        _look(paths),
        BranchState(
            "is there an endpoint?",
            before,
            present=(_look_further(paths), _update_endpoint(paths)),
            absent=(_create_endpoint(paths),),
        ),
        replace(_await(paths), undo=_undo(paths)),
        *smoke,
        BranchState(
            "is there an old configuration of the flow?",
            f"{before}.config",
            pattern=_OWN,
            present=(_deletion(paths, "delete the old configuration", "EndpointConfig", f"{before}.config"),),
        ),
        BranchState(
            "is there an old model of the flow?",
            f"{before}.model",
            pattern=_OWN,
            present=(_deletion(paths, "delete the old model", "Model", f"{before}.model"),),
        ),
        keep,
    )


def _look(paths: StepPaths) -> TaskState:
    return _sdk_task(
        paths,
        "look for the endpoint",
        "describeEndpoint",
        {"EndpointName.$": f"{paths.input}.endpoint.name"},
        keeps={"config": "$.EndpointConfigName"},
        alternative=Alternative((_NO_ENDPOINT,), ()),
    )


def _look_further(paths: StepPaths) -> TaskState:
    return _sdk_task(
        paths,
        "look for its configuration",
        "describeEndpointConfig",
        {"EndpointConfigName.$": f"{paths.result}.before.config"},
        keeps={"config": "$.EndpointConfigName", "model": "$.ProductionVariants[0].ModelName"},
    )


def _undo(paths: StepPaths) -> tuple[TaskState | BranchState, ...]:
    """Return the states that delete what did not come into service. An endpoint that was there goes on as it was."""
    return (
        BranchState(
            "was there an endpoint?",
            f"{paths.result}.before",
            absent=(_deletion(paths, "delete the endpoint", "Endpoint", f"{paths.input}.endpoint.name"),),
        ),
        _deletion(paths, "delete the configuration", "EndpointConfig", f"{paths.input}.config.name"),
        _deletion(paths, "delete the model", "Model", f"{paths.input}.model.name"),
    )


def _create_config(paths: StepPaths) -> TaskState:
    return TaskState(
        title="create the configuration",
        resource="arn:aws:states:::sagemaker:createEndpointConfig",
        parameters={
            "EndpointConfigName.$": f"{paths.input}.config.name",
            **paths.request_parameters,
        },
        transient_errors=SAGEMAKER_TRANSIENT_ERRORS,
        failure_title="configuration not created",
        timeout_s=_CALL_S,
        retries=SAGEMAKER_RETRIES,
        attempt_path=f"{paths.input}.config.attempt",
        alternative=Alternative((_EXISTS,), ()),
    )


def _create_endpoint(paths: StepPaths) -> TaskState:
    return TaskState(
        title="create the endpoint",
        resource="arn:aws:states:::sagemaker:createEndpoint",
        parameters={
            "EndpointName.$": f"{paths.input}.endpoint.name",
            "EndpointConfigName.$": f"{paths.input}.config.name",
            "Tags.$": f"{paths.input}.endpoint.tags",
        },
        transient_errors=SAGEMAKER_TRANSIENT_ERRORS,
        failure_title="endpoint not created",
        timeout_s=_CALL_S,
        retries=SAGEMAKER_RETRIES,
        attempt_path=f"{paths.input}.endpoint.attempt",
        alternative=Alternative((_EXISTS,), ()),
    )


def _update_endpoint(paths: StepPaths) -> TaskState:
    return TaskState(
        title="update the endpoint",
        resource="arn:aws:states:::sagemaker:updateEndpoint",
        parameters={
            "EndpointName.$": f"{paths.input}.endpoint.name",
            "EndpointConfigName.$": f"{paths.input}.config.name",
        },
        transient_errors=SAGEMAKER_TRANSIENT_ERRORS,
        failure_title="endpoint not updated",
        timeout_s=_CALL_S,
        retries=SAGEMAKER_RETRIES,
        attempt_path=f"{paths.input}.endpoint.attempt",
    )


def _await(paths: StepPaths) -> PollState:
    """Return the loop that waits for the endpoint; after an update that was rolled back, its configuration differs."""
    return PollState(
        title="wait for the endpoint",
        seconds_path=f"{paths.input}.poll_s",
        counter_path=f"{paths.input}.poll",
        limit_path=f"{paths.input}.in_service_s",
        task=_sdk_task(
            paths,
            "look at the endpoint",
            "describeEndpoint",
            {"EndpointName.$": f"{paths.input}.endpoint.name"},
            keeps={"described": "$"},
            keeps_below=".endpoint",
        ),
        status_field="EndpointStatus",
        reason_field="FailureReason",
        pending=_PENDING,
        wanted="InService",
        same=("EndpointConfigName", f"{paths.input}.config.name"),
        failure="the endpoint did not come into service",
        failure_title="not in service",
    )


def _smoke(paths: StepPaths) -> SmokeState:
    return SmokeState(
        title="send the smoke requests",
        task_title="send a smoke request",
        endpoint_path=f"{paths.input}.endpoint.name",
        items_path=f"{paths.input}.smoke",
        keeps_below=".smoke",
        max_items=MAX_SMOKE_REQUESTS,
        timeout_s=_INVOKE_S,
        transient_errors=_RUNTIME_TRANSIENT_ERRORS,
        failure_title="smoke request failed",
    )


def _keep_answers(paths: StepPaths, answers: str) -> TaskState:
    return keep_result(paths, "answers", "result", answers)


def _sdk_task(
    paths: StepPaths,
    title: str,
    action: str,
    parameters: Mapping[str, str],
    keeps: Mapping[str, str] | None = None,
    keeps_below: str = ".before",
    alternative: Alternative | None = None,
) -> TaskState:
    return TaskState(
        title=title,
        resource=f"arn:aws:states:::aws-sdk:sagemaker:{action}",
        parameters=parameters,
        transient_errors=_SDK_TRANSIENT_ERRORS,
        retries=SDK_RETRIES,
        attempt_path=f"{paths.input}.look.attempt",
        failure_title=f"failed to {title}",
        keeps=keeps or {},
        keeps_below=keeps_below,
        timeout_s=_CALL_S,
        alternative=alternative,
    )


def _deletion(paths: StepPaths, title: str, noun: str, name_path: str) -> TaskState:
    """Return the state that deletes something. It is fine if that is gone."""
    alternative = Alternative(_GONE, ())
    return _sdk_task(paths, title, f"delete{noun}", {f"{noun}Name.$": name_path}, alternative=alternative)
