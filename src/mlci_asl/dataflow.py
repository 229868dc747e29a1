"""Data on its way through a state, in either query language: two classes that do the same four things.

`seen` is what the state's own fields are evaluated against, `work_input` what its work is given, and `leave` what it
hands on and which variables it assigns.

JSONPath: InputPath, Parameters → work → ResultSelector, then Assign (on what was selected) and ResultPath, OutputPath.
JSONata: Arguments → work → Assign and Output, both on what is there before the state.
Source: https://docs.aws.amazon.com/step-functions/latest/dg/concepts-input-output-filtering.html and
https://docs.aws.amazon.com/step-functions/latest/dg/transforming-data.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, TypeAlias

from mlci_asl.errors import RESULT_PATH_MATCH_FAILURE, RUNTIME, EvaluationError
from mlci_asl.jsontext import Json, Text
from mlci_asl.path_tokens import InvalidPath
from mlci_asl.paths import INPUT, Path
from mlci_asl.references import NoSuchPlace, write
from mlci_asl.state_data import Data
from mlci_asl.templates import Template, fill
from mlci_asl.variables import Assignment

WHOLE = Path("$", INPUT, ())


class Left(NamedTuple):
    """What a state leaves behind: its output, and the variables that it assigned."""

    output: Json
    assigned: Mapping[str, Text]


class PathFlow(NamedTuple):
    """JSONPath. A path that is None was `null` in the definition."""

    input_path: Path | None = WHOLE
    parameters: Template | None = None
    result_selector: Template | None = None
    result_path: Path | None = WHOLE
    output_path: Path | None = WHOLE
    assign: Assignment = Assignment()

    def seen(self, data: Data) -> Data:
        """Raises: EvaluationError."""
        return data if self.input_path is WHOLE else data.about(_pick(self.input_path, data))

    def work_input(self, seen: Data) -> Json:
        """Raises: EvaluationError."""
        return seen.given if self.parameters is None else fill(self.parameters, seen)

    def leave(self, data: Data, result: Json, *, is_result: bool = True) -> Left:
        """`data` has the state's raw input, into which ResultPath puts the result.

        Raises: EvaluationError.
        """
        selected = self.selected(data, result)
        return self.left(data, selected, self.placed(data, selected))

    def selected(self, data: Data, result: Json) -> Json:
        """Raises: EvaluationError."""
        return result if self.result_selector is None else fill(self.result_selector, data.about(result))

    def placed(self, data: Data, selected: Json) -> Json:
        """Raises: EvaluationError."""
        return _place(self.result_path, data, selected)

    def left(self, data: Data, selected: Json, placed: Json) -> Left:
        """Raises: EvaluationError."""
        assigned = self.assign.evaluate(data.about(selected))
        return Left(_pick(self.output_path, data.about(placed)), assigned)

    def caught(self, data: Data, error: Json) -> Left:
        """What a Catch hands on; it has a ResultPath and an Assign, and nothing else."""
        return self.leave(data, error)


class QueryFlow(NamedTuple):
    """JSONata."""

    arguments: Template | None = None
    output: Template | None = None
    assign: Assignment = Assignment()

    def seen(self, data: Data) -> Data:
        return data

    def work_input(self, seen: Data) -> Json:
        """Raises: EvaluationError."""
        return seen.given if self.arguments is None else fill(self.arguments, seen)

    def leave(self, data: Data, result: Json, *, is_result: bool = True) -> Left:
        """`is_result` tells that the state has done some work, so that there is a `$states.result`.

        Raises: EvaluationError.
        """
        return self._leave(data._replace(more={"result": result}) if is_result else data, result)

    def caught(self, data: Data, error: Json) -> Left:
        """What a Catch hands on."""
        return self._leave(data._replace(more={"errorOutput": error}), error)

    def _leave(self, data: Data, default: Json) -> Left:
        assigned = self.assign.evaluate(data)
        return Left(default if self.output is None else fill(self.output, data), assigned)


Flow: TypeAlias = "PathFlow | QueryFlow"


def _pick(path: Path | None, data: Data) -> Json:
    """InputPath or OutputPath, applied; null stands for `{}`."""
    if path is None:
        return {}
    if path is WHOLE:
        return data.given
    try:
        return path.read(data)
    except InvalidPath as error:
        raise EvaluationError(RUNTIME, f"Invalid path '{path.text}' : {error}") from error


def _place(path: Path | None, data: Data, value: Json) -> Json:
    """ResultPath, applied to the state's raw input; null drops the value."""
    if path is None:
        return data.given
    try:
        return write(path, data.given, value)
    except NoSuchPlace as error:
        what = f"Unable to apply ReferencePath {path.text} to input."
        what += f' Unable to apply step "{error.step}" to input {data.quoted(error.value)}'
        raise EvaluationError(RESULT_PATH_MATCH_FAILURE, what) from error
