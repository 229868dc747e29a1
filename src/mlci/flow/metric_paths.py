"""The names of metrics in rules: a step, and the path to a number in its metrics.

`evaluate.auc`, `evaluate.classes.malignant.recall`, `evaluate["a.b"][0].f1`: a name after a dot, the index of a list's
item in brackets, or a name in brackets and quotes, with the escapes of JSON.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import TypeAlias

from mlci.flow.invalid_value import InvalidValue

#: The way to a value in JSON: names of an object's members, and indexes of a list's items.
MetricPath: TypeAlias = "tuple[str | int, ...]"

_PLAIN = re.compile(r"[^.\[\]]+")
_INDEX = re.compile(r"\[(0|[1-9][0-9]{0,8})\]")
_DOUBLE = re.compile(r'\[("(?:[^"\\]|\\.)*")\]')
_SINGLE = re.compile(r"\['((?:[^'\\]|\\.)*)'\]")
_HINT = "Write the step that writes it, a dot, and its path in the JSON: evaluate.auc"
_QUOTED_HINT = 'Write the index of an item, as in evaluate.scores[0], or a name in quotes, as in evaluate["a.b"]'


def parse_metric(text: str) -> tuple[str, MetricPath]:
    """Return the step and the path of a metric's name.

    >>> parse_metric("evaluate.auc"), parse_metric('evaluate["a.b"][0].f1')
    (('evaluate', ('auc',)), ('evaluate', ('a.b', 0, 'f1')))

    Raises: InvalidValue
    """
    step = _PLAIN.match(text)
    if step is None or not text.isprintable():
        raise _invalid(text, _HINT)
    path = tuple(_segments(text, step.end()))
    if not path:
        raise _invalid(text, _HINT)
    return step[0], path


def format_metric(step: str, path: MetricPath) -> str:
    """Return the name of a metric as a rule may have it.

    >>> format_metric("evaluate", ("a.b", 0, "f1"))
    'evaluate["a.b"][0].f1'
    """
    return step + "".join(map(_segment, path))


def _segment(key: str | int) -> str:
    if isinstance(key, int):
        return f"[{key}]"
    if _PLAIN.fullmatch(key) and key.isprintable():
        return f".{key}"
    return f"[{json.dumps(key, ensure_ascii=not key.isprintable())}]"


def _segments(text: str, start: int) -> Iterator[str | int]:
    while start < len(text):
        plain = _PLAIN.match(text, start + 1) if text[start] == "." else None
        index, double, single = (form.match(text, start) for form in (_INDEX, _DOUBLE, _SINGLE))
        found = plain or index or double or single
        if found is None:
            raise _invalid(text, _HINT if text[start] == "." else _QUOTED_HINT)
        start = found.end()
        if index:
            yield int(index[1])
        else:
            yield plain[0] if plain else _unquoted(text, found[1], is_double=double is not None)


def _unquoted(text: str, quoted: str, is_double: bool) -> str:
    if is_double:
        try:
            name = str(json.loads(quoted))
        except ValueError:
            raise _invalid(text, 'In quotes, only the escapes of JSON are known, such as \\\\ and \\"') from None
    else:
        name = re.sub(r"\\(.)", r"\1", quoted)
    if not name:
        raise _invalid(text, _QUOTED_HINT)
    return name


def _invalid(text: str, hint: str) -> InvalidValue:
    return InvalidValue(f'"{text[:80]}" does not name a metric', hint)
