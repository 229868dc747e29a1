"""The parts that types share that create a SageMaker model: keys, its request, the states and the rights.

A model is an image, an archive and variables. Its archive may hold a script that serves it, `code/inference.py`, which
`inference` of a training step puts there. All images that run such a script take it from these two variables:
SAGEMAKER_PROGRAM, and SAGEMAKER_SUBMIT_DIRECTORY, which is the folder in the archive, so that nothing is fetched. AWS's
SDK sets the same for a model that has its code inside (sagemaker-python-sdk 2, src/sagemaker/model.py:
_script_mode_env_vars).

Sources: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateModel.html; the images:
https://github.com/aws/sagemaker-inference-toolkit (environment.py, transformer.py);
https://github.com/aws/sagemaker-containers (_modules.py: import_module, _server.py), by which
https://github.com/aws/sagemaker-xgboost-container and https://github.com/aws/sagemaker-scikit-learn-container start;
https://github.com/aws/sagemaker-pytorch-inference-toolkit (torchserve.py: _set_python_path).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace

from mlci.step_types import sagemaker_jobs as jobs
from mlci.step_types.base import FurtherRequest, ResolvedStep
from mlci.step_types.grants import Grant
from mlci.step_types.job_security import security_keys
from mlci.step_types.keys import Json, Key
from mlci.step_types.request_parts import merged
from mlci.step_types.states import (
    SAGEMAKER_RETRIES,
    SAGEMAKER_TRANSIENT_ERRORS,
    Alternative,
    RetryRule,
    StepPaths,
    TaskState,
    attempt_counters,
)

#: The folder of a model's archive with its code, as the container sees it, and the script there that serves it.
CODE_FOLDER = "/opt/ml/model/code"
PROGRAM_FILE = "inference.py"
#: The name of a model's archive in the folder of an output.
ARCHIVE = "model.tar.gz"
ACTION, NAME_FIELD = "CreateModel", "ModelName"
#: "Supported parameters" of CreateModel in
#: https://docs.aws.amazon.com/step-functions/latest/dg/connect-sagemaker.html, which refers to its request.
#: AWS's own construct passes them:
#: https://docs.aws.amazon.com/cdk/api/v2/docs/aws-cdk-lib.aws_stepfunctions_tasks.SageMakerCreateModel.html
TASK_FIELDS = frozenset(
    {
        "Containers",
        "EnableNetworkIsolation",
        "ExecutionRoleArn",
        "InferenceExecutionConfig",
        "ModelName",
        "PrimaryContainer",
        "Tags",
        "VpcConfig",
    }
)
#: The toolkits import the script by its name, so it lies at the top, and is a module.
_PROGRAM = r"[A-Za-z_][A-Za-z0-9_]*\.py"
#: Environment of a ContainerDefinition has 100 entries, of which two are for the script.
_MAX_VARIABLES = 98
_CALL_S = 60
#: Begins the fields of a model's request in the execution input of a step whose own request is another.
_PREFIX = "model_"


def _model_problems(value: Json) -> Iterator[tuple[tuple[str | int, ...], str, str]]:
    if not str(value).endswith(".tar.gz"):
        hint = "Name the file: s3://<bucket>/<prefix>/model.tar.gz, or ${{ steps.<step>.outputs.model }}"
        yield (), f'"{str(value)[:80]}" is no .tar.gz archive, which a model of SageMaker is', hint


def _program_problems(value: Json) -> Iterator[tuple[tuple[str | int, ...], str, str]]:
    if value != NO_PROGRAM and not re.fullmatch(_PROGRAM, str(value)):
        hint = f"Name a file at the top of the folder code in the archive, such as {PROGRAM_FILE}, or none"
        yield (), f'"{str(value)[:80]}" is no Python file that a model can be served by', hint


def _request_problems(value: Json) -> Iterator[tuple[tuple[str | int, ...], str, str]]:
    if isinstance(value, dict) and NAME_FIELD in value:
        yield (NAME_FIELD,), "mlci names models by their run, so that no two runs meet", "Remove it"


MODEL = Key(
    "model",
    "source",
    "The model: ${{ steps.<step>.outputs.model }} of a training step (or another output that holds model.tar.gz), or a "
    ".tar.gz archive in S3 or in the repository.",
    examples=("${{ steps.train.outputs.model }}", "s3://acme-models/churn/model.tar.gz"),
    is_required=True,
    missing_hint="Add model: ${{ steps.<step>.outputs.model }}",
    takes_outputs=True,
    problems=_model_problems,
    takes_one_cell=True,
)
#: The value of `program` for an image that serves by itself.
NO_PROGRAM = "none"
PROGRAM = Key(
    "program",
    "text",
    f"The script in the folder code of the model's archive that serves it, {PROGRAM_FILE} by default; none where the "
    "image serves the model by itself, as a built-in algorithm does: the default for a model of a step without run.",
    examples=(PROGRAM_FILE, NO_PROGRAM),
    problems=_program_problems,
)
IMAGE = jobs.IMAGE
#: EnvironmentKey and EnvironmentValue.
ENV = replace(jobs.env(max_chars=1024), max_items=_MAX_VARIABLES)
#: The instance type decides between an image for CPUs and one for GPUs.
INSTANCE = jobs.INSTANCE
#: `request:` of the model, for a type whose own `request:` is merged over another request.
MODEL_REQUEST = Key(
    "model_request",
    "json",
    "Merged over the request of CreateModel, for whatever mlci has no key for.",
    examples=({"EnableNetworkIsolation": True},),
    problems=_request_problems,
)
REQUEST = replace(jobs.REQUEST, problems=_request_problems)
#: The keys for the network of a model's container: of a step whose request is that of CreateModel, and of others.
OWN_NETWORK = tuple(key for key in security_keys((), (), ()) if key.name in ("network_isolation", "vpc"))
NETWORK = tuple(replace(key, merges_into=MODEL_REQUEST.name) for key in OWN_NETWORK)

MODEL_RETRIES: tuple[RetryRule, ...] = tuple(rule for rule in SAGEMAKER_RETRIES if rule.kind == "service")
#: The cause of a CreateModel whose answer was lost, so that it was sent again: names are of one run and step.
#: Source: https://github.com/astronomer/astronomer-providers/issues/1055
_EXISTS = "*Cannot create already existing model*"
#: The cause of a DeleteModel that was sent again. Source: https://github.com/boto/boto3/issues/2886
_IS_GONE = "*Could not find model*"
#: The base class of the service's exceptions in version 2 of the SDK for Java, which `aws-sdk:` tasks are made by.
_SDK_RETRIES = tuple(replace(rule, errors=("SageMaker.SageMakerException",)) for rule in MODEL_RETRIES)
_SDK_TRANSIENT_ERRORS = ("SageMaker.SdkClientException",)


def model_name(step: ResolvedStep) -> str:
    """Return the name of the model that a step creates. It is the same in all attempts."""
    return step.job


def archive_uri(step: ResolvedStep) -> str:
    """Return the URI of the model's archive, which lies in the output that the step reads, or is what it names."""
    uri = step.inputs[MODEL.name]
    return f"{uri}{ARCHIVE}" if uri.endswith("/") else uri


