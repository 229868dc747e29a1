"""`uses: model`: a model of SageMaker, which endpoints and transform jobs are made of.

Source: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateModel.html
"""

from __future__ import annotations

from collections.abc import Mapping

from mlci.s3_uris import split_s3_uri
from mlci.step_types import sagemaker_models as models
from mlci.step_types.base import (
    S3_RETRIES,
    S3_TRANSIENT_ERRORS,
    Cleanup,
    Grant,
    Grants,
    Json,
    Request,
    ResolvedStep,
    State,
    StepPaths,
    StepType,
    TaskState,
    attempt_counters,
    no_further_requests,
)

_OUTPUT, _FILE = "resource", "model.json"
_WRITE_S = 60


def _execution_input(step: ResolvedStep, request: Mapping[str, Json]) -> dict[str, Json]:
    bucket, folder = split_s3_uri(step.outputs[_OUTPUT])
    return {
        **models.own_model_input(step),
        "description": {"ModelName": models.model_name(step), **_container(request)},
        "result": {"bucket": bucket, "key": f"{folder}{_FILE}", "attempt": attempt_counters(S3_RETRIES)},
    }


def _container(request: Mapping[str, Json]) -> dict[str, Json]:
    container = request.get("PrimaryContainer")
    return {"PrimaryContainer": container} if isinstance(container, dict) else {}


def _states(paths: StepPaths) -> tuple[State, ...]:
    return (
        models.create_own_model(paths),
        TaskState(
            title="keep the description",
            resource="arn:aws:states:::aws-sdk:s3:putObject",
            parameters={
                "Bucket.$": f"{paths.input}.result.bucket",
                "Key.$": f"{paths.input}.result.key",
                "Body.$": f"States.JsonMerge({paths.input}.description, {paths.result}, false)",
                "ContentType": "application/json",
            },
            transient_errors=S3_TRANSIENT_ERRORS,
            retries=S3_RETRIES,
            attempt_path=f"{paths.input}.result.attempt",
            failure_title="description not kept",
            timeout_s=_WRITE_S,
        ),
    )


def _summary(step: ResolvedStep, request: Mapping[str, Json]) -> str:
    return f"model {models.model_name(step)} of {models.archive_uri(step)}"


MODEL = StepType(
    name="model",
    description="a model of SageMaker (an image with a trained model, to serve)",
    keys=(models.MODEL, models.PROGRAM, models.IMAGE, models.INSTANCE, models.ENV, *models.OWN_NETWORK, models.REQUEST),
    hints={
        "run": 'A model is served by the script that "inference" of its training step names',
        "inputs": 'Name the model as "model"',
    },
    outputs=(_OUTPUT,),
    metrics_file=None,
    image_scope="inference",
    container=None,
    request=Request(
        action=models.ACTION,
        name_field=models.NAME_FIELD,
        task_fields=models.TASK_FIELDS,
        build=models.model_request,
    ),
    further_requests=no_further_requests,
    job=None,
    execution_input=_execution_input,
    states=_states,
    grants=Grants(
        workflow=(*models.CREATE_GRANTS, Grant("KeepResults", ("s3:PutObject",), ("s3:{runs}",))),
        passes_role_to=models.PASSES_ROLE_TO,
    ),
    cleanup=(Cleanup("model", models.model_name),),
    summary=_summary,
)
