"""The step types of a flow: one object for each value of `uses`, which holds all that is particular to it.

    base.py              a step type, its container, its request and its job
    keys.py              the keys of steps in flow.yaml
    states.py            the states of a step
    grants.py            the rights that a step type needs
    deletions.py         the resources that outlive a run unless they are deleted
    script_start.py      the commands that start a script in its container
    hyperparameters.py   the hyperparameters of a training job, as they are sent
    sagemaker_jobs.py    what all types of SageMaker jobs share
    gate_judgement.py    the verdict on the gate that the state machine asks mlci for
    build_run.py         runs-on: build, a job that the build runs itself
    own_entrypoint.py    a job that runs what its image starts, and none of the flow's scripts
    algorithms.py        SageMaker's built-in algorithms
    xgboost_values.py    the hyperparameters that the built-in XGBoost takes
    job_metrics.py       the states that keep the metrics that SageMaker found in a job's log
    job_security.py      the keys of jobs for networks and encryption
    managed_spot.py      the keys of training jobs for spot machines and checkpoints
    warm_pools.py        the key of training jobs for managed warm pools
    request_parts.py     parts of API requests
    processing.py        a processing job
    training.py          a training job
    tuning.py            a tuning job, whose trials are training jobs
    tuning_ranges.py     the ranges of a tuning job, as they are sent
    model_copy.py        the states that copy a model to the run's folder
    sagemaker_models.py  what all types share that create a model of SageMaker
    model.py             a model of SageMaker
    transform.py         a batch transform job, with a model of its own
    model_metadata.py    what mlci keeps with a registered model
    register.py          a version of a model in the model registry
    endpoint.py          an endpoint that serves a model
    endpoint_requests.py  the values of its keys: data capture, serverless, smoke requests
    endpoint_states.py   its states
    kept_results.py      the results of steps without a job, kept in S3
    wait.py              a pause, without a job
    messages.py          the messages of steps, with metrics in them
    approval.py          a person's decision, which the run waits for
    glue.py              a Glue job
    lambda_function.py   a call of a Lambda function
    fail.py              the end of the run, with a message

Step types stand below the flow. Every other package asks `STEP_TYPES` and names no type itself.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Collection, Iterator, Mapping
from fnmatch import fnmatchcase

from mlci.step_types.base import JobType, StepType
from mlci.step_types.keys import Key
from mlci.step_types.states import (
    Alternative,
    ApprovalState,
    BranchState,
    MapState,
    PollState,
    SmokeState,
    State,
    StepPaths,
    TaskState,
    WaitState,
)

__all__ = [
    "STEP_TYPES",
    "all_keys",
    "closing_titles",
    "has_alternative",
    "is_done_already",
    "jobs_of",
    "owners_of",
    "state_titles",
    "waits_for_decision",
]

#: The module of each step type by the type's name, in the order in which messages and the schema list the types. The
#: type is a constant there that bears its name.
_MODULES = {
    "processing": "processing",
    "training": "training",
    "tuning": "tuning",
    "transform": "transform",
    "model": "model",
    "endpoint": "endpoint",
    "register": "register",
    "glue": "glue",
    "lambda": "lambda_function",
    "wait": "wait",
    "approval": "approval",
    "fail": "fail",
}


class _StepTypes(Mapping[str, StepType]):
    """The step types by name. A type is imported when it is asked for: few flows use more than three."""

    def __getitem__(self, name: str) -> StepType:
        return _imported(name)

    def __iter__(self) -> Iterator[str]:
        return iter(_MODULES)

    def __len__(self) -> int:
        return len(_MODULES)

    def __contains__(self, name: object) -> bool:
        return name in _MODULES


@functools.cache
def _imported(name: str) -> StepType:
    module = importlib.import_module(f"mlci.step_types.{_MODULES[name]}")
    step_type: StepType = getattr(module, name.upper())
    return step_type


#: Every step type by its name.
STEP_TYPES: Mapping[str, StepType] = _StepTypes()


def all_keys() -> dict[str, Key]:
    """Return every key that steps of some type have, as the first of these types describes it."""
    keys: dict[str, Key] = {}
    for kind in STEP_TYPES.values():
        for key in kind.keys:
            keys.setdefault(key.name, key)
    return keys


@functools.cache
def owners_of(key: str) -> tuple[str, ...]:
    """Return the names of the types that have this key.

    >>> owners_of("hyperparameters")
    ('training', 'tuning')
    """
    return tuple(name for name, kind in STEP_TYPES.items() if kind.key(key))


def jobs_of(names: Collection[str]) -> dict[str, JobType]:
    """Return the jobs of these step types, by the type's name. Types without a job are left out."""
    return {name: job for name in STEP_TYPES if name in names and (job := STEP_TYPES[name].job)}


