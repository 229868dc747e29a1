"""`uses: lambda`: invokes a Lambda function, and keeps its result.

The task's output has the function's result as JSON in `Payload`; a function that fails fails the task, with the error's
type as its name. What is documented as passing by itself is tried again.

Sources: https://docs.aws.amazon.com/step-functions/latest/dg/connect-lambda.html;
https://docs.aws.amazon.com/step-functions/latest/dg/bp-lambda-serviceexception.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from mlci.step_types.base import ResolvedStep, StepType, no_further_requests
from mlci.step_types.grants import Grants
from mlci.step_types.kept_results import ETAG, KEEP_RESULTS, keep_result, result_place
from mlci.step_types.keys import Json, Key
from mlci.step_types.states import RetryRule, State, StepPaths, TaskState, attempt_counters

_RESULT, _FILE = "result", "result.json"
#: A function runs for at most 15 minutes. Source: https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
_INVOKE_S = 930
_TRANSIENT_ERRORS = ("Lambda.ServiceException", "Lambda.SdkClientException", "Lambda.TooManyRequestsException")
#: The SDK's base class of exceptions carries throttling and faults of the service, and denied rights as well.
_RETRIES = (
    RetryRule(
        "service",
        ("Lambda.AWSLambdaException",),
        ("*Rate exceeded*", "*Status Code: 429*", "*Status Code: 5*"),
        wait_s=30,
        attempts=10,
    ),
)
#: FunctionName, https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html
_FUNCTION = re.compile(
    r"(arn:aws[a-z-]*:lambda:[a-z0-9-]+:\d{12}:function:)?[A-Za-z0-9_-]{1,64}(:(\$LATEST|[A-Za-z0-9_-]{1,128}))?"
)
_LOCAL = re.compile(r"[^:*]+\.py(:[A-Za-z_][A-Za-z0-9_]*)?")


def _function_problems(value: Json) -> Iterator[tuple[tuple[str | int, ...], str, str]]:
    if not _FUNCTION.fullmatch(str(value)):
        hint = "Write its name, name:alias, or its ARN; a name has letters, digits, - and _, at most 64"
        yield (), f'"{str(value)[:80]}" is not a Lambda function', hint


def _local_problems(value: Json) -> Iterator[tuple[tuple[str | int, ...], str, str]]:
    text = str(value)
    if not _LOCAL.fullmatch(text) or text.startswith("/") or ".." in text.split("/"):
        hint = "Write a Python file relative to this one, a colon, and the function in it: functions/notify.py:handler"
        yield (), f'"{text[:80]}" is not a handler', hint


def _execution_input(step: ResolvedStep, request: Mapping[str, Json]) -> dict[str, Json]:
    return {
        "function": step.values["function"],
        "payload": step.values.get("payload", {}),
        "attempt": attempt_counters(_RETRIES),
        "result": result_place(step.outputs[_RESULT], _FILE),
    }


def _states(paths: StepPaths) -> tuple[State, ...]:
    return (
        TaskState(
            title="",
            resource="arn:aws:states:::lambda:invoke",
            parameters={"FunctionName.$": f"{paths.input}.function", "Payload.$": f"{paths.input}.payload"},
            transient_errors=_TRANSIENT_ERRORS,
            retries=_RETRIES,
            attempt_path=f"{paths.input}.attempt",
            failure_title="failed",
            keeps={"payload": "$.Payload"},
            timeout_s=_INVOKE_S,
        ),
        keep_result(paths, "result", "result", f"{paths.result}.payload", ETAG),
    )


def _summary(step: ResolvedStep, request: Mapping[str, Json]) -> str:
    return f"lambda invokes {step.values['function']}"


LAMBDA = StepType(
    name="lambda",
    description="a call of a Lambda function (its result is an output, and its metrics)",
    keys=(
        Key(
            "function",
            "text",
            "The Lambda function: its name, name:alias, or its ARN (lambda). The function is not mlci's to create.",
            examples=("notify", "notify:live"),
            is_required=True,
            missing_hint="Add function: <its name>",
            problems=_function_problems,
        ),
        Key(
            "payload",
            "json",
            "What the function gets as its event (lambda). References may stand in its texts.",
            examples=({"model": "${{ steps.train.outputs.model }}"},),
            takes_outputs=True,
        ),
        Key(
            "local",
            "text",
            "The code of the function for local runs: a Python file, and the handler in it (lambda).",
            examples=("functions/notify.py:handler",),
            problems=_local_problems,
        ),
    ),
    hints={
        "timeout": "A function has a time limit of its own, of at most 15 minutes",
        "args": 'Give a function its values as "payload"',
        "run": 'Name the function as "function", and its code for local runs as "local"',
        "env": 'Give a function its values as "payload"',
    },
    outputs=(_RESULT,),
    metrics_file=f"{_RESULT}/{_FILE}",
    image_scope=None,
    container=None,
    request=None,
    further_requests=no_further_requests,
    job=None,
    execution_input=_execution_input,
    states=_states,
    cleanup=(),
    grants=Grants(workflow=(KEEP_RESULTS,)),
    summary=_summary,
    is_reusable=False,
    cost=None,
)
