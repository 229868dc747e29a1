"""`uses: glue`: a Glue job of the run's own, its one run, and its deletion.

Glue takes one file, and gives a script its arguments as `--name value`. That file is mlci's starter, which fetches the
script and what it imports from where they are staged.

Sources: https://docs.aws.amazon.com/glue/latest/dg/aws-glue-api-jobs-job.html and aws-glue-api-jobs-runs.html;
https://docs.aws.amazon.com/step-functions/latest/dg/connect-glue.html;
https://docs.aws.amazon.com/glue/latest/dg/aws-glue-programming-etl-glue-arguments.html
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TypeAlias

from mlci.step_types import sagemaker_jobs as jobs
from mlci.step_types.base import Cleanup, Container, Request, ResolvedStep, StepType, UnknownCost, no_further_requests
from mlci.step_types.build_run import ONLY_PROCESSING, RUNS_ON
from mlci.step_types.grants import Grant, Grants
from mlci.step_types.keys import Json, Key
from mlci.step_types.script_start import GLUE_STARTER, MODULE
from mlci.step_types.states import RetryRule, State, StepPaths, TaskState, attempt_counters

#: The path below a key, a sentence and a remedy.
_Problem: TypeAlias = "tuple[tuple[str | int, ...], str, str]"
_CONTAINER = Container(
    code="/tmp/mlci-code",
    package="fetched",
    inputs="s3://<bucket>/<input>",
    outputs="s3://<bucket>/<run>",
    metrics="s3://<bucket>/<run>/metrics",
    passes_uris=True,
)
PYTHON_SHELL, SPARK = "pythonshell", "spark"
#: The names of Command in CreateJob, of a Python shell job and of another.
_COMMANDS = ("pythonshell", "glueetl")
#: PythonVersion and GlueVersion of the two. 3.9 is the newest of Python shell jobs, and 3 that of Glue's.
_PYTHON, _GLUE_VERSION = ("3.9", "3"), ("3.0", "4.0")
#: MaxCapacity of a Python shell job: "either 0.0625 or 1 DPU".
_CAPACITIES = (0.0625, 1)
#: "Job parameters that are used internally by AWS Glue, which you should never set", and the starter's.
CODE_ARGUMENT = "--mlci_code"
_RESERVED = frozenset({"--conf", "--debug", "--mode", "--JOB_NAME", CODE_ARGUMENT})
_ARGUMENT = re.compile(r"--[A-Za-z_][A-Za-z0-9_-]*")
_CALL_S = 60
_SDK_TRANSIENT_ERRORS = ("Glue.SdkClientException",)
_SERVICE_CAUSES = ("*Rate exceeded*", "*Status Code: 429*", "*Status Code: 5*")
#: The base classes of the service's exceptions in versions 2 and 1 of the SDK for Java.
_CALL_RETRIES = (
    RetryRule("service", ("Glue.GlueException",), _SERVICE_CAUSES, wait_s=30, attempts=10),
    RetryRule("limit", ("Glue.ResourceNumberLimitExceededException",), ("*",), wait_s=60, attempts=15),
)
_RUN_RETRIES = (
    RetryRule("service", ("Glue.AWSGlueException",), _SERVICE_CAUSES, wait_s=30, attempts=10),
    RetryRule(
        "limit",
        ("Glue.ConcurrentRunsExceededException", "Glue.ResourceNumberLimitExceededException"),
        ("*",),
        wait_s=60,
        attempts=30,
    ),
)


def _job_name(step: ResolvedStep) -> str:
    """Return the job's name, which is that of a first attempt: the job is the run's own, and runs once."""
    return f"{step.job}-0-0"


def _left_job(step: ResolvedStep) -> str:
    """Return the job that a run leaves if it fails or is stopped; empty where it may stay: a job by itself is free."""
    return "" if step.keeps_resources else _job_name(step)


def _is_spark(step: ResolvedStep) -> bool:
    return step.values.get("type") == SPARK


def _type_problems(value: Json) -> Iterator[_Problem]:
    if value not in (PYTHON_SHELL, SPARK):
        yield (), f'"{str(value)[:80]}" is no type of a Glue job', f"Write {PYTHON_SHELL} or {SPARK}"


def _capacity_problems(value: Json) -> Iterator[_Problem]:
    if value not in _CAPACITIES:
        yield (), f"{value} is no capacity of a Python shell job", "Write 0.0625 (the default) or 1"


def _glue_version_problems(value: Json) -> Iterator[_Problem]:
    if not re.fullmatch(r"\d+\.\d+", str(value)):
        yield (), f'"{str(value)[:80]}" is no version of Glue', 'Such as "4.0", in quotes'


def _python_problems(value: Json) -> Iterator[_Problem]:
    """Source: PythonVersion in https://docs.aws.amazon.com/glue/latest/dg/aws-glue-api-jobs-job.html"""
    if value not in ("2", "3", "3.9"):
        yield (), f'"{str(value)[:80]}" is no version of Python that Glue has', 'Write "3.9", or "3" for Spark'


