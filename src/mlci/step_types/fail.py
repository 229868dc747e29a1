"""`uses: fail`: a Fail state of Step Functions, which ends the run with a message. It needs no rights of its own.

Source: https://docs.aws.amazon.com/step-functions/latest/dg/state-fail.html
"""

from __future__ import annotations

from collections.abc import Mapping

from mlci.step_types.base import (
    FailState,
    Grants,
    Json,
    Key,
    ResolvedStep,
    State,
    StepPaths,
    StepType,
    no_further_requests,
)

#: A cause has at most 32,768 characters; numbers take some of them.
#: Source: https://docs.aws.amazon.com/step-functions/latest/apireference/API_ExecutionFailedEventDetails.html
_MAX_MESSAGE_CHARS = 4_096


def _parts(step: ResolvedStep) -> list[Json]:
    """Return the parts of the message: texts, and for each metric a map that names it."""
    message = step.values["message"]
    return message if isinstance(message, list) else [message]


def _execution_input(step: ResolvedStep, request: Mapping[str, Json]) -> dict[str, Json]:
    """Return the texts of the message: the first stands before its first metric, each other one behind a metric."""
    texts = [""]
    for part in _parts(step):
        if isinstance(part, dict):
            texts.append("")
        else:
            texts[-1] += str(part)
    return {"message": list(texts)}


def _states(paths: StepPaths) -> tuple[State, ...]:
    return (FailState(title="", message_path=f"{paths.input}.message"),)


def _summary(step: ResolvedStep, request: Mapping[str, Json]) -> str:
    words = (f"<{part['metric']}>" if isinstance(part, dict) else str(part) for part in _parts(step))
    return f"fail with: {''.join(words)}"


FAIL = StepType(
    name="fail",
    description="a failure (it ends the run as a missed gate does, with a message)",
    keys=(
        Key(
            "message",
            "text",
            "The reason that the run ends with (fail). ${{ steps.<step>.metrics.<path> }} stands for a metric.",
            examples=("accuracy is ${{ steps.evaluate.metrics.accuracy }}: look at the data",),
            is_required=True,
            missing_hint='Add message: "why the run ends here"',
            takes_metrics=True,
            max_chars=_MAX_MESSAGE_CHARS,
        ),
    ),
    hints={},
    outputs=(),
    metrics_file=None,
    image_scope=None,
    container=None,
    request=None,
    further_requests=no_further_requests,
    job=None,
    execution_input=_execution_input,
    states=_states,
    cleanup=(),
    grants=Grants(),
    summary=_summary,
)
