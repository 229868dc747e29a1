"""`runs-on: build`: a step's job that the build itself runs, on the machine where mlci does, and not SageMaker.

The state machine writes the task's token beside the job's request, and waits. The build's own process reads it, runs
the job, sends heartbeats, and answers. So a build that is gone is noticed, and its step fails. Whoever has a token can
answer: SendTaskSuccess and its like take no resource in a policy, so only the build role of a side reads its tokens.

Sources: https://docs.aws.amazon.com/step-functions/latest/dg/connect-to-resource.html#connect-wait-token;
https://docs.aws.amazon.com/step-functions/latest/apireference/API_SendTaskHeartbeat.html;
https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsstepfunctions.html (SendTaskHeartbeat)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from mlci.s3_uris import split_s3_uri
from mlci.step_types.base import ResolvedStep
from mlci.step_types.grants import Grant, Grants
from mlci.step_types.keys import Json, Key
from mlci.step_types.own_entrypoint import processing_problems
from mlci.step_types.request_parts import token_object
from mlci.step_types.sagemaker_jobs import DAY_S
from mlci.step_types.states import (
    S3_RETRIES,
    S3_TRANSIENT_ERRORS,
    Heartbeat,
    StepPaths,
    TaskState,
    attempt_counters,
)

SAGEMAKER, BUILD = "sagemaker", "build"
#: Stands for the image in the request of a job that has none.
NO_IMAGE = "runs-on-build"
#: The resource of the task, as an event of its history has it.
TASK_RESOURCE = "putObject.waitForTaskToken"
#: The field of the step's part of the execution input by which a job of the build is known.
_TOKEN = "token"
#: A sign of life has to come within so many looks at something that takes its time.
HEARTBEAT_LOOKS = 10
#: Jobs of a build wait for their turn. The time limit of a job is kept by the build, and heartbeats watch that.
_TURN_S = DAY_S

#: The keys about SageMaker's machines, and those that a build can't keep to, which are no step's by accident.
_MACHINE_KEYS = ("image", "entrypoint", "instance", "instance_count", "volume_gb", "request")
_PROTECTION_KEYS = ("network_isolation", "vpc", "encrypt_traffic", "kms_key", "volume_kms_key")


def _problems(
    own: Mapping[str, Json], defaults: Mapping[str, Json]
) -> Iterator[tuple[tuple[str | int, ...], str, str]]:
    """Yield what can't stand beside `runs-on: build`. Machines in `defaults` are those of the other steps."""
    if own.get("runs-on") != BUILD:
        return
    for key in _MACHINE_KEYS:
        if key in own:
            what = f'"{key}" is for jobs on SageMaker, and this one runs in the build, with the project\'s Python'
            yield (key,), what, f"Remove it, or write runs-on: {SAGEMAKER}"
    for key in _PROTECTION_KEYS:
        place = own.get(key, defaults.get(key))
        if place is not None and place is not False:
            what = f'"{key}" protects jobs on SageMaker, and can\'t be kept to in the build'
            where = "" if key in own else ' (it is in "defaults": give it to the other steps)'
            yield ((key,) if key in own else ("runs-on",)), what, f"Remove it{where}, or write runs-on: {SAGEMAKER}"


def script_problems(
    own: Mapping[str, Json], defaults: Mapping[str, Json]
) -> Iterator[tuple[tuple[str | int, ...], str, str]]:
    """Yield what a processing step lacks, or can't have beside its script. In the build, no image starts by itself."""
    if own.get("runs-on") == BUILD:
        own = {key: value for key, value in own.items() if key not in _MACHINE_KEYS}
        defaults = {key: value for key, value in defaults.items() if key not in _MACHINE_KEYS}
    yield from processing_problems(own, defaults)


#: The remedy where a step of another type is to run in the build.
ONLY_PROCESSING = "The build runs processing steps alone; a job of this type needs what AWS has"

RUNS_ON = Key(
    "runs-on",
    "text",
    "Where the job runs (processing): on a machine of SageMaker's, by default; or in the build, which starts at once. "
    "There, the script runs with the project's Python, without an image, and in reach of the build's role.",
    examples=(BUILD,),
    choices=(SAGEMAKER, BUILD),
    step_problems=_problems,
)


def is_build_job(paths: StepPaths) -> bool:
    """Return True if the build runs the job of the step with this input."""
    return _TOKEN in paths.input_fields


def execution_input(step: ResolvedStep) -> dict[str, Json]:
    """Return the values that the state reads, beside the request."""
    bucket, key = split_s3_uri(step.token_uri)
    return {
        "name": step.name,
        "job": step.job,
        "attempt": attempt_counters(S3_RETRIES),
        "timeout_s": step.timeout_s + _TURN_S,
        "heartbeat_s": step.heartbeat_s,
        _TOKEN: {"bucket": bucket, "key": key},
    }


def task(paths: StepPaths) -> TaskState:
    """Return the state that writes the token and the request, and waits for the build."""
    name = f"States.Format('{{}}-{{}}-{{}}', {paths.input}.job, {paths.input}.attempt.number, $$.State.RetryCount)"
    return TaskState(
        title="",
        resource=f"arn:aws:states:::aws-sdk:s3:{TASK_RESOURCE}",
        parameters=token_object(
            paths,
            {
                "job.$": name,
                "heartbeat_s.$": f"{paths.input}.heartbeat_s",
                "request": {**paths.request_parameters},
            },
        ),
        transient_errors=S3_TRANSIENT_ERRORS,
        retries=S3_RETRIES,
        attempt_path=f"{paths.input}.attempt",
        failure_title="failed",
        timeout_path=f"{paths.input}.timeout_s",
        heartbeat=Heartbeat(
            seconds_path=f"{paths.input}.heartbeat_s",
            title="the build is gone",
            reason=": the build that ran it gave no sign of life any more",
        ),
    )


def summary(step: ResolvedStep) -> str:
    """Return a job of the build in a line."""
    return f"processing in the build, at most {step.timeout_s:g} s"


#: The rights that the build needs in the place of the job's role, and the state machine for the token.
GRANTS = Grants(
    build=(
        Grant("ReadTokens", ("s3:GetObject",), ("s3:{tokens}",)),
        Grant("Answer", ("states:SendTaskFailure", "states:SendTaskHeartbeat", "states:SendTaskSuccess"), ("*",)),
        Grant("WriteOutputs", ("s3:PutObject",), ("s3:{runs}",)),
    ),
    workflow=(Grant("WriteTokens", ("s3:PutObject",), ("s3:{tokens}",)),),
)