def _module_problems(value: Json) -> Iterator[_Problem]:
    for index, each in enumerate(value if isinstance(value, list) else ()):
        if not re.fullmatch(r"[A-Za-z0-9][^\s,]*|s3://[^\s,]+", str(each)):
            yield (index,), f'"{str(each)[:80]}" is no module that Glue installs', "Such as pandas==2.0.3"


def _argument_problems(value: Json) -> Iterator[_Problem]:
    """Yield what is no list of names, each with its value: Glue's arguments are a map."""
    texts = [str(each) for each in value] if isinstance(value, list) else []
    if len(texts) % 2:
        yield (), "Glue passes arguments by their names, and one has no value", "Write --<name>, <value> for each"
        return
    names = texts[::2]
    for index, name in enumerate(names):
        if not _ARGUMENT.fullmatch(name):
            yield (2 * index,), f'"{name[:80]}" is no name of an argument', "Write --<name>, <value> for each"
        elif name in _RESERVED:
            yield (2 * index,), f"\"{name}\" is an argument of Glue's own, or of mlci's", "Give yours another name"
        elif name in names[:index]:
            yield (2 * index,), f'"{name}" is given twice', "Remove one"


def _step_problems(own: Mapping[str, Json], defaults: Mapping[str, Json]) -> Iterator[_Problem]:
    """Yield what can't stand together in a step."""
    run = own.get("run")
    if isinstance(run, str) and not run.endswith(".py") and not MODULE.fullmatch(run):
        yield ("run",), f'"{run[:80]}" is no Python file, which Glue runs alone', "Name a .py file, or -m <module>"
    is_spark = own.get("type") == SPARK
    for key, is_of_spark in (("capacity", False), ("workers", True), ("worker_type", True)):
        if key in own and is_spark is not is_of_spark:
            kind = "Spark" if is_of_spark else "Python shell"
            yield (
                (key,),
                f'"{key}" is for {kind} jobs',
                f"Remove it, or write type: {SPARK if is_of_spark else PYTHON_SHELL}",
            )
    for key in ("inputs", "outputs"):
        value = own.get(key)
        linked = value.items() if isinstance(value, dict) else ()
        for name, each in linked:
            if key == "outputs" or (isinstance(each, dict) and "path" in each):
                what = f'a Glue script reads and writes S3, and "{name}" has a path'
                yield (key, str(name)), what, f"Give the script its URI: args: [--{name}, ${{{{ {key}.{name} }}}}]"


