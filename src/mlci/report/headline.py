"""A run in one sentence: the verdict, and what decided it. Plain text, which each report makes safe for its medium."""

from __future__ import annotations

from mlci.gate import RuleVerdict
from mlci.report.failure_line import failure_line
from mlci.report.formatting import count, figure
from mlci.report.result import Result, Status
from mlci.report.untrusted_text import one_line

_MAX_CHARS = 240


def headline_sentence(result: Result) -> str:
    """Return the sentence that a reader who reads no more should see."""
    sentence = _sentence(result)
    sentence = sentence[:1].upper() + sentence[1:] if sentence.partition(" ")[0].isalpha() else sentence
    return sentence if len(sentence) <= _MAX_CHARS else f"{sentence[: _MAX_CHARS - 1]}…"


def _sentence(result: Result) -> str:
    reason = one_line(failure_line(result.reason))
    match result.status:
        case Status.FAILED | Status.STOPPED:
            return reason or "the run gave no reason"
        case Status.GATE_MISSED:
            missed = [judged for judged in result.rules if not judged.held]
            more = f", and {count(len(missed) - 1, 'more rule')} missed" if len(missed) > 1 else ""
            return f"{one_line(missed[0].headline)}{more}" if missed else reason
        case Status.PASSED:
            return "a part of the flow ran, which has no verdict" if result.is_partial else _passed(result)


def _passed(result: Result) -> str:
    if not result.rules:
        return "every step succeeded, and the flow has no rules"
    warned = [judged for judged in result.rules if judged.outcome == "warned"]
    accepted = sum(judged.verdict == "accepted" for judged in result.rules)
    notes = [
        *([f"{count(len(warned), 'warning')} ({_warning(warned[0])}{', …' * (len(warned) > 1)})"] if warned else []),
        *([f"{accepted} accepted"] if accepted else []),
    ]
    held = f"the gate held: {count(len(result.rules), 'rule')}"
    held = f"{held}, {', '.join(notes)}" if notes else held
    change = next(filter(None, map(_change, result.rules)), "")
    return f"{change}; {held}" if change else held


def _change(judged: RuleVerdict) -> str:
    """Return the change of a metric since the baseline, in words; "" where it is compared with none."""
    bound, compared = judged.bound, judged.comparison
    if judged.value is None or bound.baseline is None or bound.rule.op not in ("max_drop", "max_rise"):
        return ""
    change, subject = judged.value - bound.baseline, bound.rule.metric
    if compared and compared.value is not None and compared.baseline is not None:
        change = compared.value - compared.baseline
        subject = f"{subject} is {figure(judged.value)} (baseline {figure(bound.baseline)}); {compared.on}, it"
    if change == 0:
        return f"{subject} is as it was"
    words = f"{subject} {'rose' if change > 0 else 'fell'} by {figure(abs(change))}"
    if compared is None:
        return words
    if compared.to_wrong or compared.to_right:
        flips = (
            f"{len(compared.to_wrong)} of {count(compared.cases, 'case')} turned wrong, {len(compared.to_right)} right"
        )
        words = f"{words} ({flips})"
    interval = compared.interval
    return f"{words}, which chance explains" if interval and interval.low <= 0 <= interval.high else words


def _warning(judged: RuleVerdict) -> str:
    """Return a rule that warns, in a few words."""
    metric = one_line(judged.bound.rule.metric)
    group = one_line(f" of {judged.bound.rule.slice} {judged.group}") if judged.group else ""
    return f"{metric}{group} {'is missed' if judged.verdict == 'broken' else 'is unclear'}"
