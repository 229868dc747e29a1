"""The base's rules that stay in force beside a flow's own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlci.flow.models import Flow, Json, Matrix, MetricsFiles, Op, Rule, Scalar, Step
from mlci.gate import Metrics, judge
from mlci.gate.case_judgement import judge_cases
from mlci.gate.case_samples import StepCases
from mlci.gate.cases_file import parse_cases
from mlci.gate.effective_gate import with_base_gate, with_current_gate, written_rules
from mlci.plan import Baseline
from mlci.plan.thresholds import gate_bounds

METRICS = (MetricsFiles("out/metrics.json", "outputs"),)
EVALUATE = Step("evaluate", "processing", outputs=("out",), metrics=METRICS, cases="out/cases.csv")
BASELINE: Mapping[str, Json] = {"evaluate": {"auc": 0.8, "recall": 0.7}}
AUC = Rule("evaluate", ("auc",), "min", 0.97)


def flow(*gate: Rule, params: Mapping[str, Scalar] | None = None, overridden: tuple[str, ...] = ()) -> Flow:
    return Flow("iris", "flow.yaml", params or {}, {"evaluate": EVALUATE}, gate, overridden)


def in_force(own: Flow, *base: Rule, params: Mapping[str, Scalar] | None = None) -> list[tuple[str, str, bool]]:
    """The base's rules that are in force: the metric, the reason, and whether what it is about is gone."""
    found = with_base_gate(own, Baseline(gate=base, params=params or {})).base_gate
    return [(each.rule.metric, each.reason, each.is_removed) for each in found]


def test_an_equal_or_a_stricter_rule_leaves_the_bases_out() -> None:
    drop = Rule("evaluate", ("auc",), "max_drop", 0.02)
    for own in (AUC, replace(AUC, limit=0.98)):
        assert in_force(flow(own, replace(drop, limit=0.01)), AUC, drop) == []


@pytest.mark.parametrize(
    ("op", "base", "own", "words"),
    [
        ("min", 0.97, 0.9, "min lowered from 0.97 to 0.9"),
        ("max", 3, 4, "max raised from 3 to 4"),
        ("max_drop", 0.01, 0.05, "max_drop raised from 0.01 to 0.05"),
        ("max_rise", 0.01, 0.05, "max_rise raised from 0.01 to 0.05"),
    ],
)
def test_a_looser_limit_leaves_the_bases_in_force(op: Op, base: float, own: float, words: str) -> None:
    rule = Rule("evaluate", ("auc",), op, base)
    assert in_force(flow(replace(rule, limit=own)), rule) == [("evaluate.auc", words, False)]
    assert in_force(flow(rule), replace(rule, limit=own)) == []


def test_a_relative_and_an_absolute_limit_are_not_compared() -> None:
    drop = Rule("evaluate", ("auc",), "max_drop", 0.02, is_relative=True)
    changed = in_force(flow(replace(drop, limit=0.0001, is_relative=False)), drop)
    assert changed == [("evaluate.auc", "max_drop changed from 2% to 0.0001", False)]


@pytest.mark.parametrize(
    ("base", "own", "words"),
    [
        ({}, {"level": "warn"}, "level lowered from block to warn"),
        ({"level": "warn"}, {"level": "info"}, "level lowered from warn to info"),
        ({"confidence": 0.9}, {"confidence": 0.99}, "confidence changed from 90% to 99%"),
        ({}, {"confidence": 0.9}, "confidence changed from none to 90%"),
        (
            {"confidence": 0.9, "unclear": "fail"},
            {"confidence": 0.8, "unclear": "fail"},
            "confidence changed from 90% to 80%",
        ),
        ({"confidence": 0.9, "unclear": "fail"}, {"confidence": 0.9}, "unclear changed from fail to warn"),
        ({"confidence": 0.9}, {"confidence": 0.9, "unclear": "pass"}, "unclear changed from warn to pass"),
        ({"slice": "sex"}, {"slice": "sex", "min_cases": 500}, "min_cases raised from 20 to 500"),
        ({"positive": 1}, {"positive": 0}, "positive changed from 1 to 0"),
        ({"positive": None}, {"positive": "yes"}, "positive changed from the default to yes"),
        ({"reads_cases": True}, {}, "judged by its metrics, and not by its cases"),
    ],
)
def test_what_else_loosens_a_rule(base: dict[str, object], own: dict[str, object], words: str) -> None:
    theirs, ours = replace(AUC, **base), replace(AUC, **own)  # type: ignore[arg-type]
    assert in_force(flow(ours), theirs) == [("evaluate.auc", words, False)]