def _request(step: ResolvedStep) -> dict[str, Json]:
    is_spark = _is_spark(step)
    arguments: dict[str, Json] = {CODE_ARGUMENT: step.code_uri}
    modules = step.values.get("modules")
    if isinstance(modules, list) and modules:
        arguments["--additional-python-modules"] = ",".join(str(each) for each in modules)
    request: dict[str, Json] = {
        "Command": {
            "Name": _COMMANDS[is_spark],
            "ScriptLocation": f"{step.code_uri}{GLUE_STARTER}",
            "PythonVersion": str(step.values.get("python") or _PYTHON[is_spark]),
        },
        "DefaultArguments": arguments,
        "ExecutionProperty": {"MaxConcurrentRuns": 1},
        "GlueVersion": str(step.values.get("glue_version") or _GLUE_VERSION[is_spark]),
        "MaxRetries": 0,
        "Role": step.role,
        "Tags": dict(step.tags),
        "Timeout": math.ceil(step.timeout_s / 60),
    }
    if is_spark:
        workers = step.values.get("workers")
        request |= {"WorkerType": step.values.get("worker_type") or "G.1X", "NumberOfWorkers": workers or 2}
    else:
        request["MaxCapacity"] = step.values.get("capacity") or _CAPACITIES[0]
    return request


def _execution_input(step: ResolvedStep, request: Mapping[str, Json]) -> dict[str, Json]:
    minutes = request.get("Timeout")
    seconds = minutes * 60 if isinstance(minutes, int) else step.timeout_s
    return {
        "job": _job_name(step),
        "arguments": dict(zip(step.args[::2], step.args[1::2], strict=True)),
        "attempt": attempt_counters(_CALL_RETRIES),
        "timeout_s": seconds + jobs.PROVISIONING_S,
        "run": {"attempt": attempt_counters(_RUN_RETRIES)},
        "deletion": {"attempt": attempt_counters(_CALL_RETRIES)},
    }


def _states(paths: StepPaths) -> tuple[State, ...]:
    return (
        TaskState(
            title="",
            resource="arn:aws:states:::aws-sdk:glue:createJob",
            parameters={
                "Name.$": f"{paths.input}.job",
                **paths.request_parameters,
            },
            transient_errors=_SDK_TRANSIENT_ERRORS,
            retries=_CALL_RETRIES,
            attempt_path=f"{paths.input}.attempt",
            failure_title="job not created",
            timeout_s=_CALL_S,
        ),
        TaskState(
            title="run the job",
            resource="arn:aws:states:::glue:startJobRun.sync",
            parameters={"JobName.$": f"{paths.input}.job", "Arguments.$": f"{paths.input}.arguments"},
            transient_errors=_SDK_TRANSIENT_ERRORS,
            retries=_RUN_RETRIES,
            attempt_path=f"{paths.input}.run.attempt",
            failure_title="failed",
            timeout_path=f"{paths.input}.timeout_s",
        ),
        TaskState(
            title="delete the job",
            resource="arn:aws:states:::aws-sdk:glue:deleteJob",
            parameters={"JobName.$": f"{paths.input}.job"},
            transient_errors=_SDK_TRANSIENT_ERRORS,
            retries=_CALL_RETRIES,
            attempt_path=f"{paths.input}.deletion.attempt",
            failure_title="job not deleted",
            timeout_s=_CALL_S,
        ),
    )


def _summary(step: ResolvedStep, request: Mapping[str, Json]) -> str:
    kind = "Spark" if _is_spark(step) else "Python shell"
    return f"glue runs a {kind} job, at most {step.timeout_s:g} s"


