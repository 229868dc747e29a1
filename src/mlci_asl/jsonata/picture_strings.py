"""The rules for $formatNumber's picture strings that the library does not check.

Source: https://www.w3.org/TR/xpath-functions-31/#syntax-of-picture-string, which JSONata's documentation names
"""

from __future__ import annotations

from collections.abc import Mapping

from mlci_asl.jsonata.jsonata_python import JException


def check(picture: str, options: Mapping[str, str]) -> None:
    """Raises: JException D3086 where characters that mean nothing stand between those that do, or stand alone."""
    zero = options.get("zero-digit", "0")
    digits = [chr(ord(zero) + n) for n in range(10)]
    decimal, grouping = options.get("decimal-separator", "."), options.get("grouping-separator", ",")
    exponent, optional = options.get("exponent-separator", "e"), options.get("digit", "#")
    edge = {*digits, decimal, grouping, optional}
    for part in picture.split(options.get("pattern-separator", ";")):
        places = [place for place, char in enumerate(part) if char in edge]
        if not places or any(char not in edge and char != exponent for char in part[places[0] : places[-1] + 1]):
            raise JException("D3086", -1)
        if grouping * 2 in part:
            raise JException("D3089", -1)
