"""Tables of cases: what is read of them, and what is said of a wrong one."""

from __future__ import annotations

import io
from typing import Any

import pytest

from mlci.gate.cases_file import CASES_MAX_BYTES, CASES_MAX_ROWS, Cases, InvalidCases, parse_cases, parse_ids

HEAD = b"id,label,predicted,score\n"


def csv(*lines: str) -> Cases:
    return parse_cases(HEAD + "\n".join(lines).encode(), "cases.csv")


def parquet(columns: dict[str, Any]) -> bytes:
    pyarrow = pytest.importorskip("pyarrow")
    parquet_module = pytest.importorskip("pyarrow.parquet")
    out = io.BytesIO()
    parquet_module.write_table(pyarrow.table(columns), out)
    return out.getvalue()


def test_csv() -> None:
    cases = csv("a,1,0,0.25", 'b,0,"0",1e-3', "")
    assert cases.ids == ("a", "b")
    assert cases.classes("label") == ("1", "0")
    assert cases.numbers("score") == (0.25, 0.001)


def test_a_byte_order_mark_quotes_and_lines_in_quotes() -> None:
    data = b'\xef\xbb\xbf"id","label","note, long"\r\n"a ""1""",1,"two\r\nlines"\r\nb,0,\r\n'
    cases = parse_cases(data, "cases.csv")
    assert (cases.ids, cases.columns["note, long"]) == (('a "1"', "b"), ("two\r\nlines", ""))
    assert cases.rows == ["line 2", "line 4"]


def test_the_forms_of_a_class_are_one() -> None:
    assert csv("a,1,1.0,0", "b,true,True,0", "c,False,0,0").classes("predicted") == ("1", "1", "0")


def test_parquet() -> None:
    data = parquet({"id": [1, 2], "label": [True, False], "predicted": [1, 0], "score": [0.5, 0.25], "sex": ["f", "m"]})
    cases = parse_cases(data, "cases.parquet")
    assert cases.ids == ("1", "2")
    assert cases.classes("label") == cases.classes("predicted") == ("1", "0")
    assert cases.columns["sex"] == ("f", "m")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "it is empty"),
        (b"\n\n", "its first line is empty, and names no column"),
        (b"name,label\na,1\n", 'it has no column "id". There are: "name", "label"'),
        (b"idd,label\na,1\n", 'it has no column "id"; did you mean "idd"? There are: "idd", "label"'),
        (b"id;label\na;1\n", "its columns are not separated by commas"),
        (b"id,label,label\na,1,1\n", 'the column "label" is there twice'),
        (b"id,label\na,1\nb\n", "line 3 has 1 values, and the head 2"),
        (b"id,label\na,1\n\nb,1\n", "line 3 is empty"),
        (b"id,label\na,1\nb,0\na,0\n", 'line 4: the id "a" is in line 2 already'),
        (b"id,label\n,1\n", 'line 2 (id ""): "id" is empty'),
        (b"id,label\n", "it has no cases"),
        (b"id,label\na,\xff\n", "it is not UTF-8: byte 11 is 0xff"),
        (b'id,label\na,"1"x\n', "line 2 is not CSV: ',' expected after '\"'"),
        (b'id,label\na,"1\n', "line 2 is not CSV: unexpected end of data"),
        (b"x" * (CASES_MAX_BYTES + 1), "it has more than 256 MB, the most that the gate reads"),
    ],
)
def test_a_table_that_is_none(data: bytes, message: str) -> None:
    with pytest.raises(InvalidCases) as raised:
        parse_cases(data, "cases.csv")
    assert str(raised.value) == message


def test_a_parquet_file_that_is_none() -> None:
    with pytest.raises(InvalidCases, match="it is not a Parquet file that can be read"):
        parse_cases(b"id,label\na,1\n", "cases.parquet")
    with pytest.raises(InvalidCases, match='the column "label" holds list'):
        parse_cases(parquet({"id": [1], "label": [[1]]}), "cases.parquet")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("a,1,0,", 'line 2 (id "a"): "score" is empty'),
        ("a,1,0,nan", 'line 2 (id "a"): "score" is NaN'),
        ("a,1,0,inf", 'line 2 (id "a"): "score" is "inf", and no finite number'),
        ("a,1,0,high", 'line 2 (id "a"): "score" is "high", and no finite number'),
    ],
)
def test_a_value_that_is_no_number(line: str, message: str) -> None:
    with pytest.raises(InvalidCases) as raised:
        csv(line).numbers("score")
    assert str(raised.value) == message


def test_values_of_parquet_that_are_none() -> None:
    cases = parse_cases(parquet({"id": ["a", "b"], "label": [1.0, float("nan")], "predicted": [None, 1]}), "c.parquet")
    with pytest.raises(InvalidCases, match=r'row 2 \(id "b"\): "label" is NaN'):
        cases.classes("label")
    with pytest.raises(InvalidCases, match=r'row 1 \(id "a"\): "predicted" is empty'):
        cases.classes("predicted")
    with pytest.raises(InvalidCases, match='it has no column "scores"'):
        cases.numbers("scores")


def test_a_parquet_file_of_too_many_rows() -> None:
    pyarrow = pytest.importorskip("pyarrow")
    data = parquet({"id": pyarrow.array([True]).take(pyarrow.array([0] * (CASES_MAX_ROWS + 1)))})
    assert len(data) < 1_000_000
    with pytest.raises(InvalidCases, match="it has more than 5,000,000 rows"):
        parse_cases(data, "cases.parquet")


def test_a_class_that_is_no_number_is_none() -> None:
    with pytest.raises(InvalidCases, match=r'line 2 \(id "a"\): "predicted" is NaN'):
        csv("a,1,NaN,0").classes("predicted")


def test_ids_may_be_there_several_times() -> None:
    assert parse_ids(b"id,x\na,1\na,2\nb,3\n", "ids.csv") == {"a", "b"}
    assert parse_ids(parquet({"id": [1.0, 2.0], "x": [[1], [2]]}), "ids.parquet") == {"1", "2"}
    with pytest.raises(InvalidCases, match='it has no column "id"'):
        parse_ids(b"ids\na\n", "ids.csv")
