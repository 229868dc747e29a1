"""The end of an execution, the verdict and the steps → the status of a run, and its reason."""

from __future__ import annotations

from mlci.backends.progress import Progress, reason_of
from mlci.backends.protocol import Outcome
from mlci.compile.names import APPROVAL_TIMED_OUT, FAIL_REACHED, GATE_MISSED, NOT_JUDGED
from mlci.gate import Verdict
from mlci.report.log_tail import without_repetition
from mlci.report.result import Status
from mlci.runs.run_folder import RunFolder

#: The reason of an execution that did not end by itself, where AWS gives none.
_STOPPED = {"ABORTED": "the execution was stopped", "TIMED_OUT": "the execution reached its own time limit"}


def conclude(outcome: Outcome, verdict: Verdict, progress: Progress) -> tuple[Status, str]:
    """The status of a run, and its reason. It passes only if the execution succeeded and mlci finds the gate held."""
    if outcome.status in _STOPPED:
        return Status.STOPPED, outcome.cause or _STOPPED[outcome.status]
    is_fail_reached = outcome.error == FAIL_REACHED
    failed = [name for name in failed_steps(progress) if not (is_fail_reached and name == progress.ended_by)]
    if failed:
        reasons = (f'step "{name}" failed: {progress.steps[name].reason}' for name in failed)
        return Status.FAILED, "\n".join(reasons)
    missed = missed_rules(verdict)
    if outcome.status == "SUCCEEDED":
        return (Status.PASSED, "") if verdict.held else (Status.GATE_MISSED, missed)
    if is_fail_reached:
        return Status.GATE_MISSED, outcome.cause
    if outcome.error == APPROVAL_TIMED_OUT:
        return Status.STOPPED, outcome.cause
    if outcome.error == NOT_JUDGED:
        return Status.FAILED, outcome.cause
    if outcome.error != GATE_MISSED:
        return Status.FAILED, f"the execution failed: {outcome.error}: {reason_of(outcome.cause)}"
    if verdict.held:
        return Status.FAILED, "the state machine found the gate missed, and mlci finds that every rule held"
    return Status.GATE_MISSED, missed


def missed_rules(verdict: Verdict) -> str:
    """Returns the rules of the gate that stop the run, in words; "" where none does."""
    return "\n".join(judged.text for judged in verdict.rules if not judged.held)


def log_tails(progress: Progress, folder: RunFolder) -> dict[str, str]:
    """The last lines in the logs of the failed steps, as far as their reasons do not have them."""
    reasons = {name: progress.steps[name].reason or "" for name in failed_steps(progress)}
    tails = {name: without_repetition(folder.tail(name), reason) for name, reason in reasons.items()}
    return {name: tail for name, tail in tails.items() if tail}


def failed_steps(progress: Progress) -> list[str]:
    return [name for name, step in progress.steps.items() if step.status == "failed"]
