"""`uses: endpoint`: an endpoint of SageMaker that serves a model, and answers smoke requests.

A run whose names are protected keeps its endpoint under a name of its own, and updates it; any other run creates one
for itself, which the cleaner deletes.

Sources: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateEndpointConfig.html,
API_CreateEndpoint.html and API_UpdateEndpoint.html; https://docs.aws.amazon.com/step-functions/latest/dg/connect-sagemaker.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace

from mlci.step_types import endpoint_requests as values
from mlci.step_types import sagemaker_jobs as jobs
from mlci.step_types import sagemaker_models as models
from mlci.step_types.base import Cleanup, Request, ResolvedStep, StepType
from mlci.step_types.endpoint_states import SDK_RETRIES, states
from mlci.step_types.grants import Grant, Grants
from mlci.step_types.kept_results import KEEP_RESULTS, result_place
from mlci.step_types.keys import CAPTURE, KEPT_NAME, Json, Key
from mlci.step_types.states import SAGEMAKER_RETRIES, attempt_counters

_OUTPUT, _FILE = "smoke", "answers.json"
_VARIANT = "AllTraffic"
#: EndpointName in CreateEndpoint.
_NAME, _NAME_MAX_CHARS = re.compile(r"[a-zA-Z0-9](-*[a-zA-Z0-9])*"), 63
#: SageMaker gives the download of a model and its start an hour each at most; each look takes events of the execution.
#: Source: API_ProductionVariant.html (ModelDataDownloadTimeoutInSeconds, ContainerStartupHealthCheckTimeoutInSeconds)
_IN_SERVICE_MAX_S = 4 * 3_600
#: The beginnings of the names of runs' own endpoints.
_RUN_PREFIXES = ("mlci-", "mlcip-")


def _name_problems(value: Json) -> Iterator[tuple[tuple[str | int, ...], str, str]]:
    text = str(value)
    if not _NAME.fullmatch(text) or len(text) > _NAME_MAX_CHARS:
        hint = f"Write letters, digits and -, at most {_NAME_MAX_CHARS}"
        yield (), f'"{text[:80]}" is no name of an endpoint', hint
    elif text.lower().startswith(_RUN_PREFIXES):
        yield (), f'"{text}" is a name like those of runs', "Leave it out, or begin it with another word than mlci"


def _request(step: ResolvedStep) -> dict[str, Json]:
    return {
        "ProductionVariants": [values.variant(step, models.model_name(step), _VARIANT)],
        **values.capture_config(step, f"{step.outputs[_OUTPUT].rstrip('/')}/{values.CAPTURE_FOLDER}"),
        "Tags": [{"Key": key, "Value": value} for key, value in step.tags.items()],
    }


def _endpoint_name(step: ResolvedStep) -> str:
    """Return the name of the endpoint: that of the run, or the one that protected runs share."""
    return str(step.values.get(KEPT_NAME) or step.kept_name) if step.is_protected else step.job


def _execution_input(step: ResolvedStep, request: Mapping[str, Json]) -> dict[str, Json]:
    tags: list[Json] = [{"Key": key, "Value": value} for key, value in step.tags.items()]
    items = values.smoke_items(step)
    return {
        **models.model_input(step),
        "config": {"name": step.job, "attempt": attempt_counters(SAGEMAKER_RETRIES)},
        "endpoint": {"name": _endpoint_name(step), "tags": tags, "attempt": attempt_counters(SAGEMAKER_RETRIES)},
        "look": {"attempt": attempt_counters(SDK_RETRIES)},
        "poll_s": step.poll_s,
        "in_service_s": step.timeout_s,
        "poll": {"left": max(1, step.timeout_s // step.poll_s)},
        **({"smoke": items} if items else {"no_answers": {"answers": []}}),
        **({"kept": True} if step.is_protected else {}),
        "result": result_place(step.outputs[_OUTPUT], _FILE),
    }


def _summary(step: ResolvedStep, request: Mapping[str, Json]) -> str:
    where = "serverless" if "serverless" in step.values else f"on {step.instance_count} × {step.instance}"
    kept = "kept" if step.is_protected else "deleted after the run"
    return f"endpoint {_endpoint_name(step)} {where}, {len(values.smoke_items(step))} smoke requests, {kept}"


def _resources(noun: str) -> tuple[str, ...]:
    return tuple(f"sagemaker:{noun}/{{{name}}}*" for name in ("jobs", "jobs_lower"))


_CONFIGS, _ENDPOINTS = _resources("endpoint-config"), _resources("endpoint")
#: The endpoints that the flow names itself: the role of pull requests' runs has none of them.
_KEPT = "sagemaker:endpoint/{kept}"
_LOG_GROUP = "logs:log-group:/aws/sagemaker/Endpoints/{jobs}*"

ENDPOINT = StepType(
    name="endpoint",
    description="an endpoint of SageMaker (it serves a model, and answers smoke requests)",
    keys=(
        models.MODEL,
        models.PROGRAM,
        models.IMAGE,
        models.INSTANCE,
        jobs.INSTANCE_COUNT,
        models.ENV,
        replace(
            jobs.TIMEOUT,
            description="The longest time until the endpoint is in service; 1h by default.",
            job_maximum=_IN_SERVICE_MAX_S,
        ),
        Key(
            KEPT_NAME,
            "text",
            "The name of the endpoint that builds of the base branch keep and update (endpoint). By default it is made "
            "of the flow's and the step's name. Other runs have one of their own.",
            examples=("churn",),
            problems=_name_problems,
        ),
        Key(
            CAPTURE,
            "json map",
            "The requests and answers that the endpoint writes to S3 (endpoint): percent of them, 100 by default, and "
            "to, an s3:// URI, the step's folder in the run by default.",
            examples=({"percent": 20},),
            problems=values.capture_problems,
        ),
        Key(
            "smoke",
            "json list",
            "Requests that the endpoint has to answer (endpoint): body, content_type, accept, and expect, which is "
            "contains, equals, json or within. A wrong answer fails the step.",
            examples=([{"body": "5.1,3.5,1.4,0.2", "expect": {"contains": "setosa"}}],),
            problems=values.smoke_problems,
        ),
        Key(
            "serverless",
            "json map",
            "A serverless endpoint in place of instances (endpoint): memory_mb and max_concurrency.",
            examples=({"memory_mb": 2048, "max_concurrency": 5},),
            problems=values.serverless_problems,
            step_problems=values.serverless_step_problems,
        ),
        *models.NETWORK,
        models.MODEL_REQUEST,
        jobs.REQUEST,
    ),
    hints={
        "run": 'A model is served by the script that "inference" of its training step names',
        "inputs": 'Name the model as "model"',
    },
    outputs=(_OUTPUT,),
    metrics_file=None,
    image_scope="inference",
    container=None,
    request=Request(
        action="CreateEndpointConfig",
        name_field="EndpointConfigName",
        # "Supported parameters" of https://docs.aws.amazon.com/step-functions/latest/dg/connect-sagemaker.html in the
        # developer guide's edition of 2022; DataCaptureConfig came later, and is passed by the Step Functions Data
        # Science SDK (stepfunctions/steps/sagemaker.py: EndpointConfigStep).
        task_fields=frozenset({"DataCaptureConfig", "EndpointConfigName", "KmsKeyId", "ProductionVariants", "Tags"}),
        build=_request,
    ),
    further_requests=models.further_requests,
    job=None,
    execution_input=_execution_input,
    states=states,
    cleanup=(Cleanup("endpoint"), Cleanup("endpoint-config"), Cleanup("model", models.model_name)),
    grants=Grants(
        workflow=(
            *models.CREATE_GRANTS,
            Grant(
                "CreateConfigs", ("sagemaker:AddTags", "sagemaker:CreateEndpointConfig"), _CONFIGS, joins_network=True
            ),
            models.names_own_model("CreateConfigs"),
            Grant("CreateEndpoints", ("sagemaker:AddTags", "sagemaker:CreateEndpoint"), (*_ENDPOINTS, *_CONFIGS)),
            Grant("UseEndpoints", ("sagemaker:DescribeEndpoint", "sagemaker:InvokeEndpoint"), _ENDPOINTS),
            KEEP_RESULTS,
        ),
        protected=(
            Grant("CreateEndpoints", (), (_KEPT,)),
            Grant("UseEndpoints", (), (_KEPT,)),
            Grant("UpdateEndpoints", ("sagemaker:UpdateEndpoint",), (*_ENDPOINTS, _KEPT, *_CONFIGS)),
            Grant("ReplaceEndpoints", ("sagemaker:DeleteEndpoint",), (*_ENDPOINTS, _KEPT)),
            Grant("ReplaceConfigs", ("sagemaker:DeleteEndpointConfig", "sagemaker:DescribeEndpointConfig"), _CONFIGS),
            Grant("ReplaceModels", ("sagemaker:DeleteModel",), _resources("model")),
        ),
        job=(
            Grant(
                "ServeLogs",
                ("logs:CreateLogGroup", "logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"),
                (_LOG_GROUP, f"{_LOG_GROUP}:*"),
            ),
        ),
        passes_role_to=models.PASSES_ROLE_TO,
    ),
    summary=_summary,
    is_reusable=False,
    cost=None,
)
