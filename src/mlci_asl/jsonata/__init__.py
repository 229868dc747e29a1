"""JSONata as Step Functions has it: `{% … %}` strings, parsed once when a definition is read, evaluated in any thread.

    parse_expression(text) -> Expression   or JsonataSyntaxError, in the parser's own words
    evaluate(expression, variables) -> Json   or JsonataError, whose text ends AWS's sentence about the expression

The map: `reading` says what an expression refers to, `engine` evaluates it on jsonata-python, `functions` holds what
Step Functions adds to the language and what the library answers otherwise than AWS, `pictures` and `numbers` serve
them, `messages` words the errors. All of them import the library, so they are imported at the first expression only.

AWS implements version 2.0.6 of the language.
Source: https://docs.aws.amazon.com/step-functions/latest/dg/transforming-data.html
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from mlci_asl.jsontext import Json

_OPEN, _CLOSE = "{%", "%}"


class JsonataSyntaxError(ValueError):
    """An expression that cannot be created; the text is what AWS says of it, `code` how AWS's diagnostic is called."""

    code = "INVALID_JSONATA_EXPRESSION"


class JsonataUnsupported(JsonataSyntaxError):
    """An expression that reads what a state's expressions have not: a context item, or the whole input."""

    code = "UNSUPPORTED_JSONATA_EXPRESSION"


class JsonataError(Exception):
    """An evaluation that failed. The text goes on after "The JSONata expression '…' specified for the field '…' "."""


@dataclass(frozen=True, eq=False)
class Expression:
    """One expression, parsed. `text` is what stands between `{%` and `%}`, as causes quote it."""

    text: str
    tree: object = field(repr=False)
    #: Workflow variables that it reads, sorted, without `states`.
    variables: tuple[str, ...]
    #: Which members of $states it reads; None where it may read any.
    states_fields: tuple[str, ...] | None


def is_expression(text: str) -> bool:
    """Whether a string is an expression: it starts with `{%` and ends with `%}`, with no space around.

    >>> is_expression("{% $x %}"), is_expression(" {% $x %}"), is_expression("{%}")
    (True, False, False)
    """
    return len(text) >= len(_OPEN + _CLOSE) and text.startswith(_OPEN) and text.endswith(_CLOSE)


def is_half_open(text: str) -> bool:
    """Whether a string has only one of the two marks, which AWS refuses."""
    return text.startswith(_OPEN) != text.endswith(_CLOSE) or text == "{%}"


def parse_expression(text: str) -> Expression:
    """The expression of a `{% … %}` string.

    Raises: JsonataSyntaxError, and JsonataUnsupported of those that parse and still have no meaning in a state.
    """
    from mlci_asl.jsonata import parser

    inner = text[len(_OPEN) : -len(_CLOSE)] if is_expression(text) else text
    inner = inner.strip()
    tree = parser.parse(inner)
    return Expression(inner, tree, parser.free_variables(tree), parser.states_fields(tree))


def evaluate(expression: Expression, variables: Mapping[str, Json]) -> Json:
    """The value of an expression: plain JSON that shares nothing with `variables`.

    Raises: JsonataError, also where the expression returns nothing, or what is not JSON.
    """
    from mlci_asl.jsonata import engine

    return engine.evaluate(expression, variables)


def expression_variables(expression: Expression) -> tuple[str, ...]:
    """The workflow variables that an expression reads, sorted."""
    return expression.variables


__all__ = [
    "Expression",
    "JsonataError",
    "JsonataSyntaxError",
    "JsonataUnsupported",
    "evaluate",
    "expression_variables",
    "is_expression",
    "is_half_open",
    "parse_expression",
]
