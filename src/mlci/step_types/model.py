"""`uses: model`: a model of SageMaker, which endpoints and transform jobs are made of.

Source: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateModel.html
"""

from __future__ import annotations

from collections.abc import Mapping

from mlci.step_types import sagemaker_models as models
from mlci.step_types.base import Cleanup, Request, ResolvedStep, StepType, no_further_requests
from mlci.step_types.grants import Grants
from mlci.step_types.kept_results import KEEP_RESULTS, keep_result, result_place
from mlci.step_types.keys import Json
from mlci.step_types.states import State, StepPaths

_OUTPUT, _FILE = "resource", "model.json"


def _execution_input(step: ResolvedStep, request: Mapping[str, Json]) -> dict[str, Json]:
    return {
        **models.own_model_input(step),
        "description": {"ModelName": models.model_name(step), **_container(request)},
        "result": result_place(step.outputs[_OUTPUT], _FILE),
    }


def _container(request: Mapping[str, Json]) -> dict[str, Json]:
    container = request.get("PrimaryContainer")
    return {"PrimaryContainer": container} if isinstance(container, dict) else {}


def _states(paths: StepPaths) -> tuple[State, ...]:
    return (
        models.create_own_model(paths),
        keep_result(
            paths, "description", "result", f"States.JsonMerge({paths.input}.description, {paths.result}, false)"
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
        workflow=(*models.CREATE_GRANTS, KEEP_RESULTS),
        passes_role_to=models.PASSES_ROLE_TO,
    ),
    cleanup=(Cleanup("model", models.model_name),),
    summary=_summary,
    is_reusable=False,
    cost=None,
)