@pytest.mark.parametrize(
    ("base", "own"),
    [
        ({"level": "warn"}, {}),
        ({"confidence": 0.99}, {"confidence": 0.9}),
        ({"confidence": 0.9}, {}),  # a number beyond the limit blocks, and not only a whole interval
        ({}, {"confidence": 0.9, "unclear": "fail"}),
        ({"confidence": 0.9, "unclear": "fail"}, {"confidence": 0.95, "unclear": "fail"}),
        ({"confidence": 0.9}, {"confidence": 0.9, "unclear": "fail"}),
        ({"slice": "sex", "min_cases": 50}, {"slice": "sex", "min_cases": 20}),
        ({"min_cases": 20}, {"min_cases": 50}),  # it is about slices
    ],
)
def test_what_does_not_loosen_a_rule(base: dict[str, object], own: dict[str, object]) -> None:
    theirs, ours = replace(AUC, **base), replace(AUC, **own)  # type: ignore[arg-type]
    assert in_force(flow(ours), theirs) == []


def test_the_reason_names_the_param_that_was_lowered() -> None:
    own = replace(AUC, limit=0.9, param="min_auc")
    lowered = in_force(flow(own, params={"min_auc": 0.9, "depth": 3}), AUC, params={"min_auc": 0.97, "depth": 3})
    assert lowered == [("evaluate.auc", "min_auc lowered from 0.97 to 0.9 in flow.yaml", False)]
    by_hand = in_force(flow(own, params={"min_auc": 0.9}, overridden=("min_auc",)), AUC, params={"min_auc": 0.97})
    assert by_hand == [("evaluate.auc", "min_auc lowered from 0.97 to 0.9 by --param or MLCI_PARAM_MIN_AUC", False)]


@pytest.mark.parametrize("param", ["", "b", "gone"])
def test_a_param_is_named_only_where_the_limit_was_and_is_that_param(param: str) -> None:
    own = flow(replace(AUC, limit=0.9, param=param), params={"a": 0.9, "b": 0.9})
    lowered = in_force(own, AUC, params={"a": 0.97, "b": 0.5})
    assert lowered == [("evaluate.auc", "min lowered from 0.97 to 0.9", False)]


@pytest.mark.parametrize(("then", "now"), [("2%", "5 %"), (2, 5), (2.0, 5.0)])
def test_a_param_that_is_a_share_is_named(then: Scalar, now: Scalar) -> None:
    base = Rule("evaluate", ("auc",), "max_drop", 0.02, is_relative=True)
    own = flow(replace(base, limit=0.05, param="drop"), params={"drop": now})
    raised = in_force(own, base, params={"drop": then})
    assert raised == [("evaluate.auc", "drop raised from 2% to 5% in flow.yaml", False)]


def test_a_removed_rule_is_in_force_while_its_step_is_there() -> None:
    assert in_force(flow(), AUC) == [("evaluate.auc", "removed from the gate", False)]


def test_a_rule_can_not_be_judged_without_what_it_is_about() -> None:
    own = flow()
    gone = Rule("score", ("auc",), "min", 0.9)
    assert in_force(own, gone) == [("score.auc", 'step "score" is gone', True)]
    silent = replace(own, steps={"evaluate": replace(EVALUATE, metrics=())})
    assert in_force(silent, AUC) == [("evaluate.auc", 'step "evaluate" writes no metrics any more', True)]
    caseless = replace(own, steps={"evaluate": replace(EVALUATE, cases=None)})
    of_cases = replace(AUC, reads_cases=True)
    assert in_force(caseless, of_cases) == [("evaluate.auc", 'step "evaluate" writes no cases any more', True)]
    mean = replace(AUC, aggregate="mean", cells=("evaluate(k=1)",))
    assert in_force(own, mean) == [("mean(evaluate.auc)", 'step "evaluate" has no matrix any more', True)]


OTHERS = "the flow's gate has other comparisons, and all of a level are corrected together"
DROP = Rule("evaluate", ("auc",), "max_drop", 0.02, confidence=0.95)
RECALL = replace(DROP, path=("recall",))


