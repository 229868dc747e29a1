"""Filter patterns of CloudWatch Logs: terms, for FilterLogEvents.

A pattern is a list of terms: a message contains `ERROR`, does not contain `-WARN`, and contains one of several terms
with `?`, unless there are terms without it. A term is a word of letters, digits and underscores, a quoted text, or a
regular expression between percent signs. Case matters. Patterns on JSON members and on fields between spaces are
rejected.
Source: https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntax.html
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

from mlci_emulator.protocol.operations import ApiError

#: A term: an optional sign, and a quoted text, a regular expression or a word.
_TERM = re.compile(r'\s*([?-]?)(?:"((?:[^"\\]|\\.)*)"|%([^%]+)%|(\w+))(?=\s|$)')
#: Source: https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/regex-expressions.html
_EXPRESSION = re.compile(r"(?:[A-Za-z0-9:_#=@/;, ^$?\[\]{}|*+.-]|\\.)+")

Matches = Callable[[str], bool]


class _Term(NamedTuple):
    sign: str
    is_in: Matches


def parse_filter(pattern: str) -> Matches:
    """Return a function that tells whether a message matches a pattern.

    Raises: ApiError, for a pattern that is invalid or not implemented.

    >>> matches = parse_filter('ERROR -"no data"')
    >>> matches("ERROR 7"), matches("ERROR no data"), matches("error")
    (True, False, False)
    >>> parse_filter("?ERROR ?WARN")("WARN 1"), parse_filter("%E[0-9]+%")("E17")
    (True, True)
    """
    if pattern.lstrip().startswith(("{", "[")):
        kind = "JSON members" if pattern.lstrip().startswith("{") else "fields between spaces"
        raise _invalid(f"mlci serve does not do filter patterns on {kind}. Filter by terms, and the rest yourself.")
    terms = _terms(pattern)
    required = [term.is_in for term in terms if term.sign == ""]
    excluded = [term.is_in for term in terms if term.sign == "-"]
    # CloudWatch Logs ignores terms with `?` beside other terms.
    optional = [term.is_in for term in terms if term.sign == "?"] if not required and not excluded else []

    def matches(message: str) -> bool:
        return (
            all(is_in(message) for is_in in required)
            and not any(is_in(message) for is_in in excluded)
            and (not optional or any(is_in(message) for is_in in optional))
        )

    return matches


def _terms(pattern: str) -> Sequence[_Term]:
    terms, position = [], 0
    while pattern[position:].strip():
        match = _TERM.match(pattern, position)
        if match is None:
            term = pattern[position:].strip()
            raise _invalid(f"Invalid character(s) in term '{term}'. Put a term with other characters in double quotes.")
        sign, quoted, expression, word = match.groups()
        terms.append(_Term(sign, _test(quoted, expression, word)))
        position = match.end()
    return terms


def _test(quoted: str | None, expression: str | None, word: str | None) -> Matches:
    if expression is not None:
        return _expression_test(expression)
    text = word if quoted is None else re.sub(r"\\(.)", r"\1", quoted)
    return lambda message: str(text) in message


def _expression_test(expression: str) -> Matches:
    if not _EXPRESSION.fullmatch(expression):
        raise _invalid(f"Invalid regular expression '%{expression}%': it has characters that are not supported.")
    try:
        compiled = re.compile(expression)
    except re.error as error:
        raise _invalid(f"Invalid regular expression '%{expression}%': {error}") from error
    return lambda message: compiled.search(message) is not None


def _invalid(message: str) -> ApiError:
    return ApiError("InvalidParameterException", message)
