"""The document with each step that has a matrix replaced by its cells: as if the file had each cell as a step.

A cell keeps the positions of the step that it comes from. References to other steps still bear the names that the flow
writes; `cell_references` then finds the cells that they mean.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from mlci.flow.matrix import read_matrix
from mlci.flow.models import Cell, Json, Reference, Scalar, Text
from mlci.flow.problems import Candidates, Problems, listed
from mlci.flow.references import FilledDocument, MatrixValue, UsedReference, format_reference, format_scalar, joined
from mlci.flow.yaml_document import Document, Path
from mlci_dataclasses import dataclass

#: Keys of a step that hold for all of its cells, and take no value of the matrix.
COMMON_TO_CELLS = ("after", "fail_fast", "if", "max_parallel", "outputs", "uses")
#: Values in the cells of one flow; no flow comes near.
_MAX_VALUES = 100_000


@dataclass(frozen=True)
class ExpandedDocument:
    """A document whose steps are cells where they have a matrix.

    `value`, `texts`, `uses` and `variables` are those of the filled document. `cells` are the cells of
    each step with a matrix.
    """

    document: Document
    value: Mapping[str, Json]
    texts: Mapping[Path, Text]
    uses: tuple[UsedReference, ...]
    variables: Mapping[str, str]
    cells: Mapping[str, tuple[Cell, ...]]

    @property
    def cell_of(self) -> Mapping[str, Cell]:
        """Every cell by its name."""
        return {cell.name: cell for cells in self.cells.values() for cell in cells}


def expand_matrices(document: Document, filled: FilledDocument, problems: Problems) -> ExpandedDocument:
    """Return the document with a step for each cell. What is wrong with a matrix, or its references, is reported."""
    steps = filled.value.get("steps")
    written = steps if isinstance(steps, dict) else {}
    matrices = {name: step["matrix"] for name, step in written.items() if isinstance(step, dict) and "matrix" in step}
    uses = [use for use in filled.uses if isinstance(use.target, MatrixValue)]
    for use in uses:
        _check_place(use, use.target, matrices, problems)
    cells = {name: read_matrix(name, value, ("steps", name, "matrix"), problems) for name, value in matrices.items()}
    for use in uses:
        _check_use(use, use.target, cells, problems)
    return _MatrixExpansion(document, filled, cells, problems).expanded()


def _check_place(use: UsedReference, target: object, matrices: Mapping[str, Json], problems: Problems) -> None:
    """Report a `${{ matrix.x }}` that stands where no cell is."""
    shown = format_reference(target) if isinstance(target, MatrixValue) else ""
    path = use.path
    if len(path) < 3 or path[0] != "steps" or path[1] not in matrices:
        what = f'"{shown}" cannot stand here: it is known only in a step that has a matrix'
        problems.at_reference(path, use.ordinal, what, "Give the step a matrix: {fold: [1, 2, 3]}")
    elif path[2] == "matrix":
        problems.at_reference(path, use.ordinal, f'"{shown}" cannot stand in the matrix itself')
    elif path[2] in COMMON_TO_CELLS:
        what = f'"{path[2]}" takes no value of the matrix: it holds for all cells of the step'
        problems.at_reference(path, use.ordinal, what)


def _check_use(use: UsedReference, target: object, cells: Mapping[str, tuple[Cell, ...]], problems: Problems) -> None:
    """Report a key that the matrix does not have, or that some of its cells lack."""
    if not isinstance(target, MatrixValue):
        return
    own = cells.get(str(use.path[1])) if len(use.path) > 1 else ()
    if not own:
        problems.suspect(use.path)  # the matrix was reported
        return
    lacking = [cell for cell in own if target.name not in cell.values]
    if len(lacking) == len(own):
        keys = tuple(dict.fromkeys(key for cell in own for key in cell.values))
        what = f'the matrix of step "{own[0].step}" has no key "{target.name}"'
        problems.at_reference(
            use.path, use.ordinal, what, f"Its keys are {listed(keys)}", Candidates(target.name, keys)
        )
    elif lacking:
        what = f'the cell "{lacking[0].name}" has no value for "{target.name}"'
        hint = f'Give every cell one: begin "include" with "- {target.name}: <value>"'
        problems.at_reference(use.path, use.ordinal, what, hint)


@dataclass(frozen=True)
class _MatrixExpansion:
    document: Document
    filled: FilledDocument
    cells: Mapping[str, tuple[Cell, ...]]
    problems: Problems

    def expanded(self) -> ExpandedDocument:
        inner = {name: self._paths_in(name) for name in self.cells}
        if sum(len(inner[name]) * len(cells) for name, cells in self.cells.items()) > _MAX_VALUES:
            self.problems.at(
                ("steps",), "with a step for each cell of a matrix, the flow is too large", "Use fewer cells"
            )
            self.problems.raise_if_any()
        spans, value = dict(self.document.spans), dict(self.filled.value)
        for name, cells in self.cells.items():
            for cell in cells:
                spans.update((_moved(path, cell), spans[path]) for path in inner[name])
                self.problems.copy_suspects(("steps", name), ("steps", cell.name))
        document = replace(self.document, spans=spans)
        self.problems.use(document)
        steps = value.get("steps")
        if isinstance(steps, dict):
            value["steps"] = {name: part for step, written in steps.items() for name, part in self._step(step, written)}
        texts, uses = dict(self._texts()), tuple(self._uses())
        return ExpandedDocument(document, value, texts, uses, self.filled.variables, self.cells)

    def _paths_in(self, step: str) -> list[Path]:
        """The paths of a step that its cells have, too: all but those inside of its matrix."""
        inside = ("steps", step, "matrix")
        found = (path for path in self.document.spans if path[:2] == inside[:2])
        return [path for path in found if path[:3] != inside or len(path) == 3]

    def _step(self, name: str, written: Json) -> Iterator[tuple[str, Json]]:
        """A step, or its cells. One whose matrix is wrong stays a step, and its references stay text."""
        cells = self.cells.get(name)
        if not cells:
            yield name, written
            return
        for cell in cells:
            kept = {**written, "matrix": {}} if isinstance(written, dict) else written
            yield cell.name, self._filled(kept, ("steps", name), cell)

    def _filled(self, value: Json, path: Path, cell: Cell) -> Json:
        match value:
            case dict():
                return {key: self._filled(part, (*path, key), cell) for key, part in value.items()}
            case list():
                return [self._filled(part, (*path, index), cell) for index, part in enumerate(value)]
            case _:
                parts = self.filled.texts.get(path, ())
                if not any(isinstance(part, MatrixValue) for part in parts):
                    return value
                return _value(parts, cell)

    def _texts(self) -> Iterator[tuple[Path, Text]]:
        for path, parts in self.filled.texts.items():
            for cell in self._cells_at(path) or (None,):
                yield _moved(path, cell), joined(_text_parts(parts, cell))

    def _uses(self) -> Iterator[UsedReference]:
        for use in self.filled.uses:
            if not isinstance(use.target, MatrixValue):
                yield from (replace(use, path=_moved(use.path, cell)) for cell in self._cells_at(use.path) or (None,))

    def _cells_at(self, path: Path) -> tuple[Cell, ...]:
        return self.cells.get(str(path[1]), ()) if len(path) > 1 and path[0] == "steps" else ()


def _moved(path: Path, cell: Cell | None) -> Path:
    return ("steps", cell.name, *path[2:]) if cell else path


def _value(parts: tuple[object, ...], cell: Cell) -> Json:
    """The value of a text in a cell: that of the matrix itself, with its type, where the text is one reference."""
    if len(parts) == 1 and isinstance(parts[0], MatrixValue):
        return cell.values.get(parts[0].name, "")
    return "".join(part if isinstance(part, str) else format_reference(part) for part in _text_parts(parts, cell))


def _text_parts(parts: tuple[object, ...], cell: Cell | None) -> list[str | Reference]:
    values: Mapping[str, Scalar] = cell.values if cell else {}
    filled: list[str | Reference] = []
    for part in parts:
        if isinstance(part, MatrixValue):
            filled.append(format_scalar(values.get(part.name, "")))
        else:
            filled.append(part)  # type: ignore[arg-type]
    return filled
