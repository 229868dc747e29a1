"""Rules on cases: the verdict on each, and its words."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlci.flow.models import Rule
from mlci.gate import CaseJudgement, Metrics, RuleVerdict, judge
from mlci.gate.case_judgement import (
    different_numbers,
    judge_cases,
    parse_judgement,
    render_judgement,
    with_case_numbers,
)
from mlci.gate.case_samples import StepCases
from mlci.gate.cases_file import Cases, parse_cases
from mlci.plan import Baseline
from mlci.plan.models import Bound
from mlci.plan.thresholds import bounds

DROP = Rule("evaluate", ("recall",), "max_drop", 0.02, reads_cases=True, confidence=0.95)
ACCURACY = replace(DROP, path=("accuracy",))


def cases(rows: list[tuple[Any, ...]], head: str = "id,label,predicted") -> Cases:
    return parse_cases("\n".join([head, *(",".join(map(str, row)) for row in rows)]).encode(), "cases.csv")


def right(count: int, wrong: int = 0, prefix: str = "c", label: int = 1) -> list[tuple[Any, ...]]:
    """So many cases, of which the first are wrong."""
    return [(f"{prefix}{place}", label, label if place >= wrong else 1 - label) for place in range(count)]


def judged(
    rule: Rule | list[Rule], tables: StepCases, metrics: dict[str, Metrics] | None = None, before: Any = None
) -> Any:
    rules = rule if isinstance(rule, list) else [rule]
    base = Baseline(before or {}, "20261101-101010-aaaaaa")
    gate = bounds(rules, base.metrics)
    judgement = judge_cases(gate, metrics or {}, {"evaluate": tables}, base)
    again = parse_judgement(json.loads(json.dumps(render_judgement(judgement))), gate)
    assert again.verdicts == judgement.verdicts
    found = judge(gate, metrics or {}, of_cases=judgement.verdicts).rules
    return list(found) if isinstance(rule, list) or rule.slice else found[0]


def test_no_baseline() -> None:
    verdict = judged(DROP, StepCases(cases(right(50, 5))))
    assert (verdict.verdict, verdict.held) == ("held", True)
    assert verdict.text == "evaluate.recall 0.9: no baseline to compare with yet"


def test_a_change_that_the_data_can_not_decide() -> None:
    verdict = judged(DROP, StepCases(cases(right(42, 4)), cases(right(42, 2))))
    compared = verdict.comparison
    assert (verdict.verdict, verdict.outcome, verdict.held) == ("unclear", "warned", True)
    assert (compared.kind, compared.method, compared.cases) == ("paired", "McNemar", 42)
    assert (compared.to_wrong, compared.to_right) == (("c2", "c3"), ())
    assert compared.interval.low < -0.02 < compared.interval.high
    assert compared.smallest_drop == pytest.approx(0.1, abs=0.08)
    assert verdict.text.startswith(
        "evaluate.recall 0.904762 fell by 0.0476 (2 of 42 cases turned wrong, 0 right; 95 % interval -"
    )
    assert "the data can't decide whether it fell by more than 0.02. 42 cases can show a drop of" in verdict.text
    assert (verdict.bound.baseline, verdict.bound.threshold) == (pytest.approx(40 / 42), pytest.approx(40 / 42 - 0.02))


@pytest.mark.parametrize(
    ("unclear", "level", "held"), [("fail", "block", False), ("fail", "warn", True), ("pass", "block", True)]
)
def test_unclear(unclear: Any, level: Any, held: bool) -> None:
    rule = replace(DROP, unclear=unclear, level=level)
    verdict = judged(rule, StepCases(cases(right(42, 4)), cases(right(42, 2))))
    assert (verdict.verdict, verdict.held) == ("unclear", held)


def test_a_drop_that_no_chance_explains() -> None:
    verdict = judged(DROP, StepCases(cases(right(200, 60)), cases(right(200, 2))))
    assert (verdict.verdict, verdict.held) == ("broken", False)
    assert verdict.comparison.interval.high < -0.02
    assert ", and more than 0.02 in all of it" in verdict.text


def test_a_level_below_block_does_not_block() -> None:
    tables = StepCases(cases(right(200, 60)), cases(right(200, 2)))
    for level, outcome in (("warn", "warned"), ("info", "noted")):
        verdict = judged(replace(DROP, level=level), tables)  # type: ignore[arg-type]  # one of the levels
        assert (verdict.verdict, verdict.outcome, verdict.held) == ("broken", outcome, True)


def test_a_small_change_of_many_cases_holds() -> None:
    verdict = judged(replace(ACCURACY, limit=0.05), StepCases(cases(right(2000, 11)), cases(right(2000, 10))))
    assert verdict.verdict == "held"
    assert "fell by 0.0005 (1 of 2000 cases turned wrong, 0 right; 95 % interval" in verdict.text
    assert verdict.text.endswith(", within 0.05")


def test_the_same_predictions_hold_on_any_number_of_cases() -> None:
    verdict = judged(DROP, StepCases(cases(right(10, 1)), cases(right(10, 1))))
    assert verdict.verdict == "held"
    assert verdict.text == "evaluate.recall 0.9 is as it was: no case changed"


def test_other_ids_are_two_samples() -> None:
    verdict = judged(DROP, StepCases(cases(right(100, 40)), cases(right(100, 1, "d"))))
    assert (verdict.verdict, verdict.comparison.kind, verdict.comparison.to_wrong) == ("broken", "independent", ())
    assert verdict.text.endswith("(these are two samples: 0 of 100 cases are among the baseline's 100)")


def test_most_ids_are_common() -> None:
    verdict = judged(ACCURACY, StepCases(cases(right(100, 1)), cases(right(90, 1))))
    assert (verdict.comparison.kind, verdict.comparison.cases) == ("paired", 90)
    assert verdict.comparison.note == "compared on the 90 cases that both have, of 100 and the baseline's 90"


def test_the_labels_of_this_run_count() -> None:
    relabelled = [
        (case, label if place > 1 else 0, predicted) for place, (case, label, predicted) in enumerate(right(40))
    ]
    verdict = judged(ACCURACY, StepCases(cases(relabelled), cases(right(40))))
    note = "2 cases have another label than in the baseline, and this run's count"
    own = "evaluate.accuracy 0.95 (baseline 1); by this run's labels: 0.95 → 0.95"
    assert verdict.text == f"{own}, no prediction changed ({note})"
    assert (verdict.value, verdict.bound.baseline) == (0.95, 1)
    [first, *others] = right(40)
    one = judged(ACCURACY, StepCases(cases([(first[0], 0, 1), *others]), cases(right(40))))
    assert one.comparison.note == "1 case has another label than in the baseline, and this run's counts"


def test_a_metric_is_the_runs_own_where_other_cases_were_compared() -> None:
    """A run of all cases, whose harder ones the baseline lacks: its own value is worse, and its model is better."""
    new = [*right(80, 8), *right(20, 10, "new")]
    base = [*right(80, 12), *right(10, 0, "old")]
    verdict = judged(ACCURACY, StepCases(cases(new), cases(base)), before={"evaluate": {"accuracy": 78 / 90}})
    assert (verdict.value, verdict.bound.baseline) == (0.82, pytest.approx(78 / 90))
    assert (verdict.bound.threshold, verdict.margin) == (None, None)  # of a limit that nothing was held against
    compared = verdict.comparison
    assert (compared.on, compared.baseline, compared.value) == ("on the 80 cases that both have", 0.85, 0.9)
    assert verdict.text.startswith(
        "evaluate.accuracy 0.82 (baseline 0.866667); on the 80 cases that both have: 0.85 → 0.9, rose by 0.05 ("
    )
    same = judged(ACCURACY, StepCases(cases(right(80, 8)), cases(right(80, 8))))
    assert (same.comparison.on, same.comparison.value, same.bound.threshold) == ("", None, pytest.approx(0.88))


def test_a_metric_that_the_common_cases_do_not_define_can_not_be_compared() -> None:
    """Precision, where the run finds positives among the cases alone that the baseline lacks."""
    new = [*((f"c{place}", 1, 0) for place in range(20)), *((f"n{place}", 1, 1) for place in range(5))]
    verdict = judged(replace(DROP, path=("precision",)), StepCases(cases(new), cases(right(20))))
    assert (verdict.verdict, verdict.value) == ("unclear", 1)
    assert "can't be compared" in verdict.text


def test_a_group_has_its_own_value_as_well() -> None:
    new, base = grouped({"f": (100, 20), "m": (50, 0)}), grouped({"f": (80, 20), "m": (50, 0)})
    [found, other] = judged(replace(GAP, op="max_drop"), StepCases(new, base))
    assert (found.value, found.bound.baseline, found.comparison.value) == (0.8, 0.75, 0.75)
    assert found.comparison.on == "on the 80 cases that both have"
    assert other.comparison.on == ""


def test_a_metric_that_the_baseline_lacks() -> None:
    verdict = judged(DROP, StepCases(cases(right(50, 5))), before={"evaluate": {"accuracy": 0.9}})
    assert verdict.text == "evaluate.recall 0.9: the baseline has no such metric"
    [group] = judged(
        replace(GAP, op="max_drop"), StepCases(grouped({"f": (50, 5)})), before={"evaluate": {"recall": 1}}
    )
    assert group.text == 'evaluate.recall where sex is "f" 0.9: the baseline kept no cases to compare with'


def test_ids_that_name_other_cases_make_two_samples() -> None:
    """Row numbers of data that was drawn again: in pairs, chance would look like a model that got better or worse."""
    draw = random.Random(1)
    before = [(f"{place}", label, label) for place in range(200) for label in [draw.randint(0, 1)]]
    after = [(f"{place}", label, label ^ (place < 40)) for place in range(200) for label in [draw.randint(0, 1)]]
    verdict = judged(ACCURACY, StepCases(cases(after), cases(before)))
    assert verdict.comparison is not None
    assert (verdict.verdict, verdict.comparison.kind) == ("broken", "independent")
    assert "ids do not name the same cases" in verdict.text
    assert verdict.bound.baseline == 1


def test_a_baseline_with_a_number_alone() -> None:
    verdict = judged(DROP, StepCases(cases(right(42, 4))), before={"evaluate": {"recall": 0.97}})
    assert (verdict.verdict, verdict.comparison.kind) == ("unclear", "number")
    assert "fell by 0.0652 from 0.97. The baseline kept no cases" in verdict.text


SCORED = "id,label,predicted,baseline_predicted"


def test_the_baselines_model_scored_again() -> None:
    rows = [(f"c{place}", 1, int(place > 30), 1) for place in range(100)]
    tables = StepCases(cases(rows, SCORED), None, frozenset({"t1"}))
    verdict = judged(DROP, tables)
    assert (verdict.verdict, verdict.comparison.kind, verdict.bound.baseline) == ("broken", "paired", 1.0)
    own = judged(DROP, tables, before={"evaluate": {"recall": 0.98}})
    assert (own.value, own.bound.baseline, own.comparison.on) == (0.69, 0.98, "on this run's cases")
    assert own.text.startswith("evaluate.recall 0.69 (baseline 0.98); on this run's cases: 1 → 0.69, fell by 0.31 (")
    noted = judged(DROP, replace(tables, base_trained_on=None)).comparison.note
    assert noted == "nothing says on which cases the baseline's model was trained: its flow has no trained_on"


def test_cases_that_the_baseline_was_trained_on() -> None:
    rows = [(f"c{place}", 1, 1, 1) for place in range(20)]
    verdict = judged(DROP, StepCases(cases(rows, SCORED), None, frozenset({"c3", "c4", "t1"})))
    assert (verdict.verdict, verdict.held) == ("broken", False)
    assert verdict.text == (
        'evaluate.recall can\'t be judged: in the cases of "evaluate", cases.csv: '
        "the baseline's model was trained on 2 of 20 cases, "
        'which it can\'t be tested on: "c3", "c4". Keep these out of the test, or leave baseline_predicted empty'
    )


def test_empty_columns_of_the_baselines_model_are_none() -> None:
    rows = [(f"c{place}", 1, 1, "") for place in range(20)]
    assert judged(DROP, StepCases(cases(rows, SCORED))).verdict == "held"


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([("a", 1, ""), ("b", 0, 0)], 'line 2 (id "a"): "predicted" is empty'),
        (
            [("a", 1, "yes"), ("b", 0, "no")],
            'no case has a label that is in "predicted": the labels are "0", "1", and "predicted" has "no", "yes"',
        ),
        (
            [("a", "B", "M"), ("b", "M", "M")],
            (
                'no case is of the class "1", which counts as positive: there are "B", "M". Name the class in '
                'the rule: "positive: <class>"'
            ),
        ),
    ],
)
def test_what_is_wrong_with_cases_breaks_the_rule(rows: list[tuple[Any, ...]], message: str) -> None:
    verdict = judged(DROP, StepCases(cases(rows)))
    assert (verdict.verdict, verdict.held) == ("broken", False)
    assert verdict.text == f'evaluate.recall can\'t be judged: in the cases of "evaluate", cases.csv: {message}'


def test_positive_names_a_class() -> None:
    rows = [("a", "M", "M"), ("b", "M", "B"), ("c", "B", "B")]
    verdict = judged(replace(DROP, op="min", confidence=None, limit=0.5, positive="M"), StepCases(cases(rows)))
    assert (verdict.verdict, verdict.value) == ("held", 0.5)


def test_cases_that_are_missing() -> None:
    assert judge(bounds([DROP], {}), {}).rules[0].text == 'evaluate.recall is missing: step "evaluate" wrote no cases'
    judgement = judge_cases(bounds([DROP], {}), {}, {}, Baseline())
    assert judgement.verdicts[0][0].text == 'evaluate.recall is missing: step "evaluate" wrote no cases'
    assert judged(DROP, StepCases("the table is missing")).text.endswith(
        'the cases of "evaluate", the table is missing'
    )


def test_min_judges_the_number_itself() -> None:
    rule = Rule("evaluate", ("recall",), "min", 0.91, reads_cases=True)
    verdict = judged(rule, StepCases(cases(right(10, 1))))
    assert (verdict.verdict, verdict.text) == ("broken", "evaluate.recall 0.9 ≥ 0.91 is missed by 0.01")
    confident = judged(replace(rule, confidence=0.95), StepCases(cases(right(10, 1))))
    assert (confident.verdict, confident.comparison.method) == ("unclear", "Clopper-Pearson")
    assert "the data can't decide whether it is ≥ 0.91" in confident.text


def grouped(sizes: dict[str, tuple[int, int]]) -> Cases:
    rows = [
        (f"{group}{place}", 1, int(place >= wrong), group)
        for group, (count, wrong) in sizes.items()
        for place in range(count)
    ]
    return cases(rows, "id,label,predicted,sex")


GAP = replace(DROP, op="max_gap", limit=0.05, slice="sex", level="warn")


def test_a_gap_between_groups() -> None:
    found = judged(GAP, StepCases(grouped({"f": (200, 80), "m": (200, 2), "x": (5, 0)})))
    assert [(each.group, each.verdict, each.held) for each in found] == [("f", "broken", True), ("m", "held", True)]
    assert found[0].text.startswith('evaluate.recall where sex is "f" 0.6 is 0.')
    assert "behind the others" in found[0].text
    assert found[0].comparison.corrected_for == 2
    assert 'groups of fewer than 20 cases are not judged: "x" (5)' in found[0].comparison.note


def test_no_group_is_large_enough() -> None:
    [found] = judged(GAP, StepCases(grouped({"f": (5, 0), "m": (5, 0)})))
    assert (found.verdict, found.text) == ("unclear", "evaluate.recall by sex can't be judged: no group has 20 cases")


def test_a_slice_that_the_table_lacks() -> None:
    [found] = judged(replace(GAP, slice="age"), StepCases(grouped({"f": (50, 0)})))
    assert found.verdict == "broken"
    assert 'it has no column "age"' in found.text


def test_a_drop_of_one_group() -> None:
    base, new = grouped({"f": (100, 0), "m": (100, 0)}), grouped({"f": (100, 40), "m": (100, 0)})
    found = judged(replace(GAP, op="max_drop"), StepCases(new, base))
    assert [(each.group, each.verdict) for each in found] == [("f", "broken"), ("m", "held")]
    assert len(found[0].comparison.to_wrong) == 40


def test_a_baseline_without_the_column_of_a_slice() -> None:
    [found] = judged(replace(GAP, op="max_drop"), StepCases(grouped({"f": (50, 0)}), cases(right(50))))
    assert found.verdict == "unclear"
    assert found.text.endswith("the baseline's cases lack the column of the slice")
    rows = [(f"f{place}", 1, int(place > 5)) for place in range(50)]
    [paired] = judged(replace(GAP, op="max_drop", limit=0.5), StepCases(grouped({"f": (50, 0)}), cases(rows)))
    assert (paired.verdict, paired.comparison.kind) == ("held", "paired")


def test_several_comparisons_are_corrected() -> None:
    tables = StepCases(cases(right(42, 4)), cases(right(42, 2)))
    alone = judged(DROP, tables)
    first, second, warned = judged([DROP, replace(DROP, limit=0.03), replace(DROP, level="warn", limit=0.04)], tables)
    assert first.comparison.interval.low < alone.comparison.interval.low
    assert (first.comparison.corrected_for, warned.comparison.corrected_for) == (2, 1)
    assert first.comparison.confidence == pytest.approx(0.975)
    assert "97.5 % interval" in second.text
    assert "corrected for 2 comparisons" in second.text


ERRORS = Rule("evaluate", ("rmse",), "max_rise", 0.1, reads_cases=True, confidence=0.95)


def test_an_error_that_rises() -> None:
    draw = random.Random(1)
    rows = [(f"c{place}", place, place + draw.gauss(0, 1)) for place in range(200)]
    worse = [(case, label, label + 2 * (predicted - label)) for case, label, predicted in rows]
    verdict = judged(ERRORS, StepCases(cases(worse), cases(rows)))
    assert verdict.verdict == "broken"
    assert "rose by" in verdict.text
    assert judged(ERRORS, StepCases(cases(rows), cases(worse))).verdict == "held"


def test_a_limit_on_the_other_direction() -> None:
    """A metric that gets better by more than a rule allows: a leak, say."""
    rise = replace(ACCURACY, op="max_rise", limit=0.1)
    better, worse = cases(right(200, 2)), cases(right(200, 80))
    found = judged(rise, StepCases(better, worse))
    assert (found.verdict, found.comparison.smallest_drop) == ("broken", None)
    assert "rose by 0.39 (0 of 200 cases turned wrong, 78 right" in found.text
    assert judged(rise, StepCases(worse, better)).verdict == "held"
    assert (
        judged(replace(ERRORS, op="max_drop"), StepCases(cases(right(50, 20)), cases(right(50, 2)))).verdict == "held"
    )


def test_a_limit_relative_to_the_baseline() -> None:
    tables = StepCases(cases(right(400, 60)), cases(right(400, 2)))
    verdicts = [judged(replace(ACCURACY, limit=limit, is_relative=True), tables) for limit in (0.05, 0.3)]
    assert [each.verdict for each in verdicts] == ["broken", "held"]
    assert verdicts[0].bound.threshold == pytest.approx(0.95 * 398 / 400)


def test_a_gap_of_errors() -> None:
    draw = random.Random(3)
    rows = [
        (f"{group}{place}", place, place + draw.gauss(0, spread), group)
        for group, spread in (("a", 5), ("b", 1))
        for place in range(100)
    ]
    rule = replace(ERRORS, op="max_gap", limit=0.5, slice="sex")
    found = judged(rule, StepCases(cases(rows, "id,label,predicted,sex")))
    assert [(each.group, each.verdict) for each in found] == [("a", "broken"), ("b", "held")]
    assert "behind the others" in found[0].text
    assert "ahead of the others" in found[1].text


def test_no_group_and_no_id_can_pass_for_a_line_of_mlcis_own() -> None:
    rows = [(f'"a\n✔ {place}"', 1, 1, '"f\n✔ all held\x1b[2K"') for place in range(30)]
    found = judged(GAP, StepCases(cases([*rows, ('"b\n✔"', 1, "", "x")], "id,label,predicted,sex")))
    assert found[0].text.isprintable()
    assert 'line 92 (id "b ✔")' in found[0].text
    [least] = judged(replace(GAP, op="min"), StepCases(cases(rows, "id,label,predicted,sex")))
    assert 'where sex is "f ✔ all held' in least.text
    assert least.text.isprintable()


def test_metrics_that_no_case_defines() -> None:
    assert judged(DROP, StepCases(cases([*right(20, 0, label=0), ("p", 0, 1)]))).verdict == "broken"
    groups = [*((f"f{place}", 1, 1, "f") for place in range(30)), *((f"m{place}", 0, 0, "m") for place in range(30))]
    found = judged(GAP, StepCases(cases(groups, "id,label,predicted,sex")))
    assert {each.verdict for each in found} == {"unclear"}
    assert "can't be judged: recall is undefined: there are no positive cases" in found[1].text


def test_auc_needs_scores() -> None:
    rule = replace(DROP, path=("auc",))
    assert 'it has no column "score"' in judged(rule, StepCases(cases(right(50, 5)))).text
    draw = random.Random(2)
    labels = [place % 2 for place in range(300)]
    good = cases(
        [(f"c{place}", label, label + draw.gauss(0, 0.4)) for place, label in enumerate(labels)], "id,label,score"
    )
    bad = cases(
        [(f"c{place}", label, label + draw.gauss(0, 3)) for place, label in enumerate(labels)], "id,label,score"
    )
    assert judged(rule, StepCases(bad, good)).verdict == "broken"
    assert judged(rule, StepCases(good, bad)).verdict == "held"
    assert judged(rule, StepCases(good, bad)).comparison.method == "DeLong"


MEAN = Rule(
    "fit", ("auc",), "max_drop", 0.02, aggregate="mean", cells=("fit(s=1)", "fit(s=2)", "fit(s=3)"), confidence=0.95
)


def mean(new: list[float], base: list[float], keys: str = "123") -> RuleVerdict:
    metrics = {f"fit(s={key})": Metrics({"auc": number}) for key, number in zip("123", new, strict=True)}
    before: dict[str, Any] = {f"fit(s={key})": {"auc": number} for key, number in zip(keys, base, strict=True)}
    found: RuleVerdict = judged(MEAN, StepCases("none"), metrics, before)
    return found


def test_a_mean_is_judged_by_the_spread_of_the_cells() -> None:
    assert mean([0.9, 0.91, 0.92], [0.95, 0.91, 0.90]).verdict == "unclear"
    broken = mean([0.80, 0.81, 0.82], [0.90, 0.911, 0.92])
    assert (broken.verdict, broken.comparison and broken.comparison.method) == ("broken", "paired t")
    others = mean([0.80, 0.81, 0.82], [0.90, 0.911, 0.92, 0.91], "5678")
    assert (others.verdict, others.comparison and others.comparison.method) == ("broken", "Welch")
    assert mean([0.9, 0.91, 0.92], [0.9, 0.91, 0.92]).text.startswith(
        "mean(fit.auc) 0.91 is as it was: no cell changed"
    )
    assert mean([0.9, 0.91, 0.92], [0.9], "1").verdict == "unclear"
    assert mean([0.9, 0.91, 0.92], [], "").verdict == "held"


def test_the_metrics_of_cases_are_reported() -> None:
    gate = bounds([DROP, replace(ACCURACY, op="min", limit=0.5, confidence=None)], {})
    judgement = judge_cases(
        gate, {}, {"evaluate": StepCases(cases([*right(10, 1), *right(10, 0, "n", 0)]))}, Baseline()
    )
    assert judgement.numbers == {"evaluate": {"recall": 0.9, "accuracy": 0.95}}
    metrics = {"evaluate": Metrics({"recall": 0.91, "accuracy": 0.9501, "loss": 1.0})}
    assert with_case_numbers(metrics, judgement)["evaluate"].document == {"recall": 0.9, "accuracy": 0.95, "loss": 1.0}
    assert with_case_numbers({}, judgement)["evaluate"].document == {"recall": 0.9, "accuracy": 0.95}
    assert different_numbers(metrics, judgement) == [
        "evaluate.recall is 0.9 by its cases, and 0.91 in its metrics file: the cases count"
    ]


outcomes = st.lists(st.tuples(st.booleans(), st.booleans(), st.booleans()), min_size=2, max_size=40)


def tables(rows: list[tuple[bool, bool, bool]], order: list[int] | None = None) -> StepCases:
    """Cases with a label, what this run predicts, and what the baseline did. The first case is positive, and right."""
    table = [(f"c{place}", int(label), int(new)) for place, (label, new, _) in enumerate(rows)]
    base = [(f"c{place}", int(label), int(old)) for place, (label, _, old) in enumerate(rows)]
    places = order or list(range(len(rows)))
    return StepCases(cases([table[place] for place in places]), cases(base))


@settings(max_examples=25, deadline=None)
@given(outcomes, st.randoms(use_true_random=False))
def test_the_order_of_cases_changes_nothing(rows: list[tuple[bool, bool, bool]], draw: random.Random) -> None:
    rows = [(True, True, True), *rows]
    order = list(range(len(rows)))
    draw.shuffle(order)
    one, other = judged(DROP, tables(rows)), judged(DROP, tables(rows, order))
    assert (one.verdict, one.value, one.comparison.interval) == (other.verdict, other.value, other.comparison.interval)


@settings(max_examples=25, deadline=None)
@given(outcomes, st.integers(1, 30))
def test_cases_that_agree_never_turn_held_into_broken(rows: list[tuple[bool, bool, bool]], more: int) -> None:
    rows = [(True, True, True), *rows]
    before, after = judged(DROP, tables(rows)), judged(DROP, tables([*rows, *([(True, True, True)] * more)]))
    assert not (before.verdict == "held" and after.verdict == "broken")


@settings(max_examples=25, deadline=None)
@given(outcomes)
def test_swapping_the_models_mirrors_the_interval(rows: list[tuple[bool, bool, bool]]) -> None:
    rows = [(True, True, True), *rows]
    found = judged(ACCURACY, tables(rows)).comparison.interval
    swapped = judged(ACCURACY, tables([(label, old, new) for label, new, old in rows])).comparison.interval
    assert (found.low, found.high) == pytest.approx((-swapped.high, -swapped.low))


def test_a_gate_without_cases_has_no_judgement() -> None:
    gate = (Bound(Rule("evaluate", ("auc",), "min", 0.5), 0.5),)
    assert judge_cases(gate, {}, {}, Baseline()) == CaseJudgement()


def test_the_number_of_all_cases_is_no_baseline_of_a_group() -> None:
    rule = replace(GAP, op="min", limit=0.5)
    [bound] = bounds([rule], {"evaluate": {"recall": 0.9}})
    tables = {"evaluate": StepCases(grouped({"a": (50, 1), "b": (50, 2)}))}
    verdicts = judge_cases([bound], {}, tables, Baseline()).verdicts[0]
    assert [(each.group, each.bound.baseline) for each in verdicts] == [("a", None), ("b", None)]
