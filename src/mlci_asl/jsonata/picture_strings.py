"""The rules for $formatNumber's picture strings that the library does not check.

Source: https://www.w3.org/TR/xpath-functions-31/#syntax-of-picture-string, which JSONata's documentation names
"""

from __future__ import annotations

from collections.abc import Mapping

from mlci_asl.jsonata.jsonata_python import JException


def check(picture: str, options: Mapping[str, str]) -> None:
    """Raises: JException D3086 if passive characters stand between active ones, or alone; D3089 for two groupings."""
    zero = options.get("zero-digit", "0")
    digits = [chr(ord(zero) + n) for n in range(10)]
    decimal, grouping = options.get("decimal-separator", "."), options.get("grouping-separator", ",")
    exponent, optional = options.get("exponent-separator", "e"), options.get("digit", "#")
    active = {*digits, decimal, grouping, optional}
    for part in picture.split(options.get("pattern-separator", ";")):
        positions = [position for position, char in enumerate(part) if char in active]
        if not positions or any(
            char not in active and char != exponent for char in part[positions[0] : positions[-1] + 1]
        ):
            raise JException("D3086", -1)
        if grouping * 2 in part:
            raise JException("D3089", -1)
