"""`uses: transform`: a SageMaker batch transform job, which makes predictions for files by a model.

A transform job runs a model of SageMaker, which the step creates before and deletes after, whether the job failed or
not. CreateTransformJob has no time limit of its own, so the state machine's task has it.

Sources: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateTransformJob.html;
https://docs.aws.amazon.com/sagemaker/latest/dg/batch-transform.html
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial

from mlci.step_types import sagemaker_jobs as jobs
from mlci.step_types import sagemaker_models as models
from mlci.step_types.base import Cleanup, InstanceCost, JobType, Request, ResolvedStep, StepType
from mlci.step_types.build_run import ONLY_PROCESSING, RUNS_ON
from mlci.step_types.job_security import security_keys
from mlci.step_types.keys import Json, Key
from mlci.step_types.states import State, StepPaths

OUTPUT = "output"
_JOB = JobType("TransformJob", console_page="transform-jobs", log_group="/aws/sagemaker/TransformJobs")
_CREATED, _DELETED, _UNDONE = "", "delete the model", "delete the model of the failed job"
_CSV, _JSON_LINES = "text/csv", "application/jsonlines"
#: The values of keys as a flow writes them, and as the API does.
_SPLITS = {"none": "None", "line": "Line", "recordio": "RecordIO", "tfrecord": "TFRecord"}
_STRATEGIES = {"multi": "MultiRecord", "single": "SingleRecord"}
_ASSEMBLIES = {"none": "None", "line": "Line"}
_JOINS = {"none": "None", "input": "Input"}
#: MaxPayloadInMB: "The value of MaxPayloadInMB cannot be greater than 100 MB", and its product with
#: MaxConcurrentTransforms can't either.
_MAX_PAYLOAD_MB = 100
#: "Longest run time for a transform job", https://docs.aws.amazon.com/general/latest/gr/sagemaker.html
_MAX_RUNTIME_S = 5 * jobs.DAY_S


def _choice(name: str, values: Mapping[str, str], description: str) -> Key:
    """Return a key that has one of a few values."""

    def problems(value: Json) -> Iterator[tuple[tuple[str | int, ...], str, str]]:
        if value not in values:
            yield (), f'"{str(value)[:80]}" is no "{name}"', f"Write {_either(list(values))}"

    return Key(name, "text", description, examples=tuple(values)[:1], problems=problems)


def _either(words: list[str]) -> str:
    return f"{', '.join(words[:-1])} or {words[-1]}"


def _filter_problems(value: Json) -> Iterator[tuple[tuple[str | int, ...], str, str]]:
    if not str(value).startswith("$"):
        hint = "Write $ for all of a record, $[1:] for all columns of a CSV row but the first, $.features for a member"
        yield (), f'"{str(value)[:80]}" is no JSONPath', hint


def _request_problems(value: Json) -> Iterator[tuple[tuple[str | int, ...], str, str]]:
    if isinstance(value, dict) and models.NAME_FIELD in value:
        yield (models.NAME_FIELD,), "the step creates a model of its own", 'Name its archive as "model"'


_KEYS = (
    models.MODEL,
    models.PROGRAM,
    Key(
        "input",
        "source",
        "The files to transform: ${{ steps.<step>.outputs.<output> }}, a file or folder of the repository, or an "
        "s3:// URI (transform).",
        examples=("${{ steps.preprocess.outputs.features }}", "data/batch.csv"),
        is_required=True,
        missing_hint="Add input: <a file or folder of data>",
        takes_outputs=True,
    ),
    Key(
        "content_type",
        "text",
        f"The type of the data, as the model's script gets it, {_CSV} by default (transform).",
        examples=(_CSV, _JSON_LINES),
        max_chars=256,
    ),
    Key(
        "accept",
        "text",
        "The type of the predictions that the script is asked for, that of the data by default (transform).",
        examples=(_CSV,),
        max_chars=256,
    ),
    _choice(
        "split",
        _SPLITS,
        "How files are split into records: line, recordio, tfrecord or none (transform). By default line for CSV and "
        "JSON lines, and none for other types.",
    ),
    _choice(
        "strategy",
        _STRATEGIES,
        "How many records the script gets at once: what max_payload_mb allows (multi, the default), or one (single).",
    ),
    _choice("assemble", _ASSEMBLIES, "What stands between predictions: line or none; by default as split (transform)."),
    Key(
        "max_payload_mb",
        "integer",
        "The most data that the script gets at once, in MB, 6 by default; 0 for no limit (transform).",
        examples=(6,),
        minimum=0,
        maximum=_MAX_PAYLOAD_MB,
    ),
    Key(
        "max_concurrent",
        "integer",
        "The requests that are sent to an instance at once, 1 by default (transform).",
        examples=(4,),
        minimum=1,
        maximum=_MAX_PAYLOAD_MB,
    ),
    Key(
        "input_filter",
        "text",
        "A JSONPath of the part of each record that the script gets: $[1:] leaves out the first column (transform).",
        examples=("$[1:]",),
        max_chars=63,
        problems=_filter_problems,
    ),
    Key(
        "output_filter",
        "text",
        "A JSONPath of the part of each prediction, joined with its record or not, that is kept (transform).",
        examples=("$[0,-1]",),
        max_chars=63,
        problems=_filter_problems,
    ),
    _choice("join", _JOINS, "With input, each prediction is joined with its record; none by default (transform)."),
    models.ENV,
    models.IMAGE,
    jobs.INSTANCE,
    jobs.INSTANCE_COUNT,
    replace(jobs.TIMEOUT, job_maximum=_MAX_RUNTIME_S),
    jobs.REUSE,
    *models.NETWORK,
    *(
        key
        for key in security_keys(output=("TransformOutput",), cluster=("TransformResources",), network=())
        if key.name in ("kms_key", "volume_kms_key")
    ),
    models.MODEL_REQUEST,
    replace(jobs.REQUEST, problems=_request_problems),
)


def _request(step: ResolvedStep) -> dict[str, Json]:
    content_type, accept = _content_type(step), step.values.get("accept", _content_type(step))
    split = _split(step)
    request: dict[str, Json] = {
        models.NAME_FIELD: models.model_name(step),
        "BatchStrategy": _value(step, "strategy", "multi", _STRATEGIES),
        "TransformInput": {
            "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": step.inputs["input"]}},
            "ContentType": content_type,
            "SplitType": _SPLITS.get(split, split),
        },
        "TransformOutput": {
            "S3OutputPath": step.outputs[OUTPUT].rstrip("/"),
            "Accept": accept,
            "AssembleWith": _value(step, "assemble", "line" if split == "line" else "none", _ASSEMBLIES),
        },
        "TransformResources": {"InstanceCount": step.instance_count, "InstanceType": step.instance},
        "Tags": [{"Key": key, "Value": value} for key, value in step.tags.items()],
    }
    for key, field in (("max_payload_mb", "MaxPayloadInMB"), ("max_concurrent", "MaxConcurrentTransforms")):
        if key in step.values:
            request[field] = step.values[key]
    if processing := _data_processing(step):
        request["DataProcessing"] = processing
    return request


def _value(step: ResolvedStep, key: str, default: str, values: Mapping[str, str]) -> str:
    """Return a key's value as the API has it."""
    written = str(step.values.get(key, default))
    return values.get(written, written)


