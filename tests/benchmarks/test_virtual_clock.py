from __future__ import annotations

import threading
from datetime import timedelta

import pytest

from mlci_asl import StopSignal
from virtual_clock import START, VirtualClock


def test_counts_what_time_was_for() -> None:
    clock = VirtualClock()
    clock.spend("install", 60)
    with clock.waiting_for("polling"):
        clock.sleep(5)
        clock.pause(StopSignal(), 10)
    assert clock.parts == {"install": 60, "polling": 15}
    assert clock.now() == START + timedelta(seconds=75)


def test_does_not_wait_for_a_signal_that_is_set() -> None:
    clock, stop = VirtualClock(), StopSignal()
    stop.set()
    assert clock.pause(stop, 10)
    assert clock.monotonic() == 0


def test_refuses_to_be_moved_on_by_two_threads() -> None:
    clock, errors = VirtualClock(), list[Exception]()

    def spend() -> None:
        try:
            clock.spend("scripts", 1)
        except RuntimeError as error:
            errors.append(error)

    thread = threading.Thread(target=spend)
    thread.start()
    thread.join()
    with pytest.raises(RuntimeError, match="at the same time"):
        raise errors[0]