def model_container(step: ResolvedStep) -> dict[str, Json]:
    """Return the model's container: its image, its archive and its variables (a ContainerDefinition)."""
    default = NO_PROGRAM if MODEL.name in step.inputs_without_script else PROGRAM_FILE
    program = step.values.get(PROGRAM.name, default)
    script = {"SAGEMAKER_PROGRAM": program, "SAGEMAKER_SUBMIT_DIRECTORY": CODE_FOLDER}
    environment: dict[str, Json] = {**({} if program == NO_PROGRAM else script), **step.env}
    return {"Image": step.image, "ModelDataUrl": archive_uri(step), "Environment": environment}


def model_request(step: ResolvedStep) -> dict[str, Json]:
    """Return the CreateModel request, without the name."""
    return {
        "PrimaryContainer": model_container(step),
        "ExecutionRoleArn": step.role,
        "Tags": [{"Key": key, "Value": value} for key, value in step.tags.items()],
    }


def model_input(step: ResolvedStep) -> dict[str, Json]:
    """Return the part of the execution input that `create_model` and `delete_model` read.

    It has the model's request, with `model_request:` merged over it.
    """
    request = merged(model_request(step), step.further_requests.get(MODEL_REQUEST.name, {}))
    fields = {f"{_PREFIX}{name}": value for name, value in request.items()}
    return {"model": _named(step), **fields}


def own_model_input(step: ResolvedStep) -> dict[str, Json]:
    """Return the same for a step whose request is that of CreateModel."""
    return {"model": _named(step)}


