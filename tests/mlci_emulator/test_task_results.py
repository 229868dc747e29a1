"""Results of waiting tasks from another process."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

import mlci_asl as asl
from mlci_asl.callbacks import TaskSuccess
from mlci_emulator.task_results import TaskNotWaiting, TaskResults, send_task_success


def wait(callback: asl.Callback) -> object:
    """Return the result of a callback, or None after five seconds."""
    stop = asl.StopSignal()
    end = time.monotonic() + 60
    while callback.is_open() and time.monotonic() < end:
        time.sleep(0.02)
    stop.set(error="late", cause="")
    return callback.wait(stop)


def test_a_result_completes_the_task_that_waits_for_it_once(tmp_path: Path) -> None:
    folder = tmp_path / "run" / "decisions"
    first, second = asl.Callback("first"), asl.Callback("second")
    results = TaskResults(lambda execution: tmp_path / execution / "decisions")
    results.expect(first, "run")
    results.expect(second, "run")
    assert folder.stat().st_mode & 0o777 == 0o700
    is_taken = send_task_success(folder, "first", '{"a": 1}')
    with pytest.raises(TaskNotWaiting, match=r"another result has arrived|no task waits"):
        send_task_success(folder, "first", "{}")
    assert wait(first) == TaskSuccess('{"a": 1}')
    end = time.monotonic() + 60
    while not is_taken() and time.monotonic() < end:
        time.sleep(0.02)
    assert is_taken()
    assert second.is_open()
    second.close()


def test_nothing_waits_for_an_unknown_token_or_in_an_unknown_run(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "none"):
        with pytest.raises(TaskNotWaiting, match="no task waits for this token"):
            send_task_success(folder, "x", "{}")


@pytest.mark.parametrize("document", ['{"token": "t", "output": "{"}', '{"token": "other", "output": "{}"}', "[]", "{"])
def test_a_file_that_is_no_result_completes_nothing(document: str, tmp_path: Path) -> None:
    callback = asl.Callback("t")
    TaskResults(lambda execution: tmp_path).expect(callback, "run")
    [waiting] = tmp_path.iterdir()
    waiting.with_suffix(".result").write_text(document)
    time.sleep(0.4)
    assert callback.is_open()
    valid = tmp_path / "valid"
    valid.write_text(json.dumps({"token": "t", "output": "{}"}))
    os.replace(valid, waiting.with_suffix(".result"))
    assert wait(callback) == TaskSuccess("{}")


def test_a_link_is_no_result(tmp_path: Path) -> None:
    callback = asl.Callback("t")
    TaskResults(lambda execution: tmp_path / "run").expect(callback, "run")
    [waiting] = (tmp_path / "run").iterdir()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text(json.dumps({"token": "t", "output": "{}"}))
    waiting.with_suffix(".result").symlink_to(elsewhere)
    time.sleep(0.4)
    assert callback.is_open()
    callback.close()


def test_only_tasks_with_a_token_wait(tmp_path: Path) -> None:
    results = TaskResults(lambda execution: tmp_path / execution)
    callback = asl.Callback("t")
    arn = "arn:aws:states:us-east-1:000000000000:execution:machine:run"
    resource = "arn:aws:states:::aws-sdk:s3:putObject"
    results.expect_result(asl.TaskCall(resource, "a", {}, asl.StopSignal(), lambda output: None, arn))
    assert list(tmp_path.iterdir()) == []
    resource += ".waitForTaskToken"
    results.expect_result(asl.TaskCall(resource, "a", {}, asl.StopSignal(), lambda output: None, arn, callback))
    assert [file.suffix for file in (tmp_path / "run").iterdir()] == [".waiting"]
    callback.close()
