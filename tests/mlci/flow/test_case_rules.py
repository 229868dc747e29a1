"""Rules on cases: what they become, and what is said of keys that mean nothing."""

from __future__ import annotations

import pytest

from mlci.flow.models import Rule
from support.flow_texts import loaded, problems_of

FLOW = """\
flow: small
steps:
  train:
    uses: training
    run: train.py
    image: xgboost:1.7-1
    instance: ml.m5.large
    inputs: {train: data.csv}
    trained_on: train/data.csv
  evaluate:
    uses: processing
    run: evaluate.py
    image: xgboost:1.7-1
    instance: ml.m5.large
    inputs: {model: "${{ steps.train.outputs.model }}"}
    outputs: [evaluation]
    metrics: evaluation/metrics.json
    cases: evaluation/cases.csv
gate:
"""
LINE = FLOW.count("\n") + 1


def rules(*written: str) -> tuple[Rule, ...]:
    return loaded(FLOW + "".join(f"  - {{{each}}}\n" for each in written)).gate


def problems(written: str, flow: str = FLOW) -> list[str]:
    """The problems of a rule, without their places if these are in its line."""
    return [
        each.partition(f"{LINE}:")[2].partition(": ")[2] or each for each in problems_of(f"{flow}  - {{{written}}}\n")
    ]


def test_a_rule_against_the_baseline_compares_an_interval() -> None:
    least, drop = rules("metric: evaluate.recall, min: 0.9, max_drop: 0.02")
    assert (least.reads_cases, least.confidence, least.is_judged_by_mlci) == (True, None, True)
    assert (drop.reads_cases, drop.confidence, drop.unclear, drop.level) == (True, 0.95, "warn", "block")


@pytest.mark.parametrize(("written", "confidence"), [("99%", 0.99), ("0.9", 0.9), ('"99.5 %"', 0.995)])
def test_a_confidence_is_a_percentage_or_a_share(written: str, confidence: float) -> None:
    [rule] = rules(f"metric: evaluate.f1, max_drop: 0.1, confidence: {written}")
    assert rule.confidence == pytest.approx(confidence)


def test_confidence_on_all_is_for_min_and_max_as_well() -> None:
    assert [rule.confidence for rule in rules("metric: evaluate.f1, min: 0.9, max: 1, confidence_on: all")] == [
        0.95
    ] * 2


def test_a_slice_compares_intervals() -> None:
    [gap, least] = rules(
        "metric: evaluate.recall, slice: sex, max_gap: 0.05, level: warn, unclear: pass, min_cases: 50, positive: sick",
        "metric: evaluate.recall, slice: sex, min: 0.8",
    )
    assert (gap.op, gap.limit, gap.slice, gap.min_cases, gap.positive) == ("max_gap", 0.05, "sex", 50, "sick")
    assert (gap.level, gap.unclear, gap.confidence) == ("warn", "pass", 0.95)
    assert (least.slice, least.min_cases, least.confidence) == ("sex", 20, 0.95)


def test_any_rule_of_the_gate_has_a_level() -> None:
    [rule] = rules("metric: evaluate.loss, max: 1, level: info")
    assert (rule.level, rule.reads_cases, rule.is_judged_by_mlci) == ("info", False, False)


def test_a_block_and_a_warning_may_limit_the_same_metric() -> None:
    assert len(rules("metric: evaluate.auc, max_drop: 0.05", "metric: evaluate.auc, max_drop: 0.02, level: warn")) == 2


def test_a_step_without_other_metrics_may_have_cases() -> None:
    flow = loaded(FLOW.replace("    metrics: evaluation/metrics.json\n", "") + "  - {metric: evaluate.auc, min: 0.9}\n")
    assert flow.gate[0].reads_cases
    assert flow.steps["evaluate"].cases == "evaluation/cases.csv"
    assert flow.steps["train"].trained_on == "train/data.csv"


def test_an_if_reads_the_metrics_file_of_a_step_with_cases() -> None:
    text = f"""{FLOW}  - {{metric: evaluate.auc, min: 0.9}}
  """.replace(
        "gate:\n", "  stop:\n    uses: fail\n    message: bad\n    if: [{metric: evaluate.auc, max: 0.5}]\ngate:\n"
    )
    assert not loaded(text).steps["stop"].when[0].reads_cases


