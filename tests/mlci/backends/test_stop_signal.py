"""The stop signal of a run."""

from __future__ import annotations

from mlci.backends.stop_signal import StopSignal


def test_the_first_call_counts_and_each_subscriber_is_called_once() -> None:
    signal, called = StopSignal(), list[str]()
    signal.subscribe(lambda: called.append("early"))
    unsubscribe = signal.subscribe(lambda: called.append("never"))
    unsubscribe()
    assert not signal.is_set()
    assert not signal.wait(0)
    signal.set("mlci.Stopped", "stopped by SIGTERM")
    signal.set("other", "other")
    signal.subscribe(lambda: called.append("late"))
    assert (signal.error, signal.cause, signal.wait(0)) == ("mlci.Stopped", "stopped by SIGTERM", True)
    assert called == ["early", "late"]
