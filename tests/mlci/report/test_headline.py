"""A run in one sentence, and what to type next."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest

from mlci.backends.progress import StepState
from mlci.flow.models import Rule
from mlci.gate.comparison import Comparison, Interval
from mlci.gate.verdict import Judgement, RuleVerdict
from mlci.plan.models import Baseline, Bound
from mlci.report.headline import headline_sentence
from mlci.report.next_commands import next_commands
from mlci.report.result import Result, Status

START = datetime(2026, 11, 23, 10, 15, 30, tzinfo=timezone.utc)
COMMIT = "0123456789abcdef0123456789abcdef01234567"

#: The reason of a training job whose script raised an exception.
TOOLKIT = """AlgorithmError: ExecuteUserScriptError:
ExitCode 1
ErrorMessage "Traceback (most recent call last):
  File "/opt/ml/code/model/train.py", line 15, in <module>
    rows = read("nope.csv")
           ^^^^^^^^^^^^^^^^
FileNotFoundError: [Errno 2] No such file or directory: 'nope.csv'"
Command "/usr/bin/python3 mlci_start.py --ridge 0.001", exit code: 1"""


def result(status: Status, *rules: RuleVerdict, reason: str = "", **changes: object) -> Result:
    made = Result(
        flow="case",
        run_id="20261123-101530-3f9c2a",
        cloud="aws",
        commit=COMMIT,
        status=status,
        started=START,
        seconds=12.5,
        steps={"train": StepState("succeeded", START, START + timedelta(seconds=3))},
        rules=rules,
        metrics={},
        execution="arn",
        reason=reason,
        params={"depth": 4, "name": "a b"},
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def drop(value: float, verdict: Judgement = "held", comparison: Comparison | None = None) -> RuleVerdict:
    rule = Rule("evaluate", ("recall",), "max_drop", 0.02)
    return RuleVerdict(Bound(rule, 0.73, 0.75), value, verdict, "evaluate.recall is worse", comparison)


def compared(low: float, high: float, wrong: tuple[str, ...], right: tuple[str, ...] = ()) -> Comparison:
    return Comparison("paired", "McNemar", Interval(low, high), 0.95, 1, 42, wrong, right)


def on_common(baseline: float, value: float) -> Comparison:
    on = "on the 16 cases that both have"
    return replace(compared(-0.2, 0.3, ()), on=on, value=value, baseline=baseline)


@pytest.mark.parametrize(
    ("made", "sentence"),
    [
        (result(Status.PASSED), "Every step succeeded, and the flow has no rules"),
        (result(Status.PASSED, is_partial=True), "A part of the flow ran, which has no verdict"),
        (result(Status.PASSED, drop(0.75)), "evaluate.recall is as it was; the gate held: 1 rule"),
        (result(Status.PASSED, drop(0.875)), "evaluate.recall rose by 0.125; the gate held: 1 rule"),
        (
            result(Status.PASSED, drop(0.6875, "unclear", compared(-0.2, 0.1, ("a", "b", "c"), ("d",)))),
            (
                "evaluate.recall fell by 0.0625 (3 of 42 cases turned wrong, 1 right), which chance explains; "
                "the gate held: 1 rule, 1 warning (evaluate.recall is unclear)"
            ),
        ),
        (
            result(Status.PASSED, drop(0.6875, "unclear", compared(-0.2, 0.1, ()))),
            (
                "evaluate.recall fell by 0.0625, which chance explains; "
                "the gate held: 1 rule, 1 warning (evaluate.recall is unclear)"
            ),
        ),
        (
            result(Status.PASSED, drop(0.5, "unclear", compared(-0.3, -0.2, ())), drop(0.75, "unclear")),
            ("evaluate.recall fell by 0.25; the gate held: 2 rules, 2 warnings (evaluate.recall is unclear, …)"),
        ),
        (
            result(Status.PASSED, drop(0.5, "accepted", compared(-0.3, -0.2, ("a",)))),
            "evaluate.recall fell by 0.25 (1 of 42 cases turned wrong, 0 right); the gate held: 1 rule, 1 accepted",
        ),
        (
            result(Status.PASSED, drop(0.5, "held", on_common(0.625, 0.875))),
            (
                "evaluate.recall is 0.5 (baseline 0.75); on the 16 cases that both have, it rose by 0.25, which chance "
                "explains; the gate held: 1 rule"
            ),
        ),
        (
            result(Status.PASSED, drop(0.5, "held", on_common(0.5, 0.5))),
            (
                "evaluate.recall is 0.5 (baseline 0.75); on the 16 cases that both have, it is as it was; "
                "the gate held: 1 rule"
            ),
        ),
        (result(Status.GATE_MISSED, drop(0.5, "broken")), "evaluate.recall is worse"),
        (
            result(Status.GATE_MISSED, drop(0.75), drop(0.5, "broken"), drop(0.4, "broken")),
            "evaluate.recall is worse, and 1 more rule missed",
        ),
        (result(Status.GATE_MISSED, reason='step "stop" was reached: no'), 'Step "stop" was reached: no'),
        (result(Status.FAILED, reason='step "train" failed: no\nmore'), 'Step "train" failed: no'),
        (
            result(Status.FAILED, reason=f'step "train" failed: {TOOLKIT}\nstep "other" failed: yes'),
            "Step \"train\" failed: FileNotFoundError: [Errno 2] No such file or directory: 'nope.csv'",
        ),
        (result(Status.STOPPED), "The run gave no reason"),
    ],
)
def test_one_sentence_says_what_came_of_a_run(made: Result, sentence: str) -> None:
    assert headline_sentence(made) == sentence


def test_a_sentence_is_cut_where_nobody_reads_on() -> None:
    assert len(headline_sentence(result(Status.FAILED, reason="x" * 10_000))) == 240


def commands(made: Result) -> list[str]:
    return [each.command for each in next_commands(made)]


def test_a_failed_step_is_looked_at_and_reproduced() -> None:
    steps = {"train(fold=0)": StepState("failed", START, START)}
    made = result(Status.FAILED, steps=steps, build="models:1f", overridden=("name",), flow_file="a/flow.yaml")
    assert commands(made) == [
        "mlci logs 20261123-101530-3f9c2a 'train(fold=0)' --flow a/flow.yaml --cloud aws",
        "aws codebuild retry-build --id models:1f",
        f"git checkout {COMMIT} && mlci run --cloud local --flow a/flow.yaml --param 'name=a b'",
    ]


def test_a_missed_rule_can_be_accepted() -> None:
    made = result(Status.GATE_MISSED, drop(0.5, "broken"), drop(0.75))
    assert commands(replace(made, commit=None)) == ["mlci run --cloud local"]
    assert commands(made) == [
        f"git checkout {COMMIT} && mlci run --cloud local",
        "mlci accept 20261123-101530-3f9c2a evaluate.recall --because '…' --until 2026-12-23 --cloud aws",
    ]


def test_every_command_names_the_flow_and_the_cloud_that_it_is_about() -> None:
    made = result(Status.GATE_MISSED, drop(0.5, "broken"), flow_file="a/flow.yaml", baseline=Baseline(run_id="r0"))
    assert commands(made) == [
        f"git checkout {COMMIT} && mlci run --cloud local --flow a/flow.yaml",
        "mlci diff r0 20261123-101530-3f9c2a --flow a/flow.yaml --cloud aws",
        (
            "mlci accept 20261123-101530-3f9c2a evaluate.recall --because '…' --until 2026-12-23"
            " --flow a/flow.yaml --cloud aws"
        ),
    ]
    assert commands(replace(made, cloud="local", flow_file="flow.yaml"))[1:] == [
        "mlci diff r0 20261123-101530-3f9c2a",
        "mlci accept 20261123-101530-3f9c2a evaluate.recall --because '…' --until 2026-12-23",
    ]


def test_what_no_commit_holds_is_committed_before_it_is_accepted() -> None:
    made = result(Status.GATE_MISSED, drop(0.5, "broken"), is_dirty=True, cloud="local")
    assert commands(made) == ["mlci run --cloud local", "git commit -a && mlci run --cloud local"]


def test_an_acceptance_that_does_not_count_is_no_headline() -> None:
    missed = replace(drop(0.5, "broken"), notes=("the base branch's rule is in force",), refusal="it was revoked")
    sentence = headline_sentence(result(Status.GATE_MISSED, missed))
    assert sentence == "evaluate.recall is worse; the base branch's rule is in force"


def test_reused_steps_can_be_run_again() -> None:
    assert commands(result(Status.PASSED)) == []
    assert commands(result(Status.PASSED, steps={"train": StepState("reused")})) == ["mlci run --cloud local --fresh"]
