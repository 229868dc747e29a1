"""The bytes of a log become lines, however they arrive."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from mlci.report.log_lines import MAX_LINE_BYTES, LineSplitter, last_line, lines_of
from support.examples import examples


def split(*parts: bytes) -> list[str]:
    splitter = LineSplitter()
    return [line for part in parts for line in splitter.feed(part)] + splitter.rest()


def test_a_progress_bar_becomes_one_line() -> None:
    assert split(b" 1%|#", b"\r 50%|##", b"\r100%|###\n", b"done\r\n") == ["100%|###", "done"]
    assert split(b"1%\r2%\r") == ["2%"]
    assert last_line("epoch 1\n10%\r20%\r") == "20%"


def test_a_line_that_never_ends_takes_no_memory() -> None:
    splitter = LineSplitter()
    for number in range(100):
        assert splitter.feed(b"\r%d" % number + 5_000 * b".") == []
    assert splitter.rest() == ["99" + 5_000 * "."]
    lines = split(3 * MAX_LINE_BYTES * b"x")
    assert "".join(lines) == 3 * MAX_LINE_BYTES * "x"
    assert max(map(len, lines)) == MAX_LINE_BYTES


@settings(max_examples=examples(100))
@given(st.text(st.sampled_from("ab\r\né")), st.lists(st.integers(0, 40)))
def test_parts_give_the_same_lines_as_the_whole(text: str, cuts: list[int]) -> None:
    data = text.encode()
    ends = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    parts = [data[start:end] for start, end in pairwise(ends)]
    assert split(*parts) == split(data) == lines_of(text)
