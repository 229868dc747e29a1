"""Input and output processing of a state: two classes, one for each query language, with the same methods.

    raw input → filtered_input → effective_input → (the state's work) → state_output

JSONPath: InputPath, Parameters → work → ResultSelector, then Assign (on its result) and ResultPath, OutputPath.
JSONata: Arguments → work → Assign and Output, both on the state's input and result.
Source: https://docs.aws.amazon.com/step-functions/latest/dg/concepts-input-output-filtering.html and
https://docs.aws.amazon.com/step-functions/latest/dg/transforming-data.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, TypeAlias

from mlci_asl.errors import RESULT_PATH_MATCH_FAILURE, RUNTIME, EvaluationError
from mlci_asl.jsontext import Json, JsonText
from mlci_asl.path_tokens import InvalidPath
from mlci_asl.paths import INPUT, Path
from mlci_asl.references import ReferencePathConflict, write
from mlci_asl.state_data import StateData
from mlci_asl.templates import PayloadTemplate, fill
from mlci_asl.variables import Assignment

WHOLE_INPUT = Path("$", INPUT, ())


class StateOutput(NamedTuple):
    """The output of a state, and the variables that it assigns."""

    output: Json
    assigned: Mapping[str, JsonText]


class JsonPathDataFlow(NamedTuple):
    """The fields in JSONPath. A path that is None was `null` in the definition."""

    input_path: Path | None = WHOLE_INPUT
    parameters: PayloadTemplate | None = None
    result_selector: PayloadTemplate | None = None
    result_path: Path | None = WHOLE_INPUT
    output_path: Path | None = WHOLE_INPUT
    assign: Assignment = Assignment()

    def filtered_input(self, data: StateData) -> StateData:
        """The data after InputPath, on which the state's fields are evaluated.

        Raises: EvaluationError.
        """
        return data if self.input_path is WHOLE_INPUT else data.with_input(_apply_path(self.input_path, data))

    def effective_input(self, filtered: StateData) -> Json:
        """The input of the state's work, after Parameters.

        Raises: EvaluationError.
        """
        return filtered.input if self.parameters is None else fill(self.parameters, filtered)

    def state_output(self, data: StateData, result: Json, *, is_result: bool = True) -> StateOutput:
        """The output for the result of the state's work. `data` has the raw input, which ResultPath needs.

        Raises: EvaluationError.
        """
        selected = self.apply_result_selector(data, result)
        return self.apply_output_path(data, selected, self.apply_result_path(data, selected))

    def apply_result_selector(self, data: StateData, result: Json) -> Json:
        """Raises: EvaluationError."""
        return result if self.result_selector is None else fill(self.result_selector, data.with_input(result))

    def apply_result_path(self, data: StateData, selected: Json) -> Json:
        """Raises: EvaluationError."""
        return _write_result(self.result_path, data, selected)

    def apply_output_path(self, data: StateData, selected: Json, combined: Json) -> StateOutput:
        """`combined` is the raw input with the result in it.

        Raises: EvaluationError.
        """
        assigned = self.assign.evaluate(data.with_input(selected))
        return StateOutput(_apply_path(self.output_path, data.with_input(combined)), assigned)

    def caught_output(self, data: StateData, error_output: Json) -> StateOutput:
        """The output of a catcher, which has a ResultPath and an Assign only.

        Raises: EvaluationError.
        """
        return self.state_output(data, error_output)


class JsonataDataFlow(NamedTuple):
    """The fields in JSONata."""

    arguments: PayloadTemplate | None = None
    output: PayloadTemplate | None = None
    assign: Assignment = Assignment()

    def filtered_input(self, data: StateData) -> StateData:
        """The same data: JSONata has no InputPath."""
        return data

    def effective_input(self, filtered: StateData) -> Json:
        """The input of the state's work: its Arguments, or else its input.

        Raises: EvaluationError.
        """
        return filtered.input if self.arguments is None else fill(self.arguments, filtered)

    def state_output(self, data: StateData, result: Json, *, is_result: bool = True) -> StateOutput:
        """The output for the result of the state's work. There is a `$states.result` if `is_result`.

        Raises: EvaluationError.
        """
        return self._evaluate(data._replace(states_fields={"result": result}) if is_result else data, result)

    def caught_output(self, data: StateData, error_output: Json) -> StateOutput:
        """The output of a catcher.

        Raises: EvaluationError.
        """
        return self._evaluate(data._replace(states_fields={"errorOutput": error_output}), error_output)

    def _evaluate(self, data: StateData, default: Json) -> StateOutput:
        assigned = self.assign.evaluate(data)
        return StateOutput(default if self.output is None else fill(self.output, data), assigned)


DataFlow: TypeAlias = "JsonPathDataFlow | JsonataDataFlow"


def _apply_path(path: Path | None, data: StateData) -> Json:
    """InputPath or OutputPath, applied; null stands for `{}`."""
    if path is None:
        return {}
    if path is WHOLE_INPUT:
        return data.input
    try:
        return path.read(data)
    except InvalidPath as error:
        raise EvaluationError(RUNTIME, f"Invalid path '{path.text}' : {error}") from error


def _write_result(path: Path | None, data: StateData, result: Json) -> Json:
    """ResultPath, applied to the state's raw input; null drops the result."""
    if path is None:
        return data.input
    try:
        return write(path, data.input, result)
    except ReferencePathConflict as error:
        cause = f"Unable to apply ReferencePath {path.text} to input."
        cause += f' Unable to apply step "{error.step}" to input {data.quoted(error.value)}'
        raise EvaluationError(RESULT_PATH_MATCH_FAILURE, cause) from error
