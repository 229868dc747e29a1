"""Page tokens hold a position, and anything else is rejected."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlci_emulator.protocol.pagination import InvalidTokenError, decode_token, encode_token

POSITIONS = st.recursive(st.none() | st.integers() | st.text(), lambda inner: st.lists(inner, max_size=3), max_leaves=4)


@given(POSITIONS)
def test_a_token_holds_its_position(position: object) -> None:
    token = encode_token(position)
    assert token.isascii()
    assert decode_token(token) == position


@pytest.mark.parametrize(
    "text", ["", "x", "a b", "ä", base64.b64encode(b"\xff").decode(), base64.b64encode(b"key").decode()]
)
def test_other_texts_are_no_tokens(text: str) -> None:
    with pytest.raises(InvalidTokenError):
        decode_token(text)
