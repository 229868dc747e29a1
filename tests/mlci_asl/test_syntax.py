"""Paths, filters, intrinsic functions and JSON text: valid ones, invalid ones, and that none crashes."""

from __future__ import annotations

import json
import math
import re
from contextlib import suppress
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlci_asl.choices import matches_pattern
from mlci_asl.errors import EvaluationError
from mlci_asl.intrinsics import IntrinsicSyntaxError, parse_intrinsic
from mlci_asl.jsontext import Json, dump, is_equal, java_double, parse
from mlci_asl.path_parser import FilterSyntaxError, parse_condition
from mlci_asl.path_tokens import Indexes, InvalidPath, Names, PathSyntaxError, Slice, Wildcard
from mlci_asl.paths import parse_path
from mlci_asl.references import ReferencePathConflict, parse_reference, write
from mlci_asl.state_data import StateData
from mlci_asl.timestamps import parse_timestamp

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("$", ()),
        ("$.a-b_ü@1", (Names(("a-b_ü@1",)),)),
        ("$['a.b']", (Names(("a.b",)),)),
        ("$['it\\'s']", (Names(("it's",)),)),
        ("$[ 'a' , \"b\" ]", (Names(("a", "b")),)),
        ("$.*[*]", (Wildcard(), Wildcard())),
        ("$[-1][0, 2]", (Indexes((-1,)), Indexes((0, 2)))),
        ("$[1:][:2][-3:-1]", (Slice(1, None), Slice(None, 2), Slice(-3, -1))),
        ("$$.Execution.Id", (Names(("Execution",)), Names(("Id",)))),
    ],
)
def test_paths(text: str, tokens: object) -> None:
    assert parse_path(text).tokens == tokens


@pytest.mark.parametrize(
    "text",
    [
        *["", "a", "$1", "$.", "$..", "$.a.", "$[", "$[]", "$['a'", "$['a]", "$['a' 'b']", "$['a',]", "$[a]", "$[1.5]"],
        *["$.a b", "$.a)", "$.a()", "$[?]", "$[?()]", "$[?(@.a ==)]", "$[?(@.a", "$[?(@.a = 1)]", "$[?(@.a == 1 1)]"],
        "$[?(@.a =~ /x/)]",
    ],
)
def test_invalid_paths(text: str) -> None:
    with pytest.raises(PathSyntaxError):
        parse_path(text)


@pytest.mark.parametrize("text", ["$", "$.a.b", "$['a b'][0]", "$.a[-1]"])
def test_reference_paths(text: str) -> None:
    assert parse_reference(text, is_for_writing=True).text == text


@pytest.mark.parametrize("text", ["$..a", "$.*", "$[*]", "$[0,1]", "$[0:1]", "$[?(@.a)]", "$['a','b']"])
def test_invalid_reference_paths(text: str) -> None:
    parse_path(text)
    with pytest.raises(PathSyntaxError, match="single node"):
        parse_reference(text)


@given(st.text(alphabet="$@.[]'\"()?*:,&|!=<>ab01 -\\", max_size=14))
def test_any_text_is_a_path_or_refused(text: str) -> None:
    with suppress(PathSyntaxError, InvalidPath):
        parse_path("$" + text).read(StateData({"a": [{"b": 1}, "x"]}, {}))


@given(st.text(alphabet="@$.ab01'\"()&|!=<>in[], ", max_size=14))
def test_any_text_is_a_condition_or_refused(text: str) -> None:
    with suppress(FilterSyntaxError, InvalidPath):
        parse_condition(text).holds({"a": 1})


@given(st.text(alphabet="States.FormatArray(),'$\\{}12.5e- nultrue", max_size=24))
def test_any_text_is_a_function_or_refused(text: str) -> None:
    for start in ("States.", "States.Format('{}',", "States.Array("):
        with suppress(IntrinsicSyntaxError, EvaluationError):
            parse_intrinsic(start + text).evaluate(StateData({"a": 1}, {}))


@given(JSON, st.text(min_size=1, max_size=5), JSON)
def test_a_written_value_can_be_read(value: Json, name: str, before: Json) -> None:
    path = parse_reference("$['" + name.replace("\\", "\\\\").replace("'", "\\'") + "'].x", is_for_writing=True)
    start = cast("Json", {"other": before})
    copy = json.dumps(start)
    try:
        written = write(path, start, value)
    except ReferencePathConflict:
        assert name == "other"
        return
    assert is_equal(path.read(StateData(written, {})), value)
    assert json.dumps(start) == copy


@given(JSON)
def test_json_comes_out_as_it_went_in(value: Json) -> None:
    assert is_equal(parse(dump(value)), value)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_floats_keep_their_value(number: float) -> None:
    text = java_double(number)
    assert float(text) == number
    mantissa, _, exponent = text.partition("E")
    assert "." in mantissa
    assert bool(exponent) == (number != 0 and not 1e-3 <= abs(number) < 1e7)
    assert not exponent or 1 <= abs(float(mantissa)) < 10
    assert math.copysign(1, float(text)) == math.copysign(1, number)


@pytest.mark.parametrize("text", ["NaN", "[Infinity]", "-Infinity", "1e999", "01", "{'a': 1}", "[1,]", "", "\ufeff1"])
def test_invalid_json(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2016-03-14T01:59:00Z", "2016-03-14T01:59:00+00:00"),
        ("2016-03-14T01:59:00.123456789+01:00", "2016-03-14T00:59:00.123456+00:00"),
        ("2016-03-14T01:59:00-01:30", "2016-03-14T03:29:00+00:00"),
        ("2016-03-14t01:59:00z", None),
        ("2016-03-14T01:59Z", None),
        ("2016-02-30T01:59:00Z", None),
        ("2016-03-14T01:59:00+99:00", None),
        ("0001-01-01T00:00:00+01:00", None),
        ("２016-03-14T01:59:00Z", None),
    ],
)
def test_timestamps(text: str, expected: str | None) -> None:
    moment = parse_timestamp(text)
    assert (moment and moment.isoformat()) == expected


@given(st.text("ab*\\", max_size=8), st.text("ab*\\", max_size=8))
def test_a_pattern_matches_as_its_regular_expression_does(text: str, pattern: str) -> None:
    parts = re.findall(r"\\[*\\]|.", pattern)
    expression = "".join(".*" if part == "*" else re.escape(part[-1]) for part in parts)
    assert matches_pattern(text, pattern) == (re.fullmatch(expression, text) is not None)


def test_a_pattern_with_many_stars_takes_no_time() -> None:
    assert not matches_pattern("a" * 200, "*a" * 60 + "b")
    assert matches_pattern("a" * 200 + "b", "*a" * 60 + "*b")