GLUE = StepType(
    name="glue",
    description="a Glue job (a Python shell or Spark script that reads and writes S3)",
    keys=(
        replace(
            jobs.RUN,
            is_required=True,
            missing_hint="Add run: <path of the script>",
            step_problems=_step_problems,
        ),
        jobs.INPUTS,
        replace(jobs.ARGS, problems=_argument_problems),
        Key(
            "outputs",
            "texts or map of texts",
            "The names of what the script writes, each a prefix in S3.",
            examples=(["prepared"],),
            names=jobs.OUTPUT_NAME,
        ),
        jobs.METRICS,
        jobs.WORKING_DIR,
        jobs.SOURCE,
        jobs.INCLUDE,
        Key(
            "type",
            "text",
            "pythonshell (the default) or spark (glue).",
            examples=(PYTHON_SHELL, SPARK),
            problems=_type_problems,
        ),
        Key(
            "python",
            "text",
            'The version of Python (glue): "3.9" for Python shell, and that of the version of Glue for Spark.',
            examples=("3.9",),
            problems=_python_problems,
        ),
        Key(
            "glue_version",
            "text",
            'The version of Glue (glue), "3.0" for Python shell and "4.0" for Spark by default.',
            examples=("4.0",),
            problems=_glue_version_problems,
        ),
        Key(
            "capacity",
            "number",
            "The capacity of a Python shell job in DPU (glue): 0.0625, which is the default, or 1.",
            examples=(0.0625,),
            problems=_capacity_problems,
        ),
        Key("workers", "integer", "The number of workers of a Spark job (glue), 2 by default.", minimum=2),
        Key(
            "worker_type",
            "text",
            "The type of a Spark job's workers (glue), G.1X by default.",
            examples=("G.1X",),
        ),
        Key(
            "modules",
            "texts",
            "Python modules that Glue installs before the script starts (glue), as pip takes them.",
            examples=(["pandas==2.0.3"],),
            problems=_module_problems,
        ),
        replace(jobs.TIMEOUT, job_maximum=7 * jobs.DAY_S),
        jobs.REQUEST,
    ),
    hints={
        RUNS_ON.name: ONLY_PROCESSING,
        "image": "Glue has images of its own: name what it lacks as modules",
        "instance": 'Give a Python shell job its "capacity", and a Spark job its "workers" and "worker_type"',
        "hyperparameters": 'Give the script its values as "args": [--name, value]',
        "env": 'Give the script its values as "args": [--name, value]',
        "requirements": 'Name what Glue installs as "modules"',
    },
    outputs=None,
    metrics_file=None,
    image_scope=None,
    container=_CONTAINER,
    request=Request(
        action="CreateJob",
        name_field="Name",
        service="glue",
        # The AWS SDK integration takes what the API takes.
        # Source: https://docs.aws.amazon.com/step-functions/latest/dg/supported-services-awssdk.html
        task_fields=frozenset(
            {
                "Command",
                "Connections",
                "DefaultArguments",
                "Description",
                "ExecutionClass",
                "ExecutionProperty",
                "GlueVersion",
                "JobRunQueuingEnabled",
                "LogUri",
                "MaintenanceWindow",
                "MaxCapacity",
                "MaxRetries",
                "Name",
                "NonOverridableArguments",
                "NotificationProperty",
                "NumberOfWorkers",
                "Role",
                "SecurityConfiguration",
                "Tags",
                "Timeout",
                "WorkerType",
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
            Grant(
                "RunGlueJobs",
                (
                    "glue:BatchStopJobRun",
                    "glue:CreateJob",
                    "glue:DeleteJob",
                    "glue:GetJobRun",
                    "glue:GetJobRuns",
                    "glue:StartJobRun",
                    "glue:TagResource",
                ),
                ("glue:job/{jobs}*",),
            ),
        ),
        job=(
            # Glue writes the logs of all jobs into groups of its own, in streams that it names by the run.
            # Source: https://docs.aws.amazon.com/glue/latest/dg/create-an-iam-role.html (AWSGlueServiceRole)
            Grant(
                "WriteGlueLogs",
                ("logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"),
                ("logs:log-group:/aws-glue/*",),
            ),
        ),
        passes_role_to="glue.amazonaws.com",
    ),
    cleanup=(Cleanup("job", _left_job),),
    summary=_summary,
    is_reusable=False,
    cost=UnknownCost("the table of prices has none of Glue"),
)
