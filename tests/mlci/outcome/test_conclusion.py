"""The status of a run and its reason, from the execution's outcome, the verdict and the steps."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest

from mlci.backends.progress import Progress, StepState, StepStatus
from mlci.backends.protocol import ExecutionArn, Outcome
from mlci.compile.names import GATE_MISSED, NOT_JUDGED
from mlci.flow.models import Rule
from mlci.gate import Verdict, judge, parse_metrics
from mlci.outcome.conclusion import conclude
from mlci.plan.thresholds import bounds
from mlci.report.result import Status

NOW = datetime(2026, 11, 23, 10, 15, 30, tzinfo=timezone.utc)
MISSED = "evaluate.auc 0.8 ≥ 0.9 is missed by 0.1\nevaluate.loss 0.5 ≤ 0.25 is missed by 0.25"


def verdict(auc: float = 0.95, loss: float = 0.25) -> Verdict:
    rules = [Rule("evaluate", ("auc",), "min", 0.9), Rule("evaluate", ("loss",), "max", 0.25)]
    return judge(bounds(rules, {}), {"evaluate": parse_metrics(f'{{"auc": {auc}, "loss": {loss}}}'.encode())})


def progress(**steps: str) -> Progress:
    """The steps `train` and `evaluate`; each of `steps` failed for its reason."""
    status: dict[str, tuple[StepStatus, str | None]] = {
        name: ("failed", steps[name]) if name in steps else ("succeeded", None) for name in ("train", "evaluate")
    }
    return Progress({name: StepState(state, NOW, NOW, None, reason) for name, (state, reason) in status.items()})


def outcome(status: str, error: str = "", cause: str = "") -> Outcome:
    return Outcome(ExecutionArn("arn"), status, error, cause)  # type: ignore[arg-type]


HELD, BOTH_MISSED = verdict(), verdict(auc=0.8, loss=0.5)


@pytest.mark.parametrize(
    ("status", "reason"),
    [("ABORTED", "the execution was stopped"), ("TIMED_OUT", "the execution reached its own time limit")],
)
@pytest.mark.parametrize("judged", [HELD, BOTH_MISSED])
def test_an_execution_that_was_cut_off_is_stopped_whatever_its_metrics_say(
    status: str, reason: str, judged: Verdict
) -> None:
    stopped = outcome(status, "mlci.Stopped", "stopped by SIGTERM")
    assert conclude(stopped, judged, progress(train="killed")) == (Status.STOPPED, "stopped by SIGTERM")
    assert conclude(outcome(status), judged, progress()) == (Status.STOPPED, reason)


@pytest.mark.parametrize("status", ["FAILED", "SUCCEEDED"])
def test_each_failed_step_is_a_reason_even_if_the_gate_held(status: str) -> None:
    failed = progress(train="no such column: age", evaluate="out of memory")
    reason = 'step "train" failed: no such column: age\nstep "evaluate" failed: out of memory'
    for judged in (HELD, BOTH_MISSED):
        assert conclude(outcome(status, GATE_MISSED), judged, failed) == (Status.FAILED, reason)


def test_a_run_passes_where_the_execution_succeeded_and_every_rule_held() -> None:
    assert conclude(outcome("SUCCEEDED"), HELD, progress()) == (Status.PASSED, "")


def test_a_rule_that_the_state_machine_let_pass_is_still_missed() -> None:
    assert conclude(outcome("SUCCEEDED"), BOTH_MISSED, progress()) == (Status.GATE_MISSED, MISSED)
    one = verdict(auc=0.8)
    assert conclude(outcome("SUCCEEDED"), one, progress()) == (Status.GATE_MISSED, MISSED.splitlines()[0])


def test_the_gate_s_error_is_a_missed_gate_with_the_rules_that_were_missed() -> None:
    assert conclude(outcome("FAILED", GATE_MISSED), BOTH_MISSED, progress()) == (Status.GATE_MISSED, MISSED)


@pytest.mark.parametrize("judged", [HELD, BOTH_MISSED])
def test_a_gate_that_was_not_judged_is_a_failure_whatever_the_rules_say_now(judged: Verdict) -> None:
    cause = "the gate could not be judged: S3 does not respond"
    assert conclude(outcome("FAILED", NOT_JUDGED, cause), judged, progress()) == (Status.FAILED, cause)


def test_a_gate_that_the_state_machine_alone_finds_missed_is_a_failure() -> None:
    reason = "the state machine found the gate missed, and mlci finds that every rule held"
    assert conclude(outcome("FAILED", GATE_MISSED), HELD, progress()) == (Status.FAILED, reason)


@pytest.mark.parametrize("judged", [HELD, BOTH_MISSED])
def test_any_other_error_is_a_failure_with_its_cause(judged: Verdict) -> None:
    failed = outcome("FAILED", "States.Runtime", "no path")
    assert conclude(failed, judged, progress()) == (Status.FAILED, "the execution failed: States.Runtime: no path")
