"""Imports jsonata-python, for its names used here, and undoes the effect of the import on the process."""

from __future__ import annotations

import sys

# Importing the library sets the process's recursion limit to 10,000. Evaluation nests at most 100 levels of
# about twenty Python frames each; it needs that many frames, and no more.
_FRAMES = 3_000
_before = sys.getrecursionlimit()

from jsonata import jexception, parser, signature, tokenizer, utils  # noqa: E402
from jsonata.jsonata import Jsonata  # noqa: E402

sys.setrecursionlimit(max(_before, _FRAMES))

JException = jexception.JException
Parser = parser.Parser
Signature = signature.Signature
Symbol = parser.Parser.Symbol
Tokenizer = tokenizer.Tokenizer
#: JSON's null; the library's None is JSONata's undefined.
NULL = utils.Utils.NULL_VALUE
Utils = utils.Utils
TEMPLATES: dict[str, str] = JException.error_codes

__all__ = ["NULL", "TEMPLATES", "JException", "Jsonata", "Parser", "Signature", "Symbol", "Tokenizer", "Utils"]


def is_function(value: object) -> bool:
    """True if a value is a function: a built-in one, a lambda, or a regular expression."""
    if isinstance(value, (Jsonata.JFunctionCallable, Symbol)):
        return True
    return callable(getattr(value, "finditer", None))
