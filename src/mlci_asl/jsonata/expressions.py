"""A JSONata expression, its marks `{% … %}`, and the errors of reading and evaluating one."""

from __future__ import annotations

from dataclasses import field

from mlci_dataclasses import dataclass

OPEN_MARK, CLOSE_MARK = "{%", "%}"


class JsonataSyntaxError(ValueError):
    """An expression that AWS refuses. The text is the message, and `code` the code, of AWS's diagnostic."""

    code = "INVALID_JSONATA_EXPRESSION"


class JsonataUnsupported(JsonataSyntaxError):
    """An expression that reads a context item or the whole input, which a state's expressions do not have."""

    code = "UNSUPPORTED_JSONATA_EXPRESSION"


class JsonataError(Exception):
    """An evaluation that failed. The text follows "The JSONata expression '…' specified for the field '…' "."""


@dataclass(frozen=True, eq=False)
class Expression:
    """One expression, parsed. `text` is the text between `{%` and `%}`, as causes quote it."""

    text: str
    tree: object = field(repr=False)
    #: The workflow variables that it reads, sorted, without `states`.
    variables: tuple[str, ...]
    #: The members of $states that it reads; None if it may read any.
    states_fields: tuple[str, ...] | None


def is_expression(text: str) -> bool:
    """True if a string is an expression: it starts with `{%` and ends with `%}`, without white space outside of them.

    >>> is_expression("{% $x %}"), is_expression(" {% $x %}"), is_expression("{%}")
    (True, False, False)
    """
    return len(text) >= len(OPEN_MARK + CLOSE_MARK) and text.startswith(OPEN_MARK) and text.endswith(CLOSE_MARK)


def is_half_open(text: str) -> bool:
    """True if a string has only one of the two marks, which AWS refuses."""
    return text.startswith(OPEN_MARK) != text.endswith(CLOSE_MARK) or text == "{%}"
