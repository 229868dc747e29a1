"""The answers to a state machine that asks whether the gate holds."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from mlci.backends.protocol import GateAnswer
from mlci.errors import CloudError
from mlci.flow.models import Level, Rule
from mlci.gate import Verdict, judge, parse_metrics
from mlci.outcome.gate_answers import GateAnswers
from mlci.plan.thresholds import bounds


def verdict(auc: float, level: Level = "block") -> Verdict:
    rules = [Rule("evaluate", ("auc",), "min", 0.9, level=level), Rule("evaluate", ("auc",), "max", 1)]
    return judge(bounds(rules, {}), {"evaluate": parse_metrics(f'{{"auc": {auc}}}'.encode())})


def answers(judged: Callable[[], Verdict]) -> tuple[GateAnswers, list[str]]:
    lines: list[str] = []
    return GateAnswers(judged, lines.append), lines


def test_an_answer_has_the_rules_that_stop_the_run_and_no_others() -> None:
    assert answers(lambda: verdict(0.95))[0]() == GateAnswer(True, "")
    assert answers(lambda: verdict(0.8))[0]() == GateAnswer(False, "evaluate.auc 0.8 ≥ 0.9 is missed by 0.1")
    assert answers(lambda: verdict(0.8, "warn"))[0]() == GateAnswer(True, "")


def test_a_line_is_logged_where_the_answer_is_another() -> None:
    found = [verdict(0.95), verdict(0.96), verdict(0.8), verdict(0.8)]
    asked, lines = answers(lambda: found.pop(0))
    assert [asked().held for _ in range(4)] == [True, True, False, False]
    assert lines == [
        "the gate holds: what is behind it may run",
        "the gate is missed, so nothing behind it runs:\n  evaluate.auc 0.8 ≥ 0.9 is missed by 0.1",
    ]


def test_what_cannot_be_judged_has_no_answer() -> None:
    def unreadable() -> Verdict:
        raise CloudError("GetObject: AWS does not respond")

    asked, lines = answers(unreadable)
    for _ in range(2):
        with pytest.raises(CloudError):
            asked()
    assert lines == []


def test_parts_of_a_state_machine_that_ask_at_once_are_answered_one_after_the_other() -> None:
    running: list[int] = []

    def judged() -> Verdict:
        running.append(1)
        assert len(running) == 1
        time.sleep(0.05)
        running.pop()
        return verdict(0.95)

    asked, lines = answers(judged)
    given: list[GateAnswer] = []
    threads = [threading.Thread(target=lambda: given.append(asked())) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert given == [GateAnswer(True)] * 3
    assert len(lines) == 1
