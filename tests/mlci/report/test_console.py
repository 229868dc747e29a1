"""The live table of a terminal, and the lines of a build log."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import NoReturn

from rich.console import Console

from mlci.backends.decisions import Question
from mlci.backends.progress import Progress, StepState
from mlci.report.console import ConsoleReporter, failure

START = datetime(2026, 11, 23, 10, 15, 30, tzinfo=timezone.utc)
LOGS = {
    "prepare": "all done\n",
    "train(fold=0)": "epoch 1\n 10 %\r 20 %\r",
    "train(fold=1)": "\x1b[31m::error::forged\x1b[0m " + 200 * "x" + "\n\n",
}
STEPS = {
    "prepare": StepState("succeeded", START, START + timedelta(seconds=2)),
    "train(fold=0)": StepState("running", START),
    "train(fold=1)": StepState("running", START),
    "evaluate": StepState(),
}


def reporter(shows_logs: bool = False) -> ConsoleReporter:
    now = START + timedelta(seconds=75)
    return ConsoleReporter(io.StringIO(), False, lambda step: LOGS.get(step, ""), shows_logs, lambda: now)


def test_the_live_table_has_the_last_line_beside_each_step_that_runs() -> None:
    made, out = reporter(), io.StringIO()
    made.steps = STEPS
    Console(file=out, width=80, force_terminal=True, color_system=None).print(made._table())
    lines = [line.rstrip() for line in out.getvalue().splitlines()]
    assert len(lines) == 4
    assert lines[0].split() == ["✔", "prepare", "succeeded", "2.0", "s"]
    assert lines[1].endswith("1 min 15 s  20 %")
    assert ": :error::forged xxx" in lines[2]
    assert lines[2].endswith("…")
    assert all(len(line) <= 80 for line in lines)
    assert "\x1b[31m" not in out.getvalue()


def test_the_command_for_a_log_can_be_pasted() -> None:
    assert "(all: mlci logs 'train(fold=0)')" in failure("train(fold=0)", "it failed", "epoch 1")
    assert "(all: mlci logs train)" in failure("train", "it failed", "epoch 1")
    made = replace(reporter(), flow_file="a b/flow.yaml", cloud="aws", run_id="r1")
    question = Question("go on?", None, is_asked=True)
    ends = {"prepare": StepState("failed", START, START, reason="no"), "approve": StepState("running", START)}
    made.update(Progress({"prepare": StepState(), "approve": StepState()}, changed=("prepare", "approve")))
    asked = replace(ends["approve"], question=question)
    made.update(Progress({**ends, "approve": asked}, changed=("prepare", "approve")))
    assert isinstance(made.out, io.StringIO)
    text = made.out.getvalue()
    assert "(all: mlci logs prepare --flow 'a b/flow.yaml')" in text
    assert "mlci approve r1 approve --flow 'a b/flow.yaml' --cloud aws, or" in text
    assert "mlci reject r1 approve --flow 'a b/flow.yaml' --cloud aws --reason <why>" in text


class Unlisted(dict[str, StepState]):
    """Steps that can be asked for by name alone."""

    def __iter__(self) -> NoReturn:
        raise AssertionError("all steps were looked at")

    items = values = keys = __iter__


def test_only_the_steps_that_an_event_was_of_are_looked_at() -> None:
    made = reporter()
    made.update(Progress(Unlisted(STEPS)))
    made.update(Progress(Unlisted({**STEPS, "prepare": StepState("running", START)}), changed=("prepare",)))
    assert "prepare running" in made.out.getvalue()  # type: ignore[attr-defined]


def test_a_failure_repeats_no_lines_that_were_followed() -> None:
    for shows_logs in (False, True):
        made = reporter(shows_logs)
        made.update(Progress(STEPS))
        failed = {**STEPS, "prepare": StepState("failed", START, START, None, "AlgorithmError")}
        made.update(Progress(failed, changed=("prepare",)))
        text = made.out.getvalue()  # type: ignore[attr-defined]
        assert 'step "prepare" failed: AlgorithmError' in text
        assert ("| all done" in text) is not shows_logs
