"""A flow as JSON, and back: nothing of it is lost, and what is damaged is no flow."""

from __future__ import annotations

import json
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlci.flow import Flow, load, models
from mlci.flow.flow_document import flow_from_text, flow_to_text

ROOT = Path(__file__).parents[3]
FLOWS = [ROOT / "flow.yaml", *sorted(ROOT.glob("examples/*/flow.yaml"))]


def is_same(one: Any, other: Any) -> bool:
    """Return True if two values are equal, with fields that `==` leaves out, and in types and order."""
    if type(one) is not type(other):
        return False
    if is_dataclass(one):
        return all(is_same(getattr(one, each.name), getattr(other, each.name)) for each in fields(one))
    if isinstance(one, dict):
        return is_same(list(one.items()), list(other.items()))
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(is_same, one, other))
    return bool(one == other)


@pytest.mark.parametrize("file", FLOWS, ids=lambda file: file.parent.name)
def test_a_flow_survives_as_text(file: Path) -> None:
    flow = load(file.read_bytes(), str(file))
    assert is_same(flow_from_text(flow_to_text(flow)), flow)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: (
        st.lists(inner)
        | st.lists(inner).map(tuple)
        | st.dictionaries(st.text() | st.tuples(st.text(), st.integers()), inner)
        | st.builds(models.StepOutput, st.text(), st.text(), st.lists(st.text()).map(tuple), st.text())
        | st.builds(models.ImageFolder, st.text(), st.text(), st.dictionaries(st.text(), st.text()))
        | st.frozensets(st.text())
    ),
    max_leaves=10,
)


@settings(max_examples=30)
@given(st.dictionaries(st.text(), VALUES))
def test_each_kind_of_value_survives(values: dict[str, Any]) -> None:
    flow = Flow("f", "flow.yaml", {}, {"s": models.Step("s", "wait", values=values)}, ())
    assert is_same(flow_from_text(flow_to_text(flow)), flow)


TEXT = flow_to_text(load(FLOWS[0].read_bytes(), "flow.yaml"))


@pytest.mark.parametrize(
    "text",
    [
        "",
        TEXT[:-3],
        "null",
        '{"Position": ["flow.yaml", 1, 2]}',
        '{"Popen": ["ls"]}',
        '{"tuple": [], "set": []}',
        TEXT.replace('"Step"', '"Stop"'),
        TEXT.replace('"Rule":["', '"Rule":[1,"'),
    ],
)
def test_what_is_damaged_is_no_flow(text: str) -> None:
    assert flow_from_text(text) is None


def test_a_document_is_plain_json() -> None:
    assert json.loads(TEXT) == json.loads(json.dumps(json.loads(TEXT)))
