"""The step types of a flow: one object for each value of `uses`, which holds all that is particular to it.

    base.py              the parts of a step type
    script_start.py      the commands that start a script in its container
    hyperparameters.py   the hyperparameters of a training job, as they are sent
    sagemaker_jobs.py    what all types of SageMaker jobs share
    own_entrypoint.py    a job that runs what its image starts, and none of the flow's scripts
    algorithms.py        SageMaker's built-in algorithms
    xgboost_values.py    the hyperparameters that the built-in XGBoost takes
    job_metrics.py       the states that keep the metrics that SageMaker found in a job's log
    job_security.py      the keys of jobs for networks and encryption
    managed_spot.py      the keys of training jobs for spot machines and checkpoints
    request_parts.py     parts of API requests
    processing.py        a processing job
    training.py          a training job
    model_copy.py        the states that copy a model to the run's folder
    sagemaker_models.py  what all types share that create a model of SageMaker
    model.py             a model of SageMaker
    model_metadata.py    what mlci keeps with a registered model
    register.py          a version of a model in the model registry
    wait.py              a pause, without a job
    lambda_function.py   a call of a Lambda function
    fail.py              the end of the run, with a message

Step types stand below the flow. Every other package asks `STEP_TYPES` and names no type itself.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from fnmatch import fnmatchcase
from types import MappingProxyType

from mlci.step_types.base import JobType, Key, MapState, State, StepPaths, StepType, TaskState
from mlci.step_types.fail import FAIL
from mlci.step_types.lambda_function import LAMBDA
from mlci.step_types.model import MODEL
from mlci.step_types.processing import PROCESSING
from mlci.step_types.register import REGISTER
from mlci.step_types.training import TRAINING
from mlci.step_types.wait import WAIT

__all__ = ["STEP_TYPES", "all_keys", "has_alternative", "jobs_of", "owners_of", "state_titles"]

#: Every step type by its name, in the order in which messages and the schema list them.
STEP_TYPES: Mapping[str, StepType] = MappingProxyType(
    {kind.name: kind for kind in (PROCESSING, TRAINING, MODEL, REGISTER, LAMBDA, WAIT, FAIL)}
)


def all_keys() -> dict[str, Key]:
    """Return every key that steps of some type have, as the first of these types describes it."""
    keys: dict[str, Key] = {}
    for kind in STEP_TYPES.values():
        for key in kind.keys:
            keys.setdefault(key.name, key)
    return keys


def owners_of(key: str) -> tuple[str, ...]:
    """Return the names of the types that have this key.

    >>> owners_of("hyperparameters")
    ('training',)
    """
    return tuple(name for name, kind in STEP_TYPES.items() if kind.key(key))


def jobs_of(names: Collection[str]) -> dict[str, JobType]:
    """Return the jobs of these step types, by the type's name. Types without a job are left out."""
    return {name: kind.job for name, kind in STEP_TYPES.items() if name in names and kind.job}


def state_titles() -> frozenset[str]:
    """Return the titles of the states that any step type has."""
    return frozenset(title for state in _all_states() for title in _titles(state))


def _titles(state: State) -> Iterator[str]:
    """Yield the titles of a state and of all that belong to it."""
    yield state.title
    if isinstance(state, MapState):
        yield state.task.title
    if isinstance(state, (MapState, TaskState)) and state.undo:
        yield state.undo.title
    if isinstance(state, TaskState) and state.alternative:
        for other in state.alternative.states:
            yield from _titles(other)


def has_alternative(cause: str) -> bool:
    """Return whether another way remains for a task that failed with this cause."""
    alternatives = (state.alternative for state in _all_states() if isinstance(state, TaskState))
    causes = (cause for alternative in alternatives if alternative for cause in alternative.causes)
    return any(fnmatchcase(cause, pattern) for pattern in causes)


class _EveryField(tuple[str, ...]):
    """The fields of a step's input, as if it had every one: a type then describes all states that it can have."""

    def __contains__(self, field: object) -> bool:
        return True


def _all_states() -> Iterator[State]:
    for kind in STEP_TYPES.values():
        yield from kind.states(StepPaths("$.input", "$.result", input_fields=_EveryField()))
