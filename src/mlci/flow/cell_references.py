"""Finds the cells that a reference to a step with a matrix means.

A reader means the cells that agree with it in every key that both have. So a cell reads its own cell of a step with the
same keys, or with some of them; a step without a matrix reads all cells, a folder each.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from mlci.flow.invalid_value import InvalidValue
from mlci.flow.models import Cell, Flow, Rule, Scalar, Selection, Source, Step, StepOutput, Text, Value
from mlci.flow.problems import Problems, listed
from mlci.step_types import STEP_TYPES
from mlci_dataclasses import dataclass

if TYPE_CHECKING:
    from mlci.flow.yaml_document import Path


def resolve_cells(flow: Flow, cells: Mapping[str, tuple[Cell, ...]], problems: Problems) -> Flow:
    """Return the flow whose references, rules and `after` name cells. What names no cell is reported."""
    cells = {name: found for name, found in cells.items() if found}  # a matrix without cells was reported
    if not cells:
        return flow
    steps = {name: _StepResolver(step, cells, problems).resolved() for name, step in flow.steps.items()}
    gate = tuple(each for rule in flow.gate for each in cell_rules(rule, None, cells))
    return replace(flow, steps=steps, gate=gate)


def meant_cells(reader: Cell | None, cells: tuple[Cell, ...]) -> tuple[Cell, ...]:
    """Return the cells that agree with the reader in every key that both have; all of them for no reader."""
    own = dict(reader.identity) if reader else {}
    return tuple(cell for cell in cells if all(own.get(key, value) == value for key, value in cell.identity))


def cell_rules(rule: Rule, reader: Cell | None, cells: Mapping[str, tuple[Cell, ...]]) -> tuple[Rule, ...]:
    """Return a rule for each cell that it means, or one with all of their names where they are judged as one number."""
    if rule.judged_step not in cells:
        return (rule,)
    names = tuple(cell.name for cell in meant_cells(reader, cells[rule.judged_step]))
    if rule.aggregate and names:
        return (replace(rule, cells=names),)
    return tuple(rule.of_step(name) for name in names)


@dataclass(frozen=True)
class _StepResolver:
    step: Step
    cells: Mapping[str, tuple[Cell, ...]]
    problems: Problems

    def resolved(self) -> Step:
        step = self.step
        return replace(
            step,
            inputs={name: self._source(source, name) for name, source in step.inputs.items()},
            selections={name: self._selection(name, selection) for name, selection in step.selections.items()},
            args=tuple(self._text(text, "args") for text in step.args),
            hyperparameters={name: self._scalar(value) for name, value in step.hyperparameters.items()},
            env={name: self._text(text, "env") for name, text in step.env.items()},
            values={name: self._value(value, name) for name, value in step.values.items()},
            after=tuple(name for written in step.after for name in self._names(written, "after")),
            when=tuple(each for rule in step.when for each in self._rules(rule)),
        )

    def _rules(self, rule: Rule) -> tuple[Rule, ...]:
        found = cell_rules(rule, self.step.cell, self.cells)
        if not found:
            self._report(("if",), self._no_cell(rule.step))
        return found

    def _names(self, written: str, key: str) -> tuple[str, ...]:
        if written not in self.cells:
            return (written,)
        names = tuple(cell.name for cell in meant_cells(self.step.cell, self.cells[written]))
        if not names:
            self._report((key,), self._no_cell(written))
        return names

    def _source(self, source: Source, name: str) -> Source:
        if isinstance(source, StepOutput) and source.step in self.cells and name in self.step.selections:
            cells = meant_cells(self.step.cell, self.cells[source.step])
            return replace(source, cells=tuple(cell.name for cell in cells))
        if not isinstance(source, StepOutput):
            return source
        path, key = STEP_TYPES[self.step.uses].input_path(name), STEP_TYPES[self.step.uses].key(name)
        found = self._output(source, path)
        if found.cells and key is not None and key.takes_one_cell:
            what = f'"{name}" is one, and "{source.step}" has an output "{source.output}" for each of its cells'
            self._report(path, InvalidValue(what, f'Give "{self.step.name}" the matrix of "{source.step}"'))
        return found

    def _selection(self, name: str, selection: Selection) -> Selection:
        """The selection with the cell of the metrics' step that belongs to each cell to choose from."""
        source, scored, path = self.step.inputs.get(name), self.cells.get(selection.step), ("inputs", name, "select")
        if not isinstance(source, StepOutput) or source.step not in self.cells or scored is None:
            return selection  # it was reported
        names = []
        for cell in meant_cells(self.step.cell, self.cells[source.step]):
            found = meant_cells(cell, scored)
            if len(found) != 1:
                what = f'"{selection.step}" has {len(found) or "no"} cells for "{cell.name}", and one is to decide'
                hint = f'Give "{selection.step}" the matrix of "{source.step}"'
                self._report((*path, "metric"), InvalidValue(what, hint))
                return selection
            names.append(found[0].name)
        if len(names) < 2:
            what = f'"{self.step.name}" reads one cell of "{source.step}" already, so there is none to choose'
            self._report(path, InvalidValue(what, 'Remove "select"'))
        return replace(selection, cells=tuple(names))

    def _scalar(self, value: Scalar | Text) -> Scalar | Text:
        return self._text(value, "hyperparameters") if isinstance(value, tuple) else value

    def _value(self, value: Value, key: str) -> Value:
        match value:
            case tuple():
                return self._text(value, key)
            case list():
                return [self._value(part, key) for part in value]
            case dict():
                return {name: self._value(part, key) for name, part in value.items()}
            case _:
                return value

    def _text(self, text: Text, key: str) -> Text:
        return tuple(self._output(part, (key,)) if isinstance(part, StepOutput) else part for part in text)

    def _output(self, output: StepOutput, path: Path) -> StepOutput:
        if output.step not in self.cells:
            return output
        try:
            return self._cells_output(output)
        except InvalidValue as invalid:
            self._report(path, invalid)
            return output

    def _cells_output(self, output: StepOutput) -> StepOutput:
        """The output of one cell, or of several: these lie in one folder, so what they share comes first in their
        matrix."""
        reader, cells = self.step.cell, self.cells[output.step]
        found = meant_cells(reader, cells)
        if not found:
            raise self._no_cell(output.step)
        own = dict(reader.identity) if reader else {}
        shared = [key for key in found[0].keys if key in own]
        if len(found) == 1 and len(shared) == len(found[0].keys):
            return replace(output, step=found[0].name)
        if found[0].keys[: len(shared)] != tuple(shared):
            what = f'the cells of "{output.step}" that agree in {listed(shared)} do not lie in one folder'
            raise InvalidValue(what, f'Put {listed(shared)} first in the matrix of "{output.step}"')
        folder = "".join(f"{part}/" for part in found[0].folder.split("/")[: len(shared)])
        return replace(output, cells=tuple(cell.name for cell in found), folder=folder)

    def _no_cell(self, other: str) -> InvalidValue:
        reader = self.step.cell
        own = ", ".join(f"{key}: {value}" for key, value in reader.identity) if reader else ""
        what = f'"{self.step.name}" needs a cell of "{other}" for {{{own}}}, which its matrix does not have'
        return InvalidValue(what, "Give both steps the same values")

    def _report(self, path: Path, invalid: InvalidValue) -> None:
        self.problems.at(("steps", self.step.name, *path), invalid.what, invalid.hint)
