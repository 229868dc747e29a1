"""The number of events in an execution's history, of which Step Functions takes 25,000.

Source: https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html
"""

from __future__ import annotations

from collections.abc import Iterable

from mlci.plan.models import Plan
from mlci.step_types import STEP_TYPES
from mlci.step_types.states import BranchState, MapState, PollState, State, StepPaths, TaskState

#: Of a task: entered, scheduled, started, submitted, succeeded, exited. Of another state: entered and exited.
_TASK, _OTHER = 6, 2
#: Beside a step's own states: a choice in front of them, and the start and the end of an iteration or a branch.
_AROUND = 4


def least_events(plan: Plan) -> int:
    """Return about how many events a run has in which nothing fails and nothing is waited for, without its rules."""
    return sum(_AROUND + _events(_states(plan, name)) for name in plan.steps)


def _states(plan: Plan, name: str) -> tuple[State, ...]:
    paths = StepPaths("$", "$", input_fields=tuple(sorted(plan.steps[name].execution_input)))
    return STEP_TYPES[plan.flow.steps[name].uses].states(paths)


def _events(states: Iterable[State]) -> int:
    return sum(_of(state) for state in states)


def _of(state: State) -> int:
    match state:
        case TaskState():
            return _TASK
        case MapState(task=task):
            return _OTHER + _of(task)
        case PollState(task=task):
            return 2 * _OTHER + _of(task)
        case BranchState(present=present, absent=absent):
            return _OTHER + min(_events(present), _events(absent))
        case _:
            return _OTHER
