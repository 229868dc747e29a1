"""`uses: register`: a version of a model package group in SageMaker's model registry, for one model.

Runs of merged code register in the group that the flow names. Any other run on AWS registers in a group of its own,
whose name begins as its jobs' names do, so that no right on the one is a right on the other.

Sources: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateModelPackage.html;
https://docs.aws.amazon.com/sagemaker/latest/dg/model-registry-version.html
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping

from mlci.step_types import sagemaker_jobs as jobs
from mlci.step_types import sagemaker_models as models
from mlci.step_types.base import Cleanup, Request, ResolvedStep, StepType, no_further_requests
from mlci.step_types.grants import Grant, Grants
from mlci.step_types.kept_results import KEEP_RESULTS, keep_result, result_place
from mlci.step_types.keys import Json, Key, NameRule
from mlci.step_types.model_metadata import metadata, metadata_problems
from mlci.step_types.states import SAGEMAKER_RETRIES, Alternative, State, StepPaths, TaskState, attempt_counters

_OUTPUT, _FILE = "package", "package.json"
_TRANSIENT_ERRORS = ("SageMaker.SdkClientException", "ThrottlingException")
_CALL_S = 60
#: ModelPackageGroupName has at most 63 characters. No name has two - in a row, which the names of jobs have: so no
#: group that a flow names is one of a run's own.
_GROUP = NameRule(
    "a model package group",
    re.compile(r"[a-zA-Z0-9](-?[a-zA-Z0-9])*"),
    63,
    "letters, digits and single -, beginning and ending with a letter or digit",
)
_TYPES = re.compile(r"[\w.+*-]+/[\w.+*;= -]+")


def _own_group(step: ResolvedStep) -> str:
    """Return the group of a run whose version must not outlive it; empty if the version may."""
    return "" if step.keeps_resources else step.job


def _group_name(step: ResolvedStep) -> str:
    return _own_group(step) or str(step.values["group"])


def _group_problems(value: Json) -> Iterator[tuple[tuple[str | int, ...], str, str]]:
    text = str(value)
    if not _GROUP.pattern.fullmatch(text) or len(text) > _GROUP.max_chars:
        hint = f"It has {_GROUP.allowed}, and at most {_GROUP.max_chars} characters"
        yield (), f'"{text[:80]}" is not a name for {_GROUP.kind}', hint


def _type_problems(value: Json) -> Iterator[tuple[tuple[str | int, ...], str, str]]:
    for index, each in enumerate(value if isinstance(value, list) else ()):
        if not _TYPES.fullmatch(str(each)):
            yield (index,), f'"{str(each)[:80]}" is not a MIME type', "Such as text/csv or application/json"


def _instance_problems(value: Json) -> Iterator[tuple[tuple[str | int, ...], str, str]]:
    for index, each in enumerate(value if isinstance(value, list) else ()):
        if not jobs.INSTANCE_TYPE.fullmatch(str(each)):
            yield (index,), f'"{str(each)[:80]}" is not an instance type', f"Such as {jobs.DEFAULT_INSTANCE}"


def _approval_problems(value: Json) -> Iterator[tuple[tuple[str | int, ...], str, str]]:
    if value not in ("pending", "approved"):
        yield (), f'"{str(value)[:80]}" is no approval', "Write pending or approved"


def _request(step: ResolvedStep) -> dict[str, Json]:
    values = step.values
    specification: dict[str, Json] = {
        "Containers": [models.model_container(step)],
        "SupportedContentTypes": values.get("content_types") or ["text/csv"],
        "SupportedResponseMIMETypes": values.get("response_types") or ["text/csv"],
    }
    for key, field in (
        ("inference_instances", "SupportedRealtimeInferenceInstanceTypes"),
        ("transform_instances", "SupportedTransformInstanceTypes"),
    ):
        if values.get(key):
            specification[field] = values[key]
    is_approved = step.is_protected and values.get("approval") == "approved"
    request: dict[str, Json] = {
        # A repeated call with the same token makes no second version. It has at most 36 characters.
        "ClientToken": f"{step.run_id}-{hashlib.sha256(step.job.encode()).hexdigest()[:12]}",
        "CustomerMetadataProperties": metadata(step),
        "InferenceSpecification": specification,
        "ModelApprovalStatus": "Approved" if is_approved else "PendingManualApproval",
    }
    if values.get("description"):
        request["ModelPackageDescription"] = values["description"]
    metrics = step.metrics_uris.get(str(values.get("model_metrics")))
    if metrics:
        statistics: dict[str, Json] = {"ContentType": "application/json", "S3Uri": metrics}
        request["ModelMetrics"] = {"ModelQuality": {"Statistics": statistics}}
    return request


def _execution_input(step: ResolvedStep, request: Mapping[str, Json]) -> dict[str, Json]:
    return {
        "group": _group_name(step),
        "group_tags": [{"Key": key, "Value": value} for key, value in step.tags.items() if key == "mlci:flow"],
        "attempt": attempt_counters(SAGEMAKER_RETRIES),
        "version": {"attempt": attempt_counters(SAGEMAKER_RETRIES)},
        "package": result_place(step.outputs[_OUTPUT], _FILE),
    }


def _states(paths: StepPaths) -> tuple[State, ...]:
    """Return the states: the group, unless it is there already; the version; and its description as an output."""
    part = "States.ArrayGetItem(States.StringSplit($.ModelPackageArn, '/'), {})"
    return (
        TaskState(
            title="",
            resource="arn:aws:states:::aws-sdk:sagemaker:createModelPackageGroup",
            parameters={"ModelPackageGroupName.$": f"{paths.input}.group", "Tags.$": f"{paths.input}.group_tags"},
            transient_errors=_TRANSIENT_ERRORS,
            retries=SAGEMAKER_RETRIES,
            attempt_path=f"{paths.input}.attempt",
            failure_title="failed",
            timeout_s=_CALL_S,
            alternative=Alternative(("*already exists*",), ()),
        ),
        TaskState(
            title="register the model",
            resource="arn:aws:states:::aws-sdk:sagemaker:createModelPackage",
            parameters={
                "ModelPackageGroupName.$": f"{paths.input}.group",
                **paths.request_parameters,
            },
            transient_errors=_TRANSIENT_ERRORS,
            retries=SAGEMAKER_RETRIES,
            attempt_path=f"{paths.input}.version.attempt",
            failure_title="model not registered",
            keeps={
                "arn": "$.ModelPackageArn",
                "group": part.format(1),
                "version": f"States.StringToJson({part.format(2)})",
            },
            timeout_s=_CALL_S,
        ),
        keep_result(paths, "package", "package", paths.result),
    )


def _summary(step: ResolvedStep, request: Mapping[str, Json]) -> str:
    word = "approved" if request.get("ModelApprovalStatus") == "Approved" else "pending approval"
    return f"register in the group {_group_name(step)}, {word}"


REGISTER = StepType(
    name="register",
    description="a registered model (a version of a model package group)",
    keys=(
        Key(
            "group",
            "text",
            "The model package group (register). It is made where there is none.",
            examples=("churn",),
            is_required=True,
            missing_hint="Add group: <the name of a model package group>",
            problems=_group_problems,
        ),
        models.MODEL,
        models.PROGRAM,
        models.IMAGE,
        models.INSTANCE,
        models.ENV,
        Key(
            "content_types",
            "texts",
            "The MIME types that the model takes (register), text/csv by default.",
            examples=(["text/csv"],),
            problems=_type_problems,
        ),
        Key(
            "response_types",
            "texts",
            "The MIME types that the model answers with (register), text/csv by default.",
            examples=(["text/csv"],),
            problems=_type_problems,
        ),
        Key(
            "inference_instances",
            "texts",
            "The instance types that endpoints of the model may have (register).",
            examples=([jobs.DEFAULT_INSTANCE],),
            problems=_instance_problems,
        ),
        Key(
            "transform_instances",
            "texts",
            "The instance types that batch transforms with the model may have (register).",
            examples=([jobs.DEFAULT_INSTANCE],),
            problems=_instance_problems,
        ),
        Key(
            "approval",
            "text",
            "pending (the default) or approved (register). Only runs of merged code approve; others are pending.",
            examples=("pending", "approved"),
            problems=_approval_problems,
        ),
        Key(
            "model_metrics",
            "text",
            "The step whose metrics are those of the model (register).",
            examples=("evaluate",),
            names_metrics=True,
        ),
        Key(
            "description",
            "text",
            "A description of the version (register).",
            examples=("gradient boosting on all channels",),
            # EntityDescription
            max_chars=1_024,
        ),
        Key(
            "metadata",
            "map of scalars",
            "Names and values that are kept with the version, beside the run, commit, flow and params (register).",
            examples=({"team": "growth"},),
            problems=metadata_problems,
        ),
        jobs.REQUEST,
    ),
    hints={
        "metrics": 'Name the step whose metrics the model has as "model_metrics"',
        "inputs": 'Name the model as "model"',
    },
    outputs=(_OUTPUT,),
    metrics_file=None,
    image_scope="inference",
    container=None,
    request=Request(
        action="CreateModelPackage",
        name_field="ModelPackageGroupName",
        # The AWS SDK integration takes what the API takes, but for what does not go together with a group.
        # Source: https://docs.aws.amazon.com/step-functions/latest/dg/supported-services-awssdk.html
        task_fields=frozenset(
            {
                "AdditionalInferenceSpecifications",
                "ClientToken",
                "CustomerMetadataProperties",
                "Domain",
                "DriftCheckBaselines",
                "InferenceSpecification",
                "MetadataProperties",
                "ModelApprovalStatus",
                "ModelCard",
                "ModelLifeCycle",
                "ModelMetrics",
                "ModelPackageDescription",
                "ModelPackageGroupName",
                "SamplePayloadUrl",
                "SecurityConfig",
                "SkipModelValidation",
                "SourceUri",
                "Task",
            }
        ),
        build=_request,
    ),
    further_requests=no_further_requests,
    job=None,
    execution_input=_execution_input,
    states=_states,
    grants=Grants(
        workflow=(
            KEEP_RESULTS,
            # The registry reads the model with the rights of whom registers it: the managed policy for it has these.
            # https://docs.aws.amazon.com/sagemaker/latest/dg/security-iam-awsmanpol-model-registry.html
            Grant("ReadRuns", ("s3:GetObject",), ("s3:{runs}", "s3:{records}")),
        ),
    ),
    cleanup=(Cleanup("model-package", _own_group), Cleanup("model-package-group", _own_group)),
    summary=_summary,
    is_reusable=False,
    cost=None,
)
