"""Numbers of an expression, as AWS stores and writes them.

AWS stores an integer exactly if it fits in 64 bits, and else as a double; a double without a fraction is an integer.
JSON has no Infinity and no NaN, so AWS writes them as strings.
Source: answers of AWS's TestState as published in github.com/floci-io/floci, docs/services/step-functions.md
"""

from __future__ import annotations

import math
from decimal import Decimal

_LONG = 2**63
#: JavaScript writes a number outside of these limits with an exponent.
_POSITIONAL_BELOW = 1e21
_POSITIONAL_FROM = 1e-6


def normal(number: int | float) -> int | float:
    """A number as AWS stores it.

    >>> normal(1.0), normal(-0.0), normal(2**63), normal(1e300), normal(0.5)
    (1, 0, 9.223372036854776e+18, 1e+300, 0.5)
    """
    if isinstance(number, int):
        return number if -_LONG <= number < _LONG else float(number)
    if math.isfinite(number) and number == int(number) and -_LONG <= number < _LONG:
        return int(number)
    return number


def name_of_non_finite(number: float) -> str:
    """The string that replaces a number which JSON does not have.

    >>> name_of_non_finite(float("-inf")), name_of_non_finite(float("nan"))
    ('-Infinity', 'NaN')
    """
    if math.isnan(number):
        return "NaN"
    return "Infinity" if number > 0 else "-Infinity"


def text(number: int | float) -> str:
    """A number as $string writes it: 15 digits of a fraction, whole numbers in full below 1e21, as in JavaScript.

    >>> text(0.1 + 0.2), text(1e20), text(1e21), text(1e-7), text(2.0**63), text(123456789012345678)
    ('0.3', '100000000000000000000', '1e+21', '1e-7', '9223372036854776000', '123456789012345678')
    """
    if isinstance(number, int) and abs(number) < _LONG:
        return str(number)
    number = float(number)
    if not math.isfinite(number):
        return name_of_non_finite(number)
    if number != int(number):
        number = float(f"{number:.15g}")
    if number == 0:
        return "0"
    if _POSITIONAL_FROM <= abs(number) < _POSITIONAL_BELOW:
        plain = format(Decimal(repr(number)), "f")
        return plain.removesuffix(".0")
    mantissa, _, exponent = f"{Decimal(repr(number)).normalize():e}".partition("e")
    return f"{mantissa}e{int(exponent):+d}"
