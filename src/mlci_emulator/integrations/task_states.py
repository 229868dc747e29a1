"""Finds the Task states of a definition, at any depth, as they are written."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from mlci_emulator.integrations.parameters import Form

_NESTED = ("ItemProcessor", "Iterator")


class TaskState(NamedTuple):
    """The members of a Task state, and its path in the definition, such as `/States/train`."""

    path: str
    state: Mapping[str, Any]
    form: Form

    @property
    def resource(self) -> str:
        return str(self.state.get("Resource", ""))

    @property
    def field(self) -> str:
        """The name of the field with its parameters."""
        return "Arguments" if self.form is Form.JSONATA else "Parameters"


def task_states(definition: str) -> Iterator[TaskState]:
    """Yield a definition's tasks in its order. The definition is known to be valid."""
    yield from _task_states(json.loads(definition), "", Form.JSONPATH)


def _task_states(branch: Mapping[str, Any], path: str, inherited: Form) -> Iterator[TaskState]:
    inherited = _form(branch, inherited)
    for name, state in branch["States"].items():
        here, form = f"{path}/States/{name}", _form(state, inherited)
        if state["Type"] == "Task":
            yield TaskState(here, state, form)
        for index, inner in enumerate(state.get("Branches", ())):
            yield from _task_states(inner, f"{here}/Branches[{index}]", form)
        for field in _NESTED:
            if field in state:
                yield from _task_states(state[field], f"{here}/{field}", form)


def _form(members: Mapping[str, Any], inherited: Form) -> Form:
    return Form(members["QueryLanguage"]) if "QueryLanguage" in members else inherited
