"""The time limit of an execution: it ends even if nobody is left to stop it.

A state machine's limit stands in the definition, where no path can lead to it. It is rounded up in large strides, so
that the definition changes only where a flow's limits change much.

Source: https://docs.aws.amazon.com/step-functions/latest/dg/statemachine-structure.html (TimeoutSeconds)
"""

from __future__ import annotations

import math
import sys

if sys.version_info >= (3, 11):
    from typing import assert_never
else:  # 4 ms
    from typing_extensions import assert_never

from mlci.compile.concurrency import MAX_CONCURRENT_CELLS, max_parallel
from mlci.compile.series_parallel import Cells, Composition, Parallel, Series, leaves
from mlci.flow.dependencies import metrics_read
from mlci.flow.names import written_name
from mlci.plan.models import Plan
from mlci.step_types import STEP_TYPES
from mlci.step_types.gate_judgement import ANSWER_S
from mlci.step_types.states import (
    S3_RETRIES,
    ApprovalState,
    BranchState,
    FailState,
    MapState,
    PassState,
    PollState,
    RetryRule,
    SmokeState,
    State,
    StepPaths,
    TaskState,
    WaitState,
)

#: The retries by error name of every task: the first wait, their number, and the growth of the wait.
RETRY_WAIT_S, RETRY_ATTEMPTS, RETRY_GROWTH = 5, 6, 2.0
#: The limit of one attempt to read a metrics file.
READ_METRICS_S = 300
#: mlci stops a run at its `--timeout`. Step Functions does so this much later.
_GRACE_S = 300
#: Executions last at most a year.
#: Source: https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html
_MAX_S = 31_536_000


def time_limit_s(longest_s: float, timeout_s: float | None) -> int:
    """Return the time limit of an execution in seconds: the next power of two in minutes.

    >>> time_limit_s(3_000, None), time_limit_s(3_600, None), time_limit_s(3_600, timeout_s=60)
    (3840, 3840, 480)
    """
    needed_s = longest_s if timeout_s is None else min(longest_s, timeout_s + _GRACE_S)
    minutes = max(1, math.ceil(needed_s / 60))
    return min(_MAX_S, 60 * (1 << (minutes - 1).bit_length()))


def longest_path_s(plan: Plan, composition: Composition) -> float:
    """Return the longest time that the steps can take, with all of their retries and all reads of metrics."""
    owners = [plan.machine_gate, *(step.when for step in plan.steps.values())]
    reads = sum(len({written_name(bound.rule.step) for bound in bounds}) for bounds in owners)
    reads += sum(len({metric.step for metric in metrics_read(step)}) for step in plan.flow.steps.values())
    reads_s = 2 * reads * _task_s(READ_METRICS_S, S3_RETRIES, is_call=True)
    asked = 1 + sum(plan.flow.steps[name].is_after_gate for name in plan.steps) if plan.asks_mlci else 0
    return _composition_s(plan, composition) + reads_s + asked * _task_s(ANSWER_S, S3_RETRIES, is_call=False)


def _composition_s(plan: Plan, composition: Composition) -> float:
    match composition:
        case str(name):
            return max(_step_s(plan, step.name) for step in plan.cells(name))
        case Series(items):
            return sum(_composition_s(plan, item) for item in items)
        case Parallel(items):
            return max(_composition_s(plan, item) for item in items)
        case Cells(item):
            names = leaves(item)
            waves = math.ceil(len(plan.cells(names[0])) / (max_parallel(plan, names) or MAX_CONCURRENT_CELLS))
            return waves * _composition_s(plan, item)


def _step_s(plan: Plan, name: str) -> float:
    values = plan.steps[name].execution_input
    paths = StepPaths("$", "$", input_fields=tuple(sorted(values)))
    return sum(_state_s(plan, name, state) for state in STEP_TYPES[plan.flow.steps[name].uses].states(paths))


def _state_s(plan: Plan, name: str, state: State) -> float:
    match state:
        case TaskState(timeout_s=int(limit_s)):
            others = state.alternative.states if state.alternative else ()
            return _task_s(limit_s, state.retries, is_call=True) + sum(_state_s(plan, name, other) for other in others)
        case TaskState(timeout_path=str(path)):
            return _task_s(_seconds(plan, name, path), state.retries, is_call=False)
        case MapState():
            # Each iteration may take its limit once, and one iteration takes all of its attempts.
            rounds = math.ceil(state.max_items / state.max_concurrency)
            return (rounds - 1) * (state.task.timeout_s or 0) + _state_s(plan, name, state.task)
        case WaitState(seconds_path=path):
            return _seconds(plan, name, path)
        case PollState(limit_path=path):
            others = (state.task, *state.undo)
            return _seconds(plan, name, path) + sum(_state_s(plan, name, other) for other in others)
        case BranchState():
            ways = (state.present, state.absent)
            return max(sum(_state_s(plan, name, other) for other in way) for way in ways)
        case SmokeState():
            return (state.max_items - 1) * state.timeout_s + _task_s(state.timeout_s, (), is_call=True)
        case FailState() | PassState() | ApprovalState():
            return 0
        case TaskState():
            raise AssertionError(f"{name} has a task without a time limit")
        case _:
            assert_never(state)


def _task_s(limit_s: float, rules: tuple[RetryRule, ...], is_call: bool) -> float:
    """Return the longest time of a task. A call may take its limit on every attempt; a rejected one takes no time."""
    by_name_s = sum(RETRY_WAIT_S * RETRY_GROWTH**attempt for attempt in range(RETRY_ATTEMPTS))
    attempts = 1 + (RETRY_ATTEMPTS if is_call else 0)
    attempts += sum(rule.attempts for rule in rules if not rule.is_rejection)
    return limit_s * attempts + by_name_s + sum(rule.total_wait_s for rule in rules)


def _seconds(plan: Plan, name: str, path: str) -> float:
    """Return the number of seconds at a path in the step's part of the execution input."""
    seconds = plan.steps[name].execution_input[path.removeprefix("$.")]
    assert isinstance(seconds, (int, float))
    return seconds