NEEDS = (
    'Give "evaluate" a "cases: <output>/<file>.csv", and name one of "accuracy", "recall", "precision", "f1", "auc", '
)
NEEDS += '"rmse" and "mae"'


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (
            "metric: evaluate.auc, max_drop: 0.1, confidence: 95",
            '"confidence" must be below 1, but is the integer 95. Did you mean 95%?',
        ),
        (
            "metric: evaluate.auc, max_drop: 0.1, confidence: 100%",
            '"confidence" must be from 50% to 99.9%, but is the text "100%". Such as "95%"',
        ),
        (
            "metric: evaluate.auc, max_drop: 0.1, confidence: 0.2",
            '"confidence" must be from 50% to 99.9%, but is the number 0.2. Such as "95%"',
        ),
        (
            "metric: evaluate.auc, max_drop: 0.1, confidence: high",
            '"confidence" must be a percentage, but is the text "high". Such as "95%"',
        ),
        (
            "metric: evaluate.auc, min: 0.1, confidence: 95%",
            (
                '"confidence" is for max_drop, max_rise and slices; min and max judge the number itself. Remove '
                'it, or add "confidence_on: all"'
            ),
        ),
        (
            "metric: evaluate.loss, max_drop: 0.1, confidence: 95%",
            f'"confidence" is for metrics of cases, and "evaluate.loss" is none. {NEEDS}',
        ),
        (
            "metric: evaluate.loss, max_drop: 0.1, unclear: fail",
            f'"unclear" is for metrics of cases, and "evaluate.loss" is none. {NEEDS}',
        ),
        (
            "metric: evaluate.loss, max_drop: 0.1, slice: sex",
            f'"slice" is for metrics of cases, and "evaluate.loss" is none. {NEEDS}',
        ),
        (
            "metric: evaluate.auc, min: 0.1, unclear: fail",
            '"unclear" is for max_drop, max_rise and slices: a number is never unclear. Remove it',
        ),
        (
            "metric: evaluate.auc, max_gap: 0.1",
            (
                '"max_gap" is how far a group of cases may lie behind the others. Add "slice: <column>", or use '
                '"max_drop" for the change since the baseline'
            ),
        ),
        (
            "metric: evaluate.auc, min: 0.1, min_cases: 30",
            '"min_cases" is the size of the smallest group of a slice. Remove it, or add "slice: <column>"',
        ),
        (
            "metric: evaluate.auc, slice: id, max_gap: 0.1",
            (
                '"slice" names a column with groups of cases, and "id" has none. Name a column of your own, and '
                'not one of "id", "score", "baseline_predicted" and "baseline_score"'
            ),
        ),
        (
            "metric: evaluate.rmse, max_rise: 0.1, positive: 1",
            '"positive" means nothing for rmse. It is for "recall", "precision", "f1" and "auc"',
        ),
        ("metric: evaluate.auc, slice: sex", 'rule 1 of "gate" has no limit. Give it "max_gap", or another limit'),
        (
            "metric: evaluate.auc, slice: sex, max_gap: -1",
            '"max_gap" must be at least 0, but is the integer -1. Write how far, without a sign',
        ),
        (
            "metric: evaluate.auc, max_drop: 0.1, unclear: wran",
            '"unclear" must be "fail", "warn" or "pass", but is the text "wran". Did you mean "warn"?',
        ),
    ],
)
def test_a_key_that_means_nothing_is_an_error(written: str, expected: str) -> None:
    assert problems(written) == [expected]


def test_a_metric_that_the_cases_do_not_give() -> None:
    flow = FLOW.replace("    metrics: evaluation/metrics.json\n", "    #\n")
    what = 'the cases of step "evaluate" give no metric "acuracy". Did you mean "accuracy"?'
    assert problems("metric: evaluate.acuracy, min: 0.9", flow) == [what]


def test_keys_of_the_gate_in_an_if() -> None:
    condition = "[{metric: evaluate.auc, max: 0.5, level: warn}]"
    step = f"  stop:\n    uses: fail\n    message: bad\n    if: {condition}\ngate:\n"
    text = FLOW.replace("gate:\n", step) + "  - {metric: evaluate.auc, min: 0.9}\n"
    what = '"level" is for rules of the gate: an "if" is judged while the flow runs, by numbers alone.'
    assert [each.partition(": ")[2] for each in problems_of(text)] == [
        f"{what} Remove it, or put the rule into the gate and use after: gate"
    ]


def test_an_if_can_not_read_cases() -> None:
    step = "  stop:\n    uses: fail\n    message: bad\n    if: [{metric: evaluate.auc, max: 0.5}]\ngate:\n"
    text = FLOW.replace("gate:\n", step).replace("    metrics: evaluation/metrics.json\n", "")
    [problem] = problems_of(text + "  - {metric: evaluate.auc, min: 0.9}\n")
    assert 'reads a metric of the cases of step "evaluate": only the gate judges cases' in problem


@pytest.mark.parametrize(
    ("old", "wrong", "expected"),
    [
        (
            "cases: evaluation/cases.csv",
            "cases: evaluation/cases.json",
            (
                '18:12: "cases" is a table in a .csv or .parquet file, but names "evaluation/cases.json". Write '
                "evaluation/cases.csv, or .parquet, and that format"
            ),
        ),
        (
            "cases: evaluation/cases.csv",
            "cases: evaluatoin/cases.csv",
            '18:12: "cases" is in "evaluatoin", which is no output of step "evaluate". Did you mean "evaluation"?',
        ),
        (
            "cases: evaluation/cases.csv",
            "cases: cases.csv",
            '18:12: "cases.csv" does not name a file in an output of the step. Write <output>/<file>.csv',
        ),
        (
            "trained_on: train/data.csv",
            "trained_on: model/data.csv",
            '9:17: "trained_on" is in "model", which is no input of step "train". Its inputs are "train"',
        ),
        (
            "    trained_on:",
            "    cases:",
            '9:5: "cases" is for processing steps, and "train" is a training step. A training step takes',
        ),
    ],
)
def test_a_table_that_no_folder_of_the_step_holds(old: str, wrong: str, expected: str) -> None:
    [problem] = problems_of(FLOW.replace(old, wrong) + "  - {metric: evaluate.auc, min: 0.9}\n")
    assert problem.startswith(expected)


@pytest.mark.parametrize(
    ("limit", "param"),
    [
        ("${{ params.drop }}", "drop"),
        ('"${{params.drop}}"', "drop"),
        ("'${{ params.drop }}%'", "drop"),
        ("0.02", ""),
        ('"1${{ params.drop }}%"', ""),
    ],
)
def test_a_limit_that_is_a_param_knows_it(limit: str, param: str) -> None:
    flow = FLOW.replace("flow: small\n", "flow: small\nparams: {drop: 2, other: 2}\n")
    [rule] = loaded(f"{flow}  - metric: evaluate.f1\n    max_drop: {limit}\n").gate
    assert rule.param == param
