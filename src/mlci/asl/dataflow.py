"""Data on its way through a state: InputPath and Parameters in; ResultSelector, ResultPath and OutputPath out.

Source: https://docs.aws.amazon.com/step-functions/latest/dg/concepts-input-output-filtering.html
"""

from __future__ import annotations

from mlci.asl.errors import RESULT_PATH_MATCH_FAILURE, RUNTIME, EvaluationError
from mlci.asl.jsontext import Json, dump, is_number
from mlci.asl.model import DataFlow
from mlci.asl.paths import Path, PathNotFound
from mlci.asl.references import NoSuchPlace, write
from mlci.asl.templates import fill


def effective_input(flow: DataFlow, given: Json, context: Json) -> Json:
    """What the state works on.

    Raises: EvaluationError.
    """
    value = pick(flow.input_path, given, context)
    return value if flow.parameters is None else fill(flow.parameters, value, context)


def state_output(flow: DataFlow, given: Json, result: Json, context: Json) -> Json:
    """What the state hands on: its result, selected from, put into the raw input, and selected from again.

    Raises: EvaluationError.
    """
    selected = result if flow.result_selector is None else fill(flow.result_selector, result, context)
    return pick(flow.output_path, place(flow.result_path, given, selected), context)


def pick(path: Path | None, given: Json, context: Json) -> Json:
    """InputPath or OutputPath, applied; null stands for `{}`.

    Raises: EvaluationError.
    """
    if path is None:
        return {}
    try:
        return path.read(given, context)
    except PathNotFound as error:
        raise EvaluationError(RUNTIME, f"Invalid path '{path.text}' : {error}") from error


def place(path: Path | None, given: Json, value: Json) -> Json:
    """ResultPath, applied to the state's raw input; null drops the value.

    Raises: EvaluationError.
    """
    if path is None:
        return given
    try:
        return write(path, given, value)
    except NoSuchPlace as error:
        what = f"Unable to apply ReferencePath {path.text} to input. {error}"
        raise EvaluationError(RESULT_PATH_MATCH_FAILURE, what) from error


def whole_number(path: Path, field: str, given: Json, context: Json) -> int:
    """The integer that a path field (TimeoutSecondsPath, SecondsPath) points to.

    Raises: EvaluationError.
    """
    value = pick(path, given, context)
    if isinstance(value, int) and is_number(value):
        return value
    if field == "SecondsPath":
        what = f"The SecondsPath parameter cannot be parsed as a long value: {path.text} == {dump(value)}"
    else:
        what = f'The {field} field refers to value "{dump(value)}" which is not a valid integer: {path.text}'
    raise EvaluationError(RUNTIME, what)