def _content_type(step: ResolvedStep) -> str:
    return str(step.values.get("content_type", _CSV))


def _split(step: ResolvedStep) -> str:
    is_by_line = _content_type(step).partition(";")[0].strip() in (_CSV, _JSON_LINES)
    return str(step.values.get("split", "line" if is_by_line else "none"))


def _data_processing(step: ResolvedStep) -> dict[str, Json]:
    filters: dict[str, Json] = {
        field: step.values[key]
        for key, field in (("input_filter", "InputFilter"), ("output_filter", "OutputFilter"))
        if key in step.values
    }
    joins = _value(step, "join", "none", _JOINS)
    return {**filters, **({"JoinSource": joins} if joins != "None" else {})}


def _execution_input(step: ResolvedStep, request: Mapping[str, Json]) -> dict[str, Json]:
    return {**jobs.execution_input(step, request), **models.model_input(step)}


def _states(paths: StepPaths) -> tuple[State, ...]:
    job = replace(jobs.task(_JOB, paths, keeps={}), title="transform")
    return (
        models.create_model(paths, _CREATED),
        replace(job, undo=models.delete_model(paths, _UNDONE)),
        models.delete_model(paths, _DELETED),
    )


TRANSFORM = StepType(
    name="transform",
    description="a batch transform job (predictions for files, by a model)",
    keys=_KEYS,
    hints={
        RUNS_ON.name: ONLY_PROCESSING,
        "run": 'The model is run by the script that "inference" of its training step names',
        "inputs": 'Name the files to transform as "input", and the model as "model"',
        "outputs": f'Its output is called "{OUTPUT}"',
        "volume_gb": "A transform job's disk has the size that its instance type gives it",
    },
    outputs=(OUTPUT,),
    metrics_file=None,
    image_scope="inference",
    container=None,
    request=Request(
        action="CreateTransformJob",
        name_field=_JOB.name_field,
        # "Supported parameters" of https://docs.aws.amazon.com/step-functions/latest/dg/connect-sagemaker.html, which
        # refers to SageMaker's API as a whole. DataProcessing is in the request that the Step Functions Data Science
        # SDK passes (stepfunctions/steps/sagemaker.py: TransformStep, by sagemaker.workflow.airflow.transform_config),
        # and ModelClientConfig in that of AWS's own construct:
        # https://docs.aws.amazon.com/cdk/api/v2/docs/aws-cdk-lib.aws_stepfunctions_tasks.SageMakerCreateTransformJob.html
        task_fields=frozenset(
            {
                "BatchStrategy",
                "DataCaptureConfig",
                "DataProcessing",
                "Environment",
                "ExperimentConfig",
                "MaxConcurrentTransforms",
                "MaxPayloadInMB",
                "ModelClientConfig",
                "ModelName",
                "Tags",
                "TransformInput",
                "TransformJobName",
                "TransformOutput",
                "TransformResources",
            }
        ),
        build=_request,
    ),
    further_requests=models.further_requests,
    job=_JOB,
    execution_input=_execution_input,
    states=_states,
    grants=jobs.grants(_JOB, *models.CREATE_GRANTS, *models.DELETE_GRANTS, models.names_own_model("CreateJobs")),
    cleanup=(Cleanup("model", models.model_name),),
    summary=partial(jobs.summary, "transform"),
    is_reusable=True,
    cost=InstanceCost(("TransformResources",)),
)
