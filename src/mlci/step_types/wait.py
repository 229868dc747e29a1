"""`uses: wait`: a Wait state of Step Functions. It has no job, and needs no rights.

Source: https://docs.aws.amazon.com/step-functions/latest/dg/state-wait.html
"""

from __future__ import annotations

from collections.abc import Mapping

from mlci.step_types.base import ResolvedStep, StepType, no_further_requests
from mlci.step_types.grants import Grants
from mlci.step_types.keys import Json, Key
from mlci.step_types.states import State, StepPaths, WaitState

#: AWS takes 0 to 99,999,999; a wait of nothing is a mistake.
_MIN_SECONDS, _MAX_SECONDS = 1, 99_999_999


def _execution_input(step: ResolvedStep, request: Mapping[str, Json]) -> dict[str, Json]:
    return {"seconds": step.values["seconds"]}


def _states(paths: StepPaths) -> tuple[State, ...]:
    return (WaitState(title="", seconds_path=f"{paths.input}.seconds"),)


def _summary(step: ResolvedStep, request: Mapping[str, Json]) -> str:
    return f"wait for {step.values['seconds']} s"


WAIT = StepType(
    name="wait",
    description="a wait (a pause of some seconds, without a job)",
    keys=(
        Key(
            "seconds",
            "integer",
            "The time to wait, in seconds (wait).",
            examples=(30,),
            is_required=True,
            missing_hint="Add seconds: 30",
            minimum=_MIN_SECONDS,
            maximum=_MAX_SECONDS,
        ),
    ),
    hints={"timeout": 'Give a wait step its time as "seconds"'},
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