@functools.cache
def state_titles() -> frozenset[str]:
    """Return the titles of the states that any step type has, but for those that take work back: a step has failed
    when they run."""
    return frozenset(title for state in _all_states() for title in _titles(state))


def _titles(state: State) -> Iterator[str]:
    """Yield the titles of a state and of all that belong to it."""
    yield state.title
    if isinstance(state, PollState):
        yield from state.reason_titles
    if isinstance(state, SmokeState):
        yield from (state.task_title, state.reason_title)
    if isinstance(state, ApprovalState):
        yield state.rejected_title
    for inner in _inner(state):
        yield from _titles(inner)


def _inner(state: State) -> Iterator[State]:
    """Yield the states that belong to a state, but for those that take work back."""
    if isinstance(state, (MapState, PollState)):
        yield state.task
    if isinstance(state, BranchState):
        yield from (*state.present, *state.absent)
    if isinstance(state, TaskState) and state.alternative:
        yield from state.alternative.states


def waits_for_decision(name: str) -> bool:
    """Return whether steps of this type wait for a person's decision.

    >>> waits_for_decision("approval"), waits_for_decision("wait")
    (True, False)
    """
    return any(isinstance(state, ApprovalState) for state in STEP_TYPES[name].states(StepPaths("$", "$")))


def closing_titles(uses: str, input_fields: tuple[str, ...] = ()) -> frozenset[str]:
    """Return the titles of the states by whose success a step has succeeded: of the last that does something.

    `input_fields` are those of the step's part of the execution input.

    >>> sorted(closing_titles("processing"))
    ['']
    """
    states = STEP_TYPES[uses].states(StepPaths("$.input", "$.result", input_fields=input_fields))
    last = [state for state in states if isinstance(state, (TaskState, WaitState))][-1:]
    others = [
        each
        for state in last
        if isinstance(state, TaskState) and state.alternative
        for each in state.alternative.states[-1:]
    ]
    return frozenset(state.title for state in [*last, *others])


def is_done_already(cause: str, title: str) -> bool:
    """Return whether a task that failed with this cause in the state of a title has nothing left to do."""
    return any(
        fnmatchcase(cause, pattern) for each in _alternatives(title) if not each.states for pattern in each.causes
    )


def has_alternative(cause: str, title: str) -> bool:
    """Return whether another way remains for a task that failed with this cause in the state of a title."""
    return any(fnmatchcase(cause, pattern) for each in _alternatives(title) for pattern in each.causes)


def _alternatives(title: str) -> Iterator[Alternative]:
    states = (state for state in _all_states() if isinstance(state, TaskState) and state.title == title)
    yield from (state.alternative for state in states if state.alternative)


class _EveryField(tuple[str, ...]):
    """The fields of a step's input, as if it had every one: a type then describes all states that it can have."""

    def __contains__(self, field: object) -> bool:
        return True


def _all_states() -> Iterator[State]:
    for kind in STEP_TYPES.values():
        for state in kind.states(StepPaths("$.input", "$.result", input_fields=_EveryField())):
            yield from _with_inner(state)


def _with_inner(state: State) -> Iterator[State]:
    yield state
    for inner in _inner(state):
        yield from _with_inner(inner)
