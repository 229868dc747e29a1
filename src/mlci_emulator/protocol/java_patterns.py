"""Regular expressions of the models, which are Java's, for Python.

Source: https://docs.oracle.com/en/java/javase/17/docs/api/java.base/java/util/regex/Pattern.html
"""

from __future__ import annotations

import functools
import re
import unicodedata

#: Java's character classes: their ASCII characters, and for the categories of Unicode (one letter) a private character
#: that stands for every other character of the category.
_CLASSES = {
    "L": "a-zA-Z\ue001",
    "M": "\ue002",
    "N": "0-9\ue003",
    "P": r"!-#%-*,-/:;?@\[-\]_{}\ue004",
    "S": r"$+<=>\^`|~\ue005",
    "Z": " \ue006",
    "Alnum": "a-zA-Z0-9",
    "ASCII": r"\x00-\x7f",
    "Print": r"\x20-\x7e",
}
_PLACEHOLDERS = {"L": "\ue001", "M": "\ue002", "N": "\ue003", "P": "\ue004", "S": "\ue005", "Z": "\ue006"}
_CLASS = re.compile(r"\\p\{(\w+)\}")


def matches(pattern: str, value: str) -> bool:
    """Return whether all of the value matches. A pattern that Python cannot read matches everything.

    >>> matches(r"\\p{ASCII}*", "abc"), matches(r"\\p{ASCII}*", "ä"), matches(r"[\\p{L}_]+", "ä_")
    (True, False, True)
    """
    compiled, has_categories = compile_pattern(pattern)
    if compiled is None:
        return True
    if has_categories and not value.isascii():
        value = "".join(
            char if char.isascii() else _PLACEHOLDERS.get(unicodedata.category(char)[0], char) for char in value
        )
    return compiled.fullmatch(value) is not None


@functools.cache
def compile_pattern(pattern: str) -> tuple[re.Pattern[str] | None, bool]:
    """Return the pattern for Python, None if Python cannot read it, and whether it has categories of Unicode."""
    # Two patterns of SageMaker's model read `(…)${1,128}`: botocore lost a bracket. Their lengths are in `max` as well.
    text = re.sub(r"\$\{\d+,\d+\}$", "", pattern).replace(r"\uD800\uDC00-\uDBFF\uDFFF", "\U00010000-\U0010ffff")
    has_categories = any(name in _PLACEHOLDERS for name in _CLASS.findall(text))
    try:
        return re.compile(_CLASS.sub(_class, text).replace(r"\z", r"\Z")), has_categories
    except (re.error, KeyError):
        return None, False


def _class(match: re.Match[str]) -> str:
    before = re.sub(r"\\.", "", match.string[: match.start()])
    is_inside_brackets = before.rfind("[") > before.rfind("]")
    return _CLASSES[match[1]] if is_inside_brackets else f"[{_CLASSES[match[1]]}]"