def test_comparisons_that_are_added_do_not_widen_the_intervals_of_the_bases() -> None:
    assert in_force(flow(DROP, RECALL), DROP) == [("evaluate.auc", OTHERS, False)]
    assert in_force(flow(DROP, replace(RECALL, level="warn")), DROP) == []
    assert in_force(flow(DROP, replace(RECALL, confidence=None)), DROP) == []


@pytest.mark.parametrize(
    ("base", "own"),
    [
        ({"slice": "sex"}, {"slice": "sex", "min_cases": 2}),  # more groups
        ({"level": "warn"}, {}),
        ({"confidence": 0.99}, {}),
        ({"confidence": None}, {"unclear": "fail"}),
        ({"slice": "sex"}, {"slice": "age"}),
        ({}, {"limit": 0.03}),  # loosened, so that it takes its part of the correction with it
        ({"unclear": "fail"}, {"unclear": "fail", "confidence": 0.99}),
    ],
)
def test_a_rule_that_is_changed_leaves_all_that_are_corrected_with_it_in_force(
    base: dict[str, object], own: dict[str, object]
) -> None:
    theirs, ours = replace(RECALL, **base), replace(RECALL, **own)  # type: ignore[arg-type]
    kept = in_force(flow(DROP, ours), DROP, theirs)
    assert ("evaluate.auc", OTHERS, False) in kept
    is_corrected_too = theirs.confidence is not None and theirs.level == DROP.level
    assert [metric for metric, _, _ in kept] == ["evaluate.auc", *["evaluate.recall"] * is_corrected_too]


@pytest.mark.parametrize("own", [{}, {"limit": 0.01}, {"unclear": "fail"}])
def test_a_gate_with_the_same_comparisons_is_not_listed_twice(own: dict[str, object]) -> None:
    ours = replace(RECALL, **own)  # type: ignore[arg-type]
    assert in_force(flow(DROP, ours), DROP, RECALL) == []
    assert in_force(flow(DROP, replace(ours, min_cases=7)), DROP, RECALL) == []  # it is about slices


def test_a_blocking_rule_stays_broken_beside_one_with_more_groups() -> None:
    """By the flow's own gate, which is corrected for the groups, it is unclear."""
    rows = [(f"c{place}", 1, int(place >= 15), f"s{place % 20}") for place in range(200)]
    own_cases, base_cases = (
        parse_cases(
            "\n".join(["id,label,predicted,site", *(",".join(map(str, row)) for row in table)]).encode(), "c.csv"
        )
        for table in (
            rows,
            [(case, label, 1 if number >= 2 else 0, site) for number, (case, label, _, site) in enumerate(rows)],
        )
    )
    drop = replace(DROP, path=("accuracy",), reads_cases=True)
    gap = replace(drop, op="max_gap", limit=0.9, slice="site", min_cases=20)
    base = Baseline(gate=(drop, gap))

    def verdicts(*own: Rule) -> list[tuple[str, str]]:
        bounds = gate_bounds(with_base_gate(flow(*own), base), {})
        judged = judge_cases(bounds, {}, {"evaluate": StepCases(own_cases, base_cases)}, base)
        return [
            (bounds[place].origin, each.verdict)
            for place, found in judged.verdicts.items()
            for each in found
            if bounds[place].rule.op == "max_drop"
        ]

    assert verdicts(drop, gap) == [("flow", "broken")]
    assert verdicts(drop, replace(gap, min_cases=2)) == [("flow", "unclear"), ("base", "broken")]


def test_a_budget_is_in_force_while_its_step_is_there() -> None:
    cost = Rule("run", ("cost_usd",), "max", 5)
    seconds = Rule("run", ("steps", "evaluate", "seconds"), "max", 60)
    of_gone = Rule("run", ("steps", "train", "seconds"), "max", 60)
    assert in_force(flow(replace(cost, limit=9)), cost, seconds, of_gone) == [
        ("run.cost_usd", "max raised from 5 to 9", False),
        ("run.steps.evaluate.seconds", "removed from the gate", False),
        ("run.steps.train.seconds", 'step "train" is gone', True),
    ]


