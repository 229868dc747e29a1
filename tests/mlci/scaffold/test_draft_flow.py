"""A drafted flow and its text: YAML that reads back as what was drafted."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from mlci.flow.yaml_document import read
from mlci.scaffold.draft_flow import DraftFlow, DraftStep, name_for, render_flow
from support.examples import examples

TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\x00\ufeff"), max_size=30)
SCALARS = st.one_of(st.booleans(), st.integers(-(2**40), 2**40), TEXTS)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=4), st.dictionaries(TEXTS, inner, min_size=1, max_size=4)
    ),
    max_leaves=8,
)


@settings(max_examples=examples(200))
@given(st.dictionaries(TEXTS, VALUES, min_size=1, max_size=4), st.lists(TEXTS, max_size=3))
def test_keys_are_read_back_as_they_were_drafted(keys: dict[str, Any], comments: list[str]) -> None:
    text = render_flow(DraftFlow("iris", (DraftStep("train", keys, tuple(comments)),), comments=tuple(comments)), "s")
    assert yaml.safe_load(text) == {"flow": "iris", "steps": {"train": keys}}


@pytest.mark.parametrize("text", ["no", "010", "1:30", "2024-01-01", "", "~", "1e3", "-x", "a: b", "# a", "a\nb", "ü"])
def test_a_text_stays_one_for_each_reader_of_yaml(text: str) -> None:
    rendered = render_flow(DraftFlow("iris", (DraftStep("a", {"k": text}),)), "s")
    assert yaml.safe_load(rendered)["steps"]["a"]["k"] == text
    assert read(rendered.encode(), "flow.yaml").value["steps"]["a"]["k"] == text  # type: ignore[index, call-overload]


@given(TEXTS, st.lists(TEXTS, max_size=3))
def test_a_name_is_allowed_and_taken_by_nobody(text: str, others: list[str]) -> None:
    taken = [name_for(other) for other in others]
    name = name_for(text, taken)
    assert name.lower() not in {each.lower() for each in taken}
    assert len(name) <= 40
    assert name[0].isalpha()
    assert name.isascii()
    assert all(character.isalnum() or character == "-" for character in name)
