"""The Task states of a definition, wherever they are in it, as they were written."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from mlci_emulator.integrations.parameters import Form

_NESTED = ("ItemProcessor", "Iterator")


class WrittenTask(NamedTuple):
    """A Task state's members, and its place in the definition, such as `/States/train`."""

    place: str
    state: Mapping[str, Any]
    form: Form

    @property
    def resource(self) -> str:
        return str(self.state.get("Resource", ""))

    @property
    def field(self) -> str:
        """Where its parameters are."""
        return "Arguments" if self.form is Form.JSONATA else "Parameters"


def tasks(definition: str) -> Iterator[WrittenTask]:
    """All of a definition's tasks, in its order. The definition has been loaded, so it has the right form."""
    yield from _tasks(json.loads(definition), "", Form.JSONPATH)


def _tasks(branch: Mapping[str, Any], place: str, inherited: Form) -> Iterator[WrittenTask]:
    inherited = _form(branch, inherited)
    for name, state in branch["States"].items():
        here, form = f"{place}/States/{name}", _form(state, inherited)
        if state["Type"] == "Task":
            yield WrittenTask(here, state, form)
        for index, inner in enumerate(state.get("Branches", ())):
            yield from _tasks(inner, f"{here}/Branches[{index}]", form)
        for field in _NESTED:
            if field in state:
                yield from _tasks(state[field], f"{here}/{field}", form)


def _form(members: Mapping[str, Any], inherited: Form) -> Form:
    return Form(members["QueryLanguage"]) if "QueryLanguage" in members else inherited