def _named(step: ResolvedStep) -> dict[str, Json]:
    return {"name": model_name(step), "attempt": attempt_counters(MODEL_RETRIES)}


def further_requests(values: Mapping[str, Json]) -> tuple[FurtherRequest, ...]:
    """Return the CreateModel request in a step's part of the execution input, to be checked like its own request."""
    request = {name.removeprefix(_PREFIX): value for name, value in values.items() if name.startswith(_PREFIX)}
    named = values["model"]
    name = named["name"] if isinstance(named, dict) else None
    return (FurtherRequest(ACTION, {**request, NAME_FIELD: name}, TASK_FIELDS, MODEL_REQUEST.name),)


def create_model(paths: StepPaths, title: str = "") -> TaskState:
    """Return the state that creates the model of `model_input`."""
    names = [field.removeprefix(_PREFIX) for field in paths.input_fields if field.startswith(_PREFIX)]
    return _creation(paths, title, {name: f"{paths.input}.{_PREFIX}{name}" for name in names})


def create_own_model(paths: StepPaths) -> TaskState:
    """Return the state that creates the model of a step whose request is that of CreateModel."""
    return _creation(paths, "", {name: f"{paths.request}.{name}" for name in paths.request_fields})


def _creation(paths: StepPaths, title: str, fields: Mapping[str, str]) -> TaskState:
    name = {f"{NAME_FIELD}.$": f"{paths.input}.model.name"}
    keeps, attempt = {"ModelArn": "$.ModelArn"}, f"{paths.input}.model.attempt"
    found = TaskState(
        title="find the model",
        resource="arn:aws:states:::aws-sdk:sagemaker:describeModel",
        parameters=name,
        transient_errors=_SDK_TRANSIENT_ERRORS,
        failure_title="model not found",
        keeps=keeps,
        timeout_s=_CALL_S,
    )
    return TaskState(
        title=title,
        resource="arn:aws:states:::sagemaker:createModel",
        parameters={**name, **{f"{field}.$": path for field, path in fields.items()}},
        transient_errors=SAGEMAKER_TRANSIENT_ERRORS,
        failure_title="model not created",
        keeps=keeps,
        timeout_s=_CALL_S,
        retries=MODEL_RETRIES,
        attempt_path=attempt,
        alternative=Alternative((_EXISTS,), (found,)),
    )


def delete_model(paths: StepPaths, title: str) -> TaskState:
    """Return the state that deletes the model; one that is gone is deleted."""
    return TaskState(
        title=title,
        resource="arn:aws:states:::aws-sdk:sagemaker:deleteModel",
        parameters={f"{NAME_FIELD}.$": f"{paths.input}.model.name"},
        transient_errors=_SDK_TRANSIENT_ERRORS,
        failure_title="model not deleted",
        timeout_s=_CALL_S,
        retries=_SDK_RETRIES,
        attempt_path=f"{paths.input}.model.attempt",
        alternative=Alternative((_IS_GONE,), ()),
    )


#: The models of the flow; SageMaker may write names in lower case where it makes ARNs of them, as it does for jobs.
_MODELS = tuple(f"sagemaker:model/{{{name}}}*" for name in ("jobs", "jobs_lower"))
#: The rights of the state machine to create models, with their tags, and to find one whose creation was not answered.
CREATE_GRANTS = (
    Grant(
        "CreateModels",
        ("sagemaker:AddTags", "sagemaker:CreateModel", "sagemaker:DescribeModel"),
        _MODELS,
        joins_network=True,
    ),
)


def names_own_model(sid: str) -> Grant:
    """Return the condition that the requests of a statement name a model of the flow's runs of the same side.

    SageMaker runs a model with the role that it was created with, for whoever names it: that of merged code's may write
    what a pull request's run may not. A request that IAM knows no model of is not held to it.

    Source: https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonsagemaker.html (ModelArn, of
    CreateEndpointConfig and CreateTransformJob)
    """
    return Grant(sid, (), (), {"ArnLikeIfExists": {"sagemaker:ModelArn": _MODELS}})


DELETE_GRANTS = (Grant("CleanUp", ("sagemaker:DeleteModel",), _MODELS),)
#: The service that reads the archive and the image with the job's role.
PASSES_ROLE_TO = "sagemaker.amazonaws.com"
