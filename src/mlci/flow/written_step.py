"""A step as the file has it, and the parts of the flow that it is built with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from mlci.flow.models import Cell, Json, Text
from mlci.flow.problems import Problems
from mlci.flow.reference_check import StepInterface
from mlci.flow.schema_models import DefaultsModel, SchemaModel
from mlci.flow.yaml_document import Document, Path
from mlci.step_types import all_keys
from mlci.step_types.base import StepType
from mlci.step_types.build_run import BUILD
from mlci.step_types.keys import Key
from mlci_dataclasses import dataclass


@dataclass(frozen=True)
class WrittenStep:
    """A step as the file has it: `values` is what is right of `raw`.

    Where `uses` is wrong, `is_type_known` is False and `step_type` a guess: the step is then held to no type's limits.
    `cell` is the cell that it is, of the step `name`.
    """

    name: str
    raw: Mapping[str, Json]
    values: SchemaModel
    step_type: StepType
    is_type_known: bool
    cell: Cell | None = None

    def path(self, *rest: str | int) -> Path:
        return ("steps", self.cell.name if self.cell else self.name, *rest)

    def key(self, name: str) -> Key | None:
        """Return a key with the limits of the step's type; None if the type has no such key."""
        if self.is_type_known:
            return self.step_type.key(name)
        key = self.step_type.key(name) or all_keys().get(name)
        return key and replace(key, job_maximum=None, max_items=None, max_chars=None, names=None)

    def written(self, name: str) -> Any:
        """Return the value of a key as its model has it; None if the type has no such key."""
        return getattr(self.values, name.replace("-", "_"), None)

    @property
    def runs_on_build(self) -> bool:
        """True if the build runs the step's job itself."""
        return self.key("runs-on") is not None and self.written("runs-on") == BUILD


@dataclass(frozen=True)
class StepContext:
    """The parts of the flow that building a step needs: document, defaults, filled-in texts, and the other steps."""

    document: Document
    defaults: DefaultsModel
    texts: Mapping[Path, Text]
    steps: Mapping[str, StepInterface]
    has_gate: bool
    problems: Problems


def interface_of(step: WrittenStep, problems: Problems) -> StepInterface:
    """Return the names of this step that references may use."""
    outputs: tuple[str, ...] | None = step.step_type.outputs
    if not step.is_type_known or problems.is_partly_suspect(step.path("outputs")):
        outputs = None
    elif outputs is None:
        outputs = tuple(step.written("outputs"))
    inputs = step.raw.get("inputs", {})
    return StepInterface(
        inputs=tuple(inputs) if isinstance(inputs, dict) else None,
        outputs=outputs,
        writes_metrics=step.step_type.metrics_file is not None
        or not step.raw.keys().isdisjoint(["metrics", "metric_definitions", "algorithm"]),
        has_cells="matrix" in step.raw,
        may_write_metrics=step.key("metrics") is not None,
        has_cases="cases" in step.raw and step.key("cases") is not None,
    )
