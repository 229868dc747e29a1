"""Names that stand in the definition, and by which its results are recognized."""

from __future__ import annotations

from collections.abc import Collection

from mlci.step_types import state_titles

#: The error name of the Fail state that a missed gate ends in.
GATE_MISSED = "mlci.GateMissed"
#: The error name of the Fail state of a gate that mlci was asked about, and did not judge.
NOT_JUDGED = "mlci.NotJudged"
#: The error name of the Fail state of a step that ends the run as a missed gate does.
FAIL_REACHED = "mlci.FailReached"
#: The name of a cleaner's execution: the run's, this, and a number.
CLEANER_NAME = "-cleaner-"
#: The error name of the Fail state of a cleaner that could not delete what a run left.
NOT_CLEANED = "mlci.NotCleaned"
#: The error name of the Fail state of an approval that nobody decided about in time.
APPROVAL_TIMED_OUT = "mlci.ApprovalTimedOut"
#: The title of the state that stands for a step which is reused.
REUSED_TITLE = "reused"
#: The beginning of the name of a Map state over the cells of a matrix; the names of its steps follow.
CELLS_TITLE = "each cell: "


def state_name(step: str, title: str) -> str:
    """Return the name of one of a step's states: its main state has no title, and bears the step's name.

    >>> state_name("train", ""), state_name("train", "keep the model")
    ('train', 'train: keep the model')
    """
    return f"{step}: {title}" if title else step


def step_of_state(state: str, steps: Collection[str]) -> str | None:
    """Return the step that a state belongs to; None for a state that is no part of a step's own work.

    >>> step_of_state("train: keep the model", ["train"]), step_of_state("gate: holds?", ["train"])
    ('train', None)
    """
    step, _, title = state.partition(": ")
    return step if step in steps and (not title or title in state_titles()) else None


def is_cleaner(execution: str) -> bool:
    """Return True for the name of an execution that is no run, but cleans up after one.

    >>> is_cleaner("20261123-101530-3f9c2a-cleaner-1"), is_cleaner("20261123-101530-3f9c2a")
    (True, False)
    """
    return CLEANER_NAME in execution
