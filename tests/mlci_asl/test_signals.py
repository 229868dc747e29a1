"""StopSignal: set once, heard everywhere below, and nothing left of children that are done."""

from __future__ import annotations

import gc
import threading

import pytest

from mlci_asl import StopSignal


def test_set_once_and_for_ever() -> None:
    stop = StopSignal()
    assert not stop.is_set()
    assert not stop.wait(0)
    stop.set("E", "c")
    stop.set("F", "d")
    assert stop.is_set()
    assert stop.wait(60)
    assert (stop.error, stop.cause) == ("E", "c")


def test_goes_down_and_not_up() -> None:
    top = StopSignal()
    middle = top.child()
    leaf, other = middle.child(), top.child()
    middle.set("E")
    assert (top.is_set(), middle.is_set(), leaf.is_set(), other.is_set()) == (False, True, True, False)
    top.set("F")
    assert (middle.error, leaf.error, other.error) == ("E", "E", "F")


def test_a_child_of_a_set_signal_is_set() -> None:
    top = StopSignal()
    top.set("E", "c")
    assert (top.child().is_set(), top.child().error) == (True, "E")


def test_a_grandchild_hears_although_nobody_holds_its_parent() -> None:
    top = StopSignal()
    leaf = top.child().child()
    gc.collect()
    top.set()
    assert leaf.is_set()


def test_callbacks_are_called_once() -> None:
    stop, heard = StopSignal(), list[str]()
    stop.subscribe(lambda: heard.append("before"))
    undo = stop.subscribe(lambda: heard.append("undone"))
    undo()
    undo()
    stop.set()
    stop.set()
    stop.subscribe(lambda: heard.append("late"))
    assert heard == ["before", "late"]


def test_a_failing_callback_does_not_keep_children_from_stopping() -> None:
    stop = StopSignal()
    child = stop.child()

    def fail() -> None:
        raise OSError("gone")

    stop.subscribe(fail)
    with pytest.raises(OSError, match="gone"):
        stop.set()
    assert child.is_set()


def test_children_that_are_done_are_gone() -> None:
    stop = StopSignal()
    for _ in range(1000):
        stop.child().child()
    gc.collect()
    assert len(stop._children) == 0


def test_children_made_while_it_is_set_are_all_set() -> None:
    for _ in range(50):
        stop, children = StopSignal(), list[StopSignal]()
        maker = threading.Thread(target=lambda s=stop, c=children: c.extend(s.child() for _ in range(200)))
        maker.start()
        stop.set()
        maker.join()
        assert all(child.is_set() for child in children)
