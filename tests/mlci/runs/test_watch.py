"""Logs that grow, estimates that come late, and requests to stop."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Mapping
from pathlib import Path

from mlci.errors import CloudError
from mlci.interrupts import Interrupts
from mlci.runs.run_folder import RunFolder
from mlci.runs.watch import LateSeconds, LogFollower, RunWatch, WatchOptions


def folder(tmp_path: Path) -> RunFolder:
    (tmp_path / "logs").mkdir()
    return RunFolder(tmp_path)


def append(run: RunFolder, step: str, data: bytes) -> None:
    with run.log(step).open("ab") as file:
        file.write(data)


def test_lines_come_once_and_whole_and_the_rest_at_the_end(tmp_path: Path) -> None:
    run = folder(tmp_path)
    follower = LogFollower(run)
    append(run, "train(fold=0)", b"one\ntw")
    assert list(follower.new_lines()) == [("train(fold=0)", "one")]
    assert list(follower.new_lines()) == []
    append(run, "train(fold=0)", b"o\n10 %\r20 %")
    append(run, "evaluate", b"\xff\n")
    assert list(follower.new_lines()) == [("evaluate", "\ufffd"), ("train(fold=0)", "two")]
    assert list(follower.rest()) == [("train(fold=0)", "20 %")]


def test_a_large_log_is_read_in_parts(tmp_path: Path) -> None:
    run = folder(tmp_path)
    append(run, "train", b"".join(b"line %d\n" % number for number in range(300_000)))
    lines = [line for _, line in LogFollower(run).new_lines()]
    assert (len(lines), lines[-1]) == (300_000, "line 299999")


def test_a_run_is_watched_until_it_ends(tmp_path: Path) -> None:
    run, printed = folder(tmp_path), list[str]()
    interrupts: Interrupts = queue.SimpleQueue()
    watch = RunWatch(WatchOptions(True, 0.1), run, printed.append, dict, lambda steps: 60.0)
    with watch.running(interrupts):
        append(run, "train", b"one\n")
        watch.print_new_lines()
        assert printed[0] == "train | one"
        run.request_stop()
        assert interrupts.get(timeout=60) == "stopped by `mlci stop`"
        time.sleep(0.5)
        append(run, "train", b"the end")
    assert printed[-1] == "train | the end"
    assert any("no step is running; 0 of 0 steps done; about 60 s left" in text for text in printed)
    assert interrupts.empty()  # it asks once


def test_an_estimate_is_waited_for_a_moment_only() -> None:
    is_ready = threading.Event()

    def look_up() -> Mapping[str, float]:
        is_ready.wait(120)
        return {"train": 1.0}

    late = LateSeconds(look_up)
    started = time.monotonic()
    assert late() == {}
    assert time.monotonic() - started < 60
    is_ready.set()
    end = time.monotonic() + 60
    while not late():
        assert time.monotonic() < end
        time.sleep(0.01)
    assert late() == {"train": 1.0}


def test_an_estimate_that_can_not_be_had_is_none() -> None:
    def look_up() -> Mapping[str, float]:
        raise CloudError("AWS rejected the credentials")

    assert LateSeconds(look_up)() == {}
