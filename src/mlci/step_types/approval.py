"""`uses: approval`: a task that waits for a person's decision, which `mlci approve` and `mlci reject` send.

The state machine writes the task's token to a prefix of its own, and waits. Whoever has a token can complete its task:
SendTaskSuccess takes no resource in a policy. So the token's prefix decides who may approve. A token is of no use once
its task has ended. Anything but an approval ends the run.

Sources: https://docs.aws.amazon.com/step-functions/latest/dg/connect-to-resource.html#connect-wait-token;
https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsstepfunctions.html (SendTaskSuccess)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from mlci.s3_uris import split_s3_uri
from mlci.step_types.base import ResolvedStep, StepType, no_further_requests
from mlci.step_types.grants import Grant, Grants
from mlci.step_types.kept_results import KEEP_RESULTS, keep_result, result_place
from mlci.step_types.keys import Json
from mlci.step_types.messages import MESSAGE, message_summary, message_texts
from mlci.step_types.request_parts import token_object
from mlci.step_types.sagemaker_jobs import TIMEOUT
from mlci.step_types.states import (
    S3_RETRIES,
    S3_TRANSIENT_ERRORS,
    ApprovalState,
    State,
    StepPaths,
    TaskState,
    TimeOut,
    attempt_counters,
)

#: The output of the decision: who decided, when, what and why.
DECISION_OUTPUT, DECISION_FILE = "decision", "decision.json"


def _execution_input(step: ResolvedStep, request: Mapping[str, Json]) -> dict[str, Json]:
    token_bucket, token_key = split_s3_uri(step.token_uri)
    return {
        "name": step.name,
        "message": message_texts(step),
        "timeout_s": step.timeout_s,
        "timed_out": f'nobody decided about the approval "{step.name}" within {_duration(step.timeout_s)}',
        "token": {"bucket": token_bucket, "key": token_key},
        "attempt": attempt_counters(S3_RETRIES),
        "decision": result_place(step.outputs[DECISION_OUTPUT], DECISION_FILE),
    }


def _duration(seconds: int) -> str:
    """Return a time limit in words.

    >>> _duration(5400), _duration(90)
    ('1 h 30 min', '1 min 30 s')
    """
    parts = ((seconds // 3600, "h"), (seconds // 60 % 60, "min"), (seconds % 60, "s"))
    return " ".join(f"{number} {unit}" for number, unit in parts if number)


def _states(paths: StepPaths) -> tuple[State, ...]:
    return (
        TaskState(
            title="",
            resource="arn:aws:states:::aws-sdk:s3:putObject.waitForTaskToken",
            parameters=token_object(
                paths,
                {
                    "message.$": "$.message",
                    "asked_at.$": "$$.State.EnteredTime",
                    "decision_key.$": f"{paths.input}.decision.key",
                },
            ),
            transient_errors=S3_TRANSIENT_ERRORS,
            retries=S3_RETRIES,
            attempt_path=f"{paths.input}.attempt",
            failure_title="not asked",
            keeps={"decision": "$"},
            timeout_path=f"{paths.input}.timeout_s",
            message_path=f"{paths.input}.message",
            time_out=TimeOut("timed out", f"{paths.input}.timed_out"),
        ),
        keep_result(paths, "decision", "decision", f"{paths.result}.decision"),
        ApprovalState(title="approved?", decision_path=f"{paths.result}.decision", rejected_title="rejected"),
    )


def _summary(step: ResolvedStep, request: Mapping[str, Json]) -> str:
    return f"approval within {_duration(step.timeout_s)}: {message_summary(step)}"


APPROVAL = StepType(
    name="approval",
    description="an approval (the run waits until a person approves or rejects)",
    keys=(
        replace(MESSAGE, missing_hint='Add message: "what to decide about"'),
        replace(TIMEOUT, in_defaults=False),
    ),
    hints={
        "seconds": 'Give an approval its time limit as "timeout"',
    },
    outputs=(DECISION_OUTPUT,),
    metrics_file=None,
    image_scope=None,
    container=None,
    request=None,
    further_requests=no_further_requests,
    job=None,
    execution_input=_execution_input,
    states=_states,
    cleanup=(),
    grants=Grants(
        build=(
            Grant("ReadTokens", ("s3:GetObject",), ("s3:{tokens}",)),
            Grant("Decide", ("states:SendTaskSuccess",), ("*",)),
        ),
        workflow=(
            Grant("WriteTokens", ("s3:PutObject",), ("s3:{tokens}",)),
            KEEP_RESULTS,
        ),
    ),
    summary=_summary,
    is_reusable=False,
    cost=None,
)
