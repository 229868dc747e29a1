"""The document keys.json of a run: the key of each step, and what it is the hash of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import TYPE_CHECKING

from mlci_dataclasses import dataclass

if TYPE_CHECKING:
    from mlci.flow.models import Json

#: Changes when a reader of the old format would be misled by the new one.
SCHEMA = 1


@dataclass(frozen=True)
class StepKey:
    """The key of a step, and its ingredients. `paths` names those inputs that the repository holds."""

    key: str
    ingredients: Mapping[str, Json]
    paths: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class RunKeys:
    """The keys of a run's steps, by their names. `software` has the versions of what its jobs ran with on a laptop, and
    `without_key` the names of those steps that read what could not be looked at."""

    flow: str
    steps: Mapping[str, StepKey]
    software: Mapping[str, str] = field(default_factory=dict)
    without_key: tuple[str, ...] = ()

    def maker(self, key: str) -> str:
        """Return the name of the step that has a key; "" if none of them does."""
        return next((name for name, step in self.steps.items() if step.key == key), "")

    def to_json(self) -> dict[str, Json]:
        return {
            "schema": SCHEMA,
            "flow": self.flow,
            "software": dict(self.software),
            "steps": {
                name: {"key": step.key, "ingredients": dict(step.ingredients), "paths": dict(step.paths)}
                for name, step in self.steps.items()
            },
            "without_key": list(self.without_key),
        }

    @staticmethod
    def from_json(document: Json) -> RunKeys | None:
        """Return the keys that a document holds; None if it is damaged, or of another version of mlci.

        One of an older mlci does not name the steps without a key.
        """
        if not isinstance(document, dict) or document.get("schema") != SCHEMA:
            return None
        steps, software, without_key = document.get("steps"), document.get("software"), document.get("without_key", [])
        if not isinstance(steps, dict) or not isinstance(software, dict) or not isinstance(without_key, list):
            return None
        found = {name: _step(step) for name, step in steps.items()}
        whole = {name: step for name, step in found.items() if step is not None}
        damaged = (name for name, step in found.items() if step is None)
        return RunKeys(
            str(document.get("flow")),
            whole,
            {name: str(text) for name, text in software.items()},
            (*map(str, without_key), *damaged),
        )


def _step(document: Json) -> StepKey | None:
    match document:
        case {"key": str(key), "ingredients": dict(ingredients), "paths": dict(paths)}:
            return StepKey(key, ingredients, {name: str(path) for name, path in paths.items()})
        case _:
            return None
