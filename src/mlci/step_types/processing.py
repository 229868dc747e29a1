"""`uses: processing`: a SageMaker processing job, which runs any script with inputs and outputs.

Source: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateProcessingJob.html
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from mlci.step_types import build_run
from mlci.step_types import sagemaker_jobs as jobs
from mlci.step_types.base import Container, InstanceCost, JobType, Request, ResolvedStep, StepType, no_further_requests
from mlci.step_types.job_security import security_keys
from mlci.step_types.keys import Json, Key
from mlci.step_types.own_entrypoint import ENTRYPOINT, container_command
from mlci.step_types.script_start import processing_entrypoint
from mlci.step_types.states import State, StepPaths

_CONTAINER = Container(
    code="/opt/ml/processing/input/code",
    package="files",
    metrics=f"/opt/ml/processing/{jobs.METRICS_OUTPUT}",
    inputs="/opt/ml/processing/input",
    outputs="/opt/ml/processing/output",
)
_JOB = JobType("ProcessingJob", console_page="processing-jobs", log_group="/aws/sagemaker/ProcessingJobs")
#: AppSpecification, https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_AppSpecification.html
_MAX_ARGUMENT_CHARS = 256


def _argument_problems(value: Json) -> Iterator[tuple[tuple[str | int, ...], str, str]]:
    for index, text in enumerate(value if isinstance(value, list) else ()):
        if isinstance(text, str) and ("\n" in text or "\r" in text):
            yield (index,), f"argument {index + 1} holds a line break, which AWS does not allow", ""


_KEYS = (
    # The script's path is an argument of the container's entry point.
    replace(
        jobs.RUN,
        max_chars=_MAX_ARGUMENT_CHARS - len(f"{_CONTAINER.code}/"),
        step_problems=build_run.script_problems,
    ),
    ENTRYPOINT,
    # A job has 10 inputs, one of which is the code, at /opt/ml/processing/input/code.
    replace(jobs.INPUTS, max_items=9, names=replace(jobs.INPUT_NAME, reserved=frozenset(["code"]))),
    replace(jobs.ARGS, max_items=100, max_chars=_MAX_ARGUMENT_CHARS, problems=_argument_problems),
    jobs.WORKING_DIR,
    jobs.SOURCE,
    Key(
        "outputs",
        "texts or map of texts",
        "The names of what the step writes, each a folder; or each name with the path that the script writes, which "
        "becomes that output. A training step has one, model.",
        examples=(["evaluation"], {"model": "models/model.pkl"}),
        # ProcessingOutputConfig,
        # https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_ProcessingOutputConfig.html
        max_items=10,
        names=jobs.OUTPUT_NAME,
    ),
    jobs.METRICS,
    jobs.METRIC_DEFINITIONS,
    jobs.CASES,
    jobs.PLOTS,
    jobs.TRAINED_ON,
    jobs.env(max_chars=256),
    jobs.INCLUDE,
    jobs.REQUIREMENTS,
    build_run.RUNS_ON,
    jobs.IMAGE,
    jobs.INSTANCE,
    replace(jobs.INSTANCE_COUNT, job_maximum=100),
    jobs.VOLUME_GB,
    *security_keys(
        output=("ProcessingOutputConfig",),
        cluster=("ProcessingResources", "ClusterConfig"),
        network=("NetworkConfig",),
    ),
    replace(jobs.TIMEOUT, job_maximum=9 * jobs.DAY_S),  # ProcessingStoppingCondition allows 777,600 seconds
    jobs.REUSE,
    jobs.REQUEST,
)


def _request(step: ResolvedStep) -> dict[str, Json]:
    code = {"code": step.code_uri} if step.code_uri else {}
    values = step.values
    if code:
        values = {"entrypoint": [*processing_entrypoint(_CONTAINER.code, step.working_dir, step.command)]}
    return {
        "AppSpecification": {"ImageUri": step.image or build_run.NO_IMAGE, **container_command(values, step.args)},
        "Environment": dict(step.env),
        "ProcessingInputs": [
            _input(name, uri, jobs.distribution(step, name)) for name, uri in {**code, **step.inputs}.items()
        ],
        "ProcessingOutputConfig": {
            "Outputs": [_output(name, uri, _CONTAINER.output(name)) for name, uri in step.outputs.items()]
        },
        "ProcessingResources": {"ClusterConfig": jobs.cluster(step)},
        **jobs.common_fields(step),
    }


def _input(name: str, uri: str, distribution: str) -> dict[str, Json]:
    return {
        "InputName": name,
        "S3Input": {
            "S3Uri": uri,
            "LocalPath": _CONTAINER.input(name),
            "S3DataType": "S3Prefix",
            "S3InputMode": "File",
            "S3DataDistributionType": distribution,
        },
    }


def _output(name: str, uri: str, folder: str) -> dict[str, Json]:
    return {"OutputName": name, "S3Output": {"S3Uri": uri, "LocalPath": folder, "S3UploadMode": "EndOfJob"}}


def _finish(step: ResolvedStep, request: dict[str, Json]) -> dict[str, Json]:
    """Return the request with an output for the metrics that the job collects, beside those of `request:`."""
    config = request.get("ProcessingOutputConfig")
    outputs = config.get("Outputs") if isinstance(config, dict) else None
    if not step.metrics_folder or not isinstance(config, dict) or not isinstance(outputs, list):
        return request
    metrics = _output(jobs.METRICS_OUTPUT, step.metrics_folder, _CONTAINER.metrics)
    return {**request, "ProcessingOutputConfig": {**config, "Outputs": [*outputs, metrics]}}


def _states(paths: StepPaths) -> tuple[State, ...]:
    return (build_run.task(paths) if build_run.is_build_job(paths) else jobs.task(_JOB, paths, keeps={}),)


def _execution_input(step: ResolvedStep, request: Mapping[str, Json]) -> dict[str, Json]:
    return build_run.execution_input(step) if step.runs_on == build_run.BUILD else jobs.execution_input(step, request)


def _summary(step: ResolvedStep, request: Mapping[str, Json]) -> str:
    return build_run.summary(step) if step.runs_on == build_run.BUILD else jobs.summary("processing", step, request)


PROCESSING = StepType(
    name="processing",
    description="a processing job (any script with inputs and outputs)",
    keys=_KEYS,
    hints={
        "hyperparameters": 'Give a processing step\'s script its values as "args": [--name, value]',
        "spot": "SageMaker has spot machines for training jobs alone",
    },
    outputs=None,
    metrics_file=None,
    image_scope="training",
    container=_CONTAINER,
    request=Request(
        action="CreateProcessingJob",
        name_field=_JOB.name_field,
        # "Supported parameters" of https://docs.aws.amazon.com/step-functions/latest/dg/connect-sagemaker.html in the
        # developer guide's edition of 2022 (the current one refers to SageMaker's API as a whole), and the Step
        # Functions Data Science SDK (stepfunctions/steps/sagemaker.py: ProcessingStep).
        task_fields=frozenset(
            {
                "AppSpecification",
                "Environment",
                "ExperimentConfig",
                "NetworkConfig",
                "ProcessingInputs",
                "ProcessingJobName",
                "ProcessingOutputConfig",
                "ProcessingResources",
                "RoleArn",
                "StoppingCondition",
                "Tags",
            }
        ),
        build=_request,
        finish=_finish,
    ),
    further_requests=no_further_requests,
    job=_JOB,
    execution_input=_execution_input,
    states=_states,
    cleanup=(),
    grants=jobs.grants(_JOB),
    summary=_summary,
    is_reusable=True,
    cost=InstanceCost(("ProcessingResources", "ClusterConfig")),
)