def test_a_step_that_was_moved_behind_the_gate_can_not_be_judged_before_it() -> None:
    steps = {
        "train": Step("train", "training", is_after_gate=True),
        "evaluate": replace(EVALUATE, after=("train",)),
    }
    moved = replace(flow(), steps=steps)
    assert in_force(moved, AUC) == [("evaluate.auc", 'step "evaluate" runs behind the gate now', True)]


def test_a_rule_is_about_the_cells_that_the_flow_has() -> None:
    cells = ("evaluate(k=1)", "evaluate(k=2)")
    steps = {cell: replace(EVALUATE, name=cell) for cell in cells}
    own = replace(flow(), steps=steps, matrices={"evaluate": Matrix(cells)})
    three = [replace(AUC, step=f"evaluate(k={k})") for k in (3, 4, 5)]
    found = with_base_gate(own, Baseline(gate=tuple(three))).base_gate
    assert [each.rule.step for each in found] == [*cells]
    mean = replace(AUC, aggregate="mean", cells=tuple(rule.step for rule in three))
    assert [each.rule.cells for each in with_base_gate(own, Baseline(gate=(mean,))).base_gate] == [cells]
    kept = replace(own, gate=tuple(replace(AUC, step=cell) for cell in cells))
    assert with_base_gate(kept, Baseline(gate=tuple(three))).base_gate == ()


def with_cells(*cells: str, gate: tuple[Rule, ...] = ()) -> Flow:
    steps = {cell: replace(EVALUATE, name=cell) for cell in cells}
    return replace(flow(), steps=steps, matrices={"evaluate": Matrix(cells)}, gate=gate)


def gone_from(own: Flow, base_cells: tuple[str, ...], *base: Rule, by_cases: bool = False) -> list[tuple[str, str]]:
    """The reason why a rule is removed of a flow whose base has these cells."""
    found: dict[str, Json] = {cell: {"auc": 0.9} for cell in base_cells}
    baseline = Baseline(cases=dict.fromkeys(base_cells, "s3://b/c.csv")) if by_cases else Baseline(metrics=found)
    kept = with_base_gate(own, replace(baseline, gate=base)).base_gate
    return [(each.rule.metric, each.reason) for each in kept if each.is_removed]


A, B, C = (f"evaluate(k={cell})" for cell in "abc")


def test_a_cell_that_the_baseline_has_can_not_be_taken_from_a_rule() -> None:
    drop = Rule("evaluate", ("auc",), "max_drop", 0.02)

    def on(*cells: str) -> tuple[Rule, ...]:
        return tuple(replace(drop, step=cell) for cell in cells)

    matrix_now = [("evaluate.auc", 'step "evaluate" has a matrix now')]
    assert gone_from(with_cells(A, gate=on(A)), ("evaluate",), drop) == matrix_now
    assert gone_from(with_cells(A, gate=on(A)), ("evaluate",), drop, by_cases=True) == matrix_now
    dropped = [("evaluate.auc", f'cell "{B}" is gone')]
    assert gone_from(with_cells(A, gate=on(A)), (A, B), *on(A, B)) == dropped
    renamed = [("evaluate.auc", f'cell "{A}" is gone, and 1 more')]
    assert gone_from(with_cells(C, gate=on(C)), (A, B), *on(A, B)) == renamed
    assert gone_from(flow(drop), (A, B), *on(A, B)) == renamed
    for same_or_more in (with_cells(A, B, gate=on(A, B)), with_cells(C, B, A, gate=on(C, B, A))):
        assert gone_from(same_or_more, (A, B), *on(A, B)) == []
    assert gone_from(with_cells(A, gate=on(A)), ("other", "evaluate_2(k=b)"), *on(A)) == []


def test_a_mean_is_of_all_cells_of_the_baseline() -> None:
    mean = Rule("evaluate", ("auc",), "max_drop", 0.02, aggregate="mean", cells=(A, B))
    fewer, more = replace(mean, cells=(A,)), replace(mean, cells=(A, B, C))
    assert gone_from(with_cells(A, gate=(fewer,)), (A, B), mean) == [("mean(evaluate.auc)", f'cell "{B}" is gone')]
    assert gone_from(with_cells(A, B, C, gate=(more,)), (A, B), mean) == []


