"""JSONata in Step Functions: `{% … %}` strings, parsed when a definition is read, evaluated in any thread.

    parse_expression(text) -> Expression   or JsonataSyntaxError, in the parser's own words
    evaluate(expression, variables) -> Json   or JsonataError, whose text ends AWS's sentence about the expression

The map:

    expressions.py         an expression, its marks, and the errors
    jsonata_python.py      the library jsonata-python, imported in one place
    numbers.py             numbers as AWS stores and writes them
    serialization.py       JSON texts of JSONata's values
    error_messages.py      the words of JSONata's errors
    regexes.py             regular expressions with a time limit
    picture_strings.py     rules for $formatNumber's picture strings
    aws_functions.py       the functions that Step Functions adds to the language
    function_overrides.py  the functions in which the library differs from AWS
    functions.py           all functions of the language
    parser.py              an expression's syntax tree, and its references
    engine.py              the evaluation of a tree

All but the first import the library, so they are imported with the first expression only.

AWS implements version 2.0.6 of the language.
Source: https://docs.aws.amazon.com/step-functions/latest/dg/transforming-data.html
"""

from __future__ import annotations

import functools
from collections.abc import Mapping

from mlci_asl.jsonata.expressions import (
    CLOSE_MARK,
    OPEN_MARK,
    Expression,
    JsonataError,
    JsonataSyntaxError,
    JsonataUnsupported,
    is_expression,
    is_half_open,
)
from mlci_asl.jsontext import Json


@functools.lru_cache(maxsize=1_000)
def parse_expression(text: str) -> Expression:
    """The expression of a `{% … %}` string. A definition may have the same one many times.

    Raises: JsonataSyntaxError; JsonataUnsupported for an expression that parses, but has no meaning in a state.
    """
    from mlci_asl.jsonata import parser

    inner = text[len(OPEN_MARK) : -len(CLOSE_MARK)] if is_expression(text) else text
    inner = inner.strip()
    tree = parser.parse(inner)
    return Expression(inner, tree, parser.free_variables(tree), parser.states_fields(tree))


def evaluate(expression: Expression, variables: Mapping[str, Json]) -> Json:
    """The value of an expression: plain JSON that shares nothing with `variables`.

    Raises: JsonataError, also if the expression returns nothing, or a value that is not JSON.
    """
    from mlci_asl.jsonata import engine

    return engine.evaluate(expression, variables)


__all__ = [
    "Expression",
    "JsonataError",
    "JsonataSyntaxError",
    "JsonataUnsupported",
    "evaluate",
    "is_expression",
    "is_half_open",
    "parse_expression",
]
