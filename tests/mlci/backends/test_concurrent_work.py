"""Work on many things, ended early by a stop or by an error."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from mlci.backends.concurrent_work import work_on_all
from mlci.backends.stop_signal import StopSignal


def test_each_thing_is_worked_on_once() -> None:
    done: list[int] = []
    work_on_all(done.append, range(100), 4, StopSignal())
    assert sorted(done) == list(range(100))


def test_nothing_further_is_begun_after_an_error() -> None:
    begun: list[int] = []

    def work(number: int) -> None:
        begun.append(number)
        if number == 3:
            raise ValueError(number)

    with pytest.raises(ValueError, match="3"):
        work_on_all(work, range(1000), 1, StopSignal())
    assert begun == [0, 1, 2, 3]


def test_nothing_further_is_begun_after_a_stop() -> None:
    begun: list[int] = []
    stop = StopSignal()

    def work(number: int) -> None:
        begun.append(number)
        if number == 3:
            stop.set()

    work_on_all(work, range(1000), 1, stop)
    assert begun == [0, 1, 2, 3]


def test_things_are_made_when_they_are_needed() -> None:
    made, done = [0], [0]

    def things() -> Iterator[int]:
        for number in range(50):
            made[0] += 1
            assert made[0] <= done[0] + 1
            yield number

    def work(number: int) -> None:
        done[0] += 1

    work_on_all(work, things(), 1, StopSignal())
    assert done == [50]
