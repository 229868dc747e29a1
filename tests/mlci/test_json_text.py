"""Indented JSON is what Python's own encoder writes."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from mlci.json_text import indented

_SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
_VALUES = st.recursive(
    _SCALARS,
    lambda parts: st.lists(parts) | st.lists(parts).map(tuple) | st.dictionaries(st.text(), parts),
)


@given(st.dictionaries(st.text(), _VALUES))
def test_it_is_what_python_writes(document: dict[str, Any]) -> None:
    assert indented(document) == json.dumps(document, indent=2) + "\n"
