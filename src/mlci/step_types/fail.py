"""`uses: fail`: a Fail state of Step Functions, which ends the run with a message. It needs no rights of its own.

Source: https://docs.aws.amazon.com/step-functions/latest/dg/state-fail.html
"""

from __future__ import annotations

from collections.abc import Mapping

from mlci.step_types.base import ResolvedStep, StepType, no_further_requests
from mlci.step_types.grants import Grants
from mlci.step_types.keys import Json
from mlci.step_types.messages import MESSAGE, message_summary, message_texts
from mlci.step_types.states import FailState, State, StepPaths


def _execution_input(step: ResolvedStep, request: Mapping[str, Json]) -> dict[str, Json]:
    return {"message": message_texts(step)}


def _states(paths: StepPaths) -> tuple[State, ...]:
    return (FailState(title="", message_path=f"{paths.input}.message"),)


def _summary(step: ResolvedStep, request: Mapping[str, Json]) -> str:
    return f"fail with: {message_summary(step)}"


FAIL = StepType(
    name="fail",
    description="a failure (it ends the run as a missed gate does, with a message)",
    keys=(MESSAGE,),
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
    is_reusable=False,
    cost=None,
)
