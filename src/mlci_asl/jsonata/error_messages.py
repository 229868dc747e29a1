"""The words of JSONata's errors, as its reference implementation writes them.

The library's own messages have "Object" where the reference has "function", do not quote values, and fill two of three
placeholders. AWS uses the reference's words: the sentence alone when a definition is created, and with the code before
it at run time.
Source: https://github.com/jsonata-js/jsonata/blob/v2.0.6/src/jsonata.js (errorCodes)
"""

from __future__ import annotations

import re

from mlci_asl.jsonata import serialization
from mlci_asl.jsonata.jsonata_python import TEMPLATES, JException

_GAP = re.compile(r"\{\{\{(\w+)\}\}\}|\{\{(\w+)\}\}")
_ELEMENTS = {"a": "arrays", "b": "booleans", "f": "functions", "n": "numbers", "o": "objects", "s": "strings"}
#: The attributes of a library error whose values its sentence quotes, if they are not the first ones.
_VALUES = {"D1002": ("expected",)}


def code_of(error: JException) -> str:
    """The code of an error, corrected if the library uses the wrong one."""
    if error.error == "S0301" and error.current is not None:
        return "S0103"  # an escape that is not known; S0301 is the empty regular expression
    return str(error.error)


def sentence(error: JException) -> str:
    """The sentence of an error, without its code."""
    code = code_of(error)
    template = TEMPLATES.get(code)
    if template is None:
        return code
    template = template.replace("Object", "function").replace('"', "'")
    names = _VALUES.get(code, ("current", "expected", "extra"))
    values = [getattr(error, name) for name in names]
    if code == "T0412":
        values[2] = _ELEMENTS.get(str(values[2]), values[2])

    def filled(gap: re.Match[str]) -> str:
        value = values.pop(0) if values else None
        return str(value) if gap.group(1) else serialization.to_json(value)

    return _GAP.sub(filled, template)


def with_code(error: JException) -> str:
    """The message of an error at run time: `T1006: Attempted to invoke a non-function`."""
    code = code_of(error)
    return f"{code}: {sentence(error)}" if code in TEMPLATES else code


def of_other(error: Exception) -> str:
    """The end of AWS's sentence for an error that the library raises without a code."""
    text = str(error)
    for code, template in TEMPLATES.items():
        if "{{" not in template and template.replace("Object", "function") == text.replace("Object", "function"):
            return f". {code}: {text}"
    return f": {text or type(error).__name__}"
