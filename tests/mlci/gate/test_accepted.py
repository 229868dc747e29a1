"""Acceptances: the misses that they cover, and why they don't cover others."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date, datetime, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlci.flow.models import Json, Rule
from mlci.gate import Acceptance, Metrics, RuleVerdict, Verdict, judge
from mlci.gate.acceptance import AcceptedMiss
from mlci.gate.accepted import Acceptances, AcceptingRun, miss_of, state
from mlci.plan.models import Bound

TODAY = date(2026, 12, 1)
COMMIT, LATER, OTHER = "a" * 40, "b" * 40, "c" * 40
RULE = Rule("evaluate", ("auc",), "min", 0.9)
MISS = AcceptedMiss("evaluate.auc", "min", value=0.85, keys={"evaluate": "key"}, limit=0.9)
ACCEPTED = Acceptance(
    metric="evaluate.auc",
    run_id="20261130-101530-3f9c2a",
    commit=COMMIT,
    by="ann",
    because="a fairer split",
    until=date(2026, 12, 31),
    created=datetime(2026, 11, 30, tzinfo=timezone.utc),
    id="20261130-111530-3f9c2a",
    flow="iris",
    base_branch="main",
    misses=(MISS,),
)
RUN = AcceptingRun("iris", "main", COMMIT, TODAY, {COMMIT: 0}, {"evaluate": "other key"})


def settled(
    auc: float | None, accepted: Acceptance = ACCEPTED, run: AcceptingRun = RUN, rule: Rule = RULE
) -> RuleVerdict:
    document: Json = {} if auc is None else {"auc": auc}
    bound = Bound(rule, rule.limit)
    return Acceptances((accepted,), run).settled(judge([bound], {"evaluate": Metrics(document)})).rules[0]


def test_a_miss_of_the_commit_is_accepted_and_says_by_whom() -> None:
    judged = settled(0.85)
    assert (judged.verdict, judged.held, judged.acceptance) == ("accepted", True, ACCEPTED)
    assert judged.text == (
        "evaluate.auc 0.85 ≥ 0.9 is missed by 0.05; accepted by ann until 2026-12-31: a fairer split"
    )


@pytest.mark.parametrize(
    "run",
    [
        replace(RUN, commit=LATER, ancestors={LATER: 0, COMMIT: 1}),
        replace(RUN, commit=OTHER, ancestors={}, keys={"evaluate": "key"}),
        replace(RUN, commit=None, ancestors={}, keys={"evaluate": "key"}),
        replace(RUN, today=ACCEPTED.until),
    ],
)
def test_it_counts_for_what_builds_on_the_commit_and_for_the_same_step(run: AcceptingRun) -> None:
    assert settled(0.85, run=run).verdict == "accepted"


@pytest.mark.parametrize(
    ("accepted", "run", "why"),
    [
        ({"until": date(2026, 11, 30)}, {}, "it expired on 2026-11-30"),
        ({"revoked_by": "bob"}, {}, "it was revoked by bob"),
        ({"flow": "wine"}, {}, 'it is for the flow "wine"'),
        ({"base_branch": "dev"}, {}, 'it is for the base branch "dev"'),
    ],
)
def test_an_expired_or_a_foreign_one_does_not_count(
    accepted: dict[str, object], run: dict[str, object], why: str
) -> None:
    judged = settled(0.85, replace(ACCEPTED, **accepted), replace(RUN, **run))  # type: ignore[arg-type]
    assert (judged.verdict, judged.acceptance) == ("broken", None)
    assert judged.refusal == f"the acceptance by ann of run {ACCEPTED.run_id} does not count: {why}"
    assert judged.text == f"{judged.headline}; {judged.refusal}"


def test_one_that_has_nothing_to_do_with_the_run_is_no_reason_to_print() -> None:
    other = replace(RUN, commit=OTHER, ancestors={OTHER: 0})
    for accepted, run in ((ACCEPTED, other), (replace(ACCEPTED, commit=None), RUN)):
        judged = settled(0.85, accepted, run)
        assert (judged.verdict, judged.refusal) == ("broken", "")


def test_of_several_the_newest_that_is_related_says_why() -> None:
    newest = replace(ACCEPTED, commit=OTHER, by="bob", created=datetime(2026, 12, 1, tzinfo=timezone.utc))
    worse = replace(ACCEPTED, misses=(replace(MISS, value=0.86),))
    verdict = judge([Bound(RULE, 0.9)], {"evaluate": Metrics({"auc": 0.85})})
    [judged] = Acceptances((newest, worse), RUN).settled(verdict).rules
    assert judged.refusal.startswith("the acceptance by ann")
    assert judged.refusal.endswith("0.85 is worse than the 0.86 that was accepted")


@given(st.floats(0, 0.89), st.sampled_from(["min", "max"]))
def test_nothing_worse_is_covered(value: float, op: str) -> None:
    rule = replace(RULE, op=op, limit=0.9 if op == "min" else -1)  # type: ignore[arg-type]
    accepted = replace(ACCEPTED, misses=(replace(MISS, op=op, limit=rule.limit),))
    is_worse = value < 0.85 if op == "min" else value > 0.85
    judged = settled(value, accepted, rule=rule)
    assert judged.held is not is_worse
    assert ("worse than the 0.85 that was accepted" in judged.text) is is_worse


@pytest.mark.parametrize(
    "keys", [{"preprocess": "key"}, {"evaluate": "key", "preprocess": "key"}, {"evaluate": "older"}, {}]
)
def test_keys_of_other_steps_relate_to_nothing(keys: dict[str, str]) -> None:
    accepted = replace(ACCEPTED, commit=None, misses=(replace(MISS, keys=keys),))
    run = replace(RUN, commit=OTHER, ancestors={}, keys={"evaluate": "other", "preprocess": "key"})
    assert not settled(0.85, accepted, run).held
    assert not Acceptances((accepted,), run).bounds([Bound(RULE, 0.9)])[0].is_accepted


def test_keys_without_names_are_those_of_no_step() -> None:
    document = ACCEPTED.to_json()
    older = {**MISS.to_json(), "keys": ["key"], "text": "evaluate.auc 0.85 is missed"}
    del older["limit"], older["relative"]
    accepted = Acceptance.from_json({**document, "misses": [older]})
    assert accepted.misses == (replace(MISS, keys={}, limit=None),)
    assert settled(0.85, accepted).held
    assert not settled(0.85, accepted, replace(RUN, commit=OTHER, ancestors={}, keys={"evaluate": "key"})).held


@pytest.mark.parametrize(
    ("op", "limit", "stricter", "looser"), [("min", 0.9, 0.91, 0.89), ("max", 0.5, 0.4, 0.6), ("max_gap", 0.1, 0.05, 1)]
)
def test_a_stricter_limit_is_not_covered(op: str, limit: float, stricter: float, looser: float) -> None:
    rule = replace(RULE, op=op, limit=limit)  # type: ignore[arg-type]
    accepted = replace(ACCEPTED, misses=(replace(MISS, op=op, limit=limit),))

    def judged(limit: float, is_relative: bool = False) -> RuleVerdict:
        bound = Bound(replace(rule, limit=limit, is_relative=is_relative), limit)
        return Acceptances((accepted,), RUN).settled(Verdict((RuleVerdict(bound, 0.85, "broken", "missed"),))).rules[0]

    assert (judged(limit).held, judged(looser).held) == (True, True)
    assert f"the limit is stricter than the {op} {limit} whose miss was accepted" in judged(stricter).text
    assert not judged(limit, is_relative=True).held


def test_a_miss_shows_all_that_is_accepted() -> None:
    assert replace(MISS, slice="sex", group="f").fields == {
        "metric": "evaluate.auc",
        "value": "0.85",
        "limit": "min 0.9",
        "group": "f, of sex",
        "written by": "evaluate",
    }
    assert replace(MISS, value=-1.0, limit=0.02, is_relative=True, op="max_drop", keys={}).fields == {
        "metric": "evaluate.auc",
        "value": "-1",
        "limit": "max_drop 2%",
    }
    assert replace(MISS, value=None).fields["value"] == "missing"
    assert replace(MISS, value=None, is_removed=True).fields["value"] == "gone from the flow"


@pytest.mark.parametrize("number", [float("nan"), float("inf"), 10**400, True, "0.85", []])
def test_what_is_no_finite_number_is_refused(number: object) -> None:
    for name in ("value", "limit"):
        with pytest.raises(ValueError, match=r"is no(t finite| number)"):
            AcceptedMiss.from_json({**MISS.to_json(), name: number})


def test_a_missing_metric_and_a_bad_one_are_different_misses() -> None:
    judged = settled(None)
    assert (judged.verdict, judged.refusal) == ("broken", "")  # why it is missing is said already
    missing = replace(ACCEPTED, misses=(replace(MISS, value=None),))
    assert settled(None, missing).verdict == "accepted"
    assert "what was accepted was a metric that is missing" in settled(0.85, missing).text
    removed = replace(ACCEPTED, misses=(replace(MISS, value=None, is_removed=True),))
    assert settled(None, removed).verdict == "broken"


def test_another_rule_on_the_metric_is_not_covered() -> None:
    judged = settled(0.85, rule=replace(RULE, op="max", limit=0.5))
    assert judged.verdict == "broken"
    assert "accept" not in judged.text


def test_a_removed_rule_is_accepted_for_commits_that_build_on_it() -> None:
    removed = Bound(RULE, 0.9, origin="base", reason='step "evaluate" is gone', is_removed=True)
    verdict = judge([removed], {})
    assert miss_of(verdict.rules[0], {"evaluate": "key"}).keys == {}
    accepted = replace(ACCEPTED, misses=(miss_of(verdict.rules[0], {}),))
    assert Acceptances((accepted,), RUN).settled(verdict).held
    foreign = replace(RUN, commit=OTHER, ancestors={OTHER: 0})
    assert not Acceptances((accepted,), foreign).settled(verdict).held


def test_mlci_judges_a_rule_that_may_be_accepted() -> None:
    gate = [Bound(RULE, 0.9), Bound(replace(RULE, op="max"), 0.9)]
    assert [each.is_judged_by_mlci for each in gate] == [False, False]
    assert [each.is_judged_by_mlci for each in Acceptances((ACCEPTED,), RUN).bounds(gate)] == [True, False]
    expired = replace(ACCEPTED, until=date(2026, 1, 1))
    assert [each.is_judged_by_mlci for each in Acceptances((expired,), RUN).bounds(gate)] == [False, False]
    assert Acceptances().bounds(gate) == tuple(gate)


def test_an_acceptance_is_read_as_it_was_written() -> None:
    accepted = replace(ACCEPTED, misses=(MISS, replace(MISS, slice="sex", group="f", value=None, is_removed=True)))
    assert Acceptance.from_json(json.loads(json.dumps(accepted.to_json()))) == accepted
    assert state(accepted, TODAY) == "in force"


@pytest.mark.parametrize("document", [None, [], {}, {"schema": 2}, {**ACCEPTED.to_json(), "until": "soon"}])
def test_what_is_no_acceptance_is_refused(document: object) -> None:
    with pytest.raises((LookupError, TypeError, ValueError)):
        Acceptance.from_json(document)
