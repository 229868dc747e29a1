"""Acceptances × verdicts → the verdicts that are accepted, and why others are not.

An acceptance counts for a run of its commit, of one that builds on it, or whose steps have the same keys, as after a
squash merge. It covers what was accepted, and nothing worse: neither a worse value nor a stricter limit.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import field, replace
from datetime import date

from mlci.flow.models import Rule
from mlci.gate.acceptance import Acceptance, AcceptedMiss
from mlci.gate.verdict import RuleVerdict, Verdict
from mlci.plan.models import Bound
from mlci_dataclasses import dataclass


@dataclass(frozen=True)
class AcceptingRun:
    """The run that acceptances are to count for. `ancestors` are the commits that its own builds on, as far as git
    knows them, and `keys` those of its steps."""

    flow: str
    base_branch: str
    commit: str | None
    today: date
    ancestors: Container[str] = ()
    keys: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Acceptances:
    """The acceptances of a base branch, and the run that they are to count for; None where there are none."""

    all: tuple[Acceptance, ...] = ()
    run: AcceptingRun | None = None

    def bounds(self, gate: Sequence[Bound]) -> tuple[Bound, ...]:
        """Returns the gate with a mark on each rule that may turn out to be accepted: mlci alone can judge it."""
        return tuple(replace(bound, is_accepted=True) if self._may_accept(bound) else bound for bound in gate)

    def _may_accept(self, bound: Bound) -> bool:
        run = self.run
        return run is not None and any(
            miss.metric == bound.rule.metric
            and miss.op == bound.rule.op
            and _is_related(accepted, miss, run, _keys_of(bound, run.keys))
            and not _void(accepted, run)
            for accepted in self.all
            for miss in accepted.misses
        )

    def settled(self, verdict: Verdict) -> Verdict:
        """Returns the verdict with the misses that are accepted, and the reasons why others are not."""
        if self.run is None or verdict.held:
            return verdict
        return Verdict(tuple(self._settled(judged, self.run) for judged in verdict.rules))

    def _settled(self, judged: RuleVerdict, run: AcceptingRun) -> RuleVerdict:
        if judged.held:
            return judged
        refusals: list[str] = []
        for accepted, miss in self._of(judged, run):
            reason = _void(accepted, run) or _worse(miss, judged)
            if not reason:
                note = f"accepted by {accepted.by} until {accepted.until}: {accepted.because}"
                return replace(judged, verdict="accepted", acceptance=accepted, notes=(*judged.notes, note))
            refusals.append(f"the acceptance by {accepted.by} of run {accepted.run_id} does not count: {reason}")
        if judged.value is None and not judged.bound.is_removed:
            return judged  # that nothing was measured has a reason of its own
        return replace(judged, refusal="".join(refusals[:1]))  # of older ones, the list tells

    def of_miss(self, run_id: str, miss: AcceptedMiss, today: date) -> Acceptance | None:
        """Returns the acceptance in force that covers this very miss of a run; None if there is none."""
        found = (each for each in self.all if each.run_id == run_id and miss in each.misses)
        return next((each for each in found if not _ended(each, today)), None)

    def _of(self, judged: RuleVerdict, run: AcceptingRun) -> Iterator[tuple[Acceptance, AcceptedMiss]]:
        """Yields the acceptances of the rule that was judged which are related to the run, and what was missed there,
        the newest first."""
        own = miss_of(judged, run.keys)
        for accepted in sorted(self.all, key=lambda each: each.created, reverse=True):
            for miss in accepted.misses:
                if miss.is_of(own) and _is_related(accepted, miss, run, own.keys):
                    yield accepted, miss


def miss_of(judged: RuleVerdict, keys: Mapping[str, str]) -> AcceptedMiss:
    """Returns a rule that was missed, as an acceptance has it. `keys` are those of the run's steps."""
    bound, rule = judged.bound, judged.bound.rule
    return AcceptedMiss(
        rule.metric,
        rule.op,
        rule.slice,
        judged.group,
        judged.value,
        bound.is_removed,
        _keys_of(bound, keys),
        rule.limit,
        rule.is_relative,
        bound.baseline,
    )


def _keys_of(bound: Bound, keys: Mapping[str, str]) -> dict[str, str]:
    """Returns the keys of the steps that write the metric of a rule; none, where they are not all known."""
    steps = () if bound.is_removed else bound.rule.steps
    return {step: keys[step] for step in steps} if all(step in keys for step in steps) else {}


IN_FORCE = "in force"


def state(accepted: Acceptance, today: date) -> str:
    """Returns `IN_FORCE`, or why an acceptance counts for no run any more."""
    return _ended(accepted, today) or IN_FORCE


def _ended(accepted: Acceptance, today: date) -> str:
    if accepted.revoked_by:
        return f"it was revoked by {accepted.revoked_by}"
    return f"it expired on {accepted.until}" if accepted.until < today else ""


def _is_related(accepted: Acceptance, miss: AcceptedMiss, run: AcceptingRun, keys: Mapping[str, str]) -> bool:
    """Returns True if a run builds on the commit of an acceptance, or its steps that write the metric, whose `keys`
    these are, are the same."""
    is_of_commit = accepted.commit is not None and (accepted.commit == run.commit or accepted.commit in run.ancestors)
    return is_of_commit or bool(miss.keys and miss.keys == keys)


def _void(accepted: Acceptance, run: AcceptingRun) -> str:
    """Returns why an acceptance does not count for a run, whatever the run measures; empty if it does."""
    if accepted.flow != run.flow:
        return f'it is for the flow "{accepted.flow}"'
    if accepted.base_branch != run.base_branch:
        return f'it is for the base branch "{accepted.base_branch}"'
    return _ended(accepted, run.today)


def _worse(miss: AcceptedMiss, judged: RuleVerdict) -> str:
    """Returns how a miss is worse than the one that was accepted; empty if it is not."""
    if _is_stricter(judged.bound.rule, miss):
        return f"the limit is stricter than the {miss.limit_text} whose miss was accepted"
    if miss.value is None or judged.value is None:
        if (miss.value, miss.is_removed) == (judged.value, judged.bound.is_removed):
            return ""
        return "what was accepted was a metric that is missing" if miss.value is None else "the metric is missing now"
    is_lower = judged.bound.is_lower
    is_worse = float(judged.value) < miss.value if is_lower else float(judged.value) > miss.value
    return f"{judged.value:.6g} is worse than the {miss.value:.6g} that was accepted" if is_worse else ""


def _is_stricter(rule: Rule, miss: AcceptedMiss) -> bool:
    """Returns True if the limit of a rule is stricter than that of the miss; of an older miss, it is not known."""
    if miss.limit is None:
        return False
    if rule.is_relative is not miss.is_relative:
        return True
    return rule.limit > miss.limit if rule.op == "min" else rule.limit < miss.limit