def test_what_is_left_is_judged_by_the_bases_limit_beside_what_is_gone() -> None:
    """Whoever accepts that a cell is gone has not accepted another limit."""
    own = with_cells(A, gate=(replace(AUC, step=A, limit=0.5),))
    base = Baseline(metrics={A: {}, B: {}}, gate=(replace(AUC, step=A), replace(AUC, step=B)))
    found = with_base_gate(own, base).base_gate
    assert [(each.rule.step, each.is_removed, each.rule.limit) for each in found] == [
        ("evaluate", True, 0.97),
        (A, False, 0.97),
    ]


def test_cells_that_are_added_are_a_family_of_their_own() -> None:
    base = Baseline(metrics={A: {}}, gate=(replace(DROP, step=A),))

    def kept(limit: float) -> list[tuple[str, bool]]:
        own = with_cells(A, B, gate=tuple(replace(DROP, step=cell, limit=limit) for cell in (A, B)))
        return [(each.rule.step, each.is_added) for each in with_base_gate(own, base).base_gate]

    assert kept(0.02) == [(A, False)]
    assert kept(0.03) == [(A, False), (B, True)]
    mean = replace(DROP, aggregate="mean", cells=(A, B))
    own = with_cells(A, B, C, gate=(replace(mean, cells=(A, B, C)),))
    found = with_base_gate(own, Baseline(metrics={A: {}, B: {}}, gate=(mean,))).base_gate
    assert [each.rule.cells for each in found] == [(A, B)]  # in pairs with the baseline's


def test_the_gate_is_the_current_ones_as_far_as_the_chosen_one_has_its_rules() -> None:
    tightened, since = replace(AUC, limit=0.99), Rule("evaluate", ("f1",), "min", 0.5)
    on_cell = replace(tightened, step=A)
    chosen = Baseline({"evaluate": {"auc": 1}}, "r1", "c1", gate=(AUC,), params={"min": 0.97})
    current = Baseline({}, "r2", "c2", gate=(tightened, since, on_cell), params={"min": 0.99})
    expected = replace(chosen, gate=(tightened, on_cell), params={"min": 0.99}, own=chosen)
    assert with_current_gate(chosen, current) == expected
    older = replace(chosen, gate=(), is_gate_known=False)
    assert with_current_gate(older, current).gate == current.gate
    assert with_current_gate(replace(older, is_gate_known=True), current).gate == ()


LIMITS = st.sampled_from([0, 0.1, 0.5, 0.75, 0.9, 1])
RULES = st.builds(
    Rule,
    st.just("evaluate"),
    st.sampled_from([("auc",), ("recall",)]),
    st.sampled_from(["min", "max", "max_drop", "max_rise"]),
    LIMITS,
    st.booleans(),
    level=st.sampled_from(["block", "warn", "info"]),
)


def gates() -> st.SearchStrategy[tuple[Rule, ...]]:
    return st.lists(RULES, max_size=4, unique_by=lambda rule: (rule.path, rule.op)).map(tuple)


def absolute(rule: Rule) -> Rule:
    return rule if rule.op in ("max_drop", "max_rise") else replace(rule, is_relative=False)


@given(gates(), gates(), st.dictionaries(st.sampled_from(["auc", "recall"]), st.floats(-1, 2)))
def test_what_holds_holds_by_both_gates(
    own: tuple[Rule, ...], base: tuple[Rule, ...], metrics: dict[str, float]
) -> None:
    ours, theirs = flow(*map(absolute, own)), flow(*map(absolute, base))
    both = with_base_gate(ours, Baseline(gate=theirs.gate))

    def held(of: Flow) -> bool:
        return judge(gate_bounds(of, BASELINE), {"evaluate": Metrics(dict(metrics))}).held

    assert held(both) == (held(ours) and held(theirs))


@given(gates(), gates())
def test_a_gate_is_as_strict_as_itself(own: tuple[Rule, ...], base: tuple[Rule, ...]) -> None:
    theirs = tuple(map(absolute, base))
    assert with_base_gate(flow(*theirs), Baseline(gate=theirs)).base_gate == ()
    both = with_base_gate(flow(*map(absolute, own)), Baseline(gate=theirs))
    assert with_base_gate(both, Baseline(gate=theirs)) == both
    assert {each.rule for each in both.base_gate} <= set(theirs)
    assert written_rules(written_rules(theirs)) == written_rules(theirs)
