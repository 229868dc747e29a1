"""Rules on what a run measures: what they become, and what is said of those that mean nothing."""

from __future__ import annotations

import pytest

from mlci.flow.models import Rule
from support.flow_texts import loaded, problems_of

FLOW = """\
flow: small
steps:
  train: {uses: training, run: train.py, image: "xgboost:1.7-1", inputs: {train: data.csv}}
  evaluate:
    uses: processing
    run: evaluate.py
    image: xgboost:1.7-1
    inputs: {model: "${{ steps.train.outputs.model }}"}
    outputs: [evaluation]
    metrics: evaluation/metrics.json
  folds: {uses: training, run: train.py, image: "xgboost:1.7-1", matrix: {fold: [1, 0.5]}}
  publish: {uses: processing, run: publish.py, image: "xgboost:1.7-1", after: [gate]}
  report: {uses: processing, run: report.py, image: "xgboost:1.7-1", after: [publish]}
gate:
"""
LINE = FLOW.count("\n") + 1


def rules(*written: str) -> tuple[Rule, ...]:
    return loaded(FLOW + "".join(f"  - {{{each}}}\n" for each in written)).gate


def problems(written: str) -> list[str]:
    return [each.partition(": ")[2] for each in problems_of(f"{FLOW}  - {{{written}}}\n")]


def test_a_budget_is_judged_by_mlci_after_the_step_that_it_measures() -> None:
    least, most, size = rules(
        "metric: run.steps.train.seconds, min: 1, max: 600", "metric: run.steps.train.model_bytes, max: 1000"
    )
    assert (least.metric, least.op, least.limit, least.steps) == ("run.steps.train.seconds", "min", 1, ("train",))
    assert (most.op, most.limit, most.is_judged_by_mlci, most.confidence) == ("max", 600, True, None)
    assert (size.metric, size.judged_step, size.steps) == ("run.steps.train.model_bytes", "train", ("train",))


def test_the_cost_is_that_of_the_steps_which_are_not_behind_the_gate() -> None:
    [rule] = rules("metric: run.cost_usd, max: 0.5, level: warn, unclear: fail")
    assert rule.steps == ("train", "evaluate", "folds(fold=1)", "folds(fold=0.5)")
    assert (rule.metric, rule.level, rule.unclear, rule.judged_step) == ("run.cost_usd", "warn", "fail", "")


def test_a_step_with_a_matrix_has_a_budget_for_each_cell_or_one_number() -> None:
    first, second = rules("metric: run.steps.folds.seconds, max: 60")
    assert first.metric == "run.steps.folds(fold=1).seconds"
    assert second.metric == 'run.steps["folds(fold=0.5)"].seconds'
    assert {each.as_written.metric for each in (first, second)} == {"run.steps.folds.seconds"}
    [together] = rules("metric: run.steps.folds.seconds, max: 60, aggregate: max")
    assert (together.metric, together.steps) == ("max(run.steps.folds.seconds)", ("folds(fold=1)", "folds(fold=0.5)"))


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (
            "metric: run.cost, max: 1",
            '"run.cost" is nothing that a run measures. Write run.cost_usd, run.steps.<step>.seconds or run.steps.<ste',
        ),
        ("metric: run.steps.train.time, max: 1", '"run.steps.train.time" is nothing that a run measures.'),
        ("metric: run.steps.train, max: 1", '"run.steps.train" is nothing that a run measures.'),
        ("metric: run.steps.train.seconds.mean, max: 1", '"run.steps.train.seconds.mean" is nothing that a run'),
        ("metric: 'run.steps[0].seconds', max: 1", '"run.steps[0].seconds" is nothing that a run measures.'),
        (
            "metric: run.steps.trian.seconds, max: 1",
            'the gate measures the seconds of step "trian", which does not exist. Did you mean "train"?',
        ),
        (
            "metric: run.steps.evaluate.model_bytes, max: 1",
            'step "evaluate" has no output "model", so no model_bytes. Name a step with an output "model"',
        ),
        (
            "metric: run.cost_usd, max_rise: 10%",
            'a rule on "run.cost_usd", which mlci measures, can\'t have "max_rise". A baseline does not have it',
        ),
        (
            "metric: run.cost_usd, max: 1, confidence: 95%",
            'a rule on "run.cost_usd", which mlci measures, can\'t have "confidence". Remove it',
        ),
        (
            "metric: run.cost_usd, max: 1, aggregate: mean",
            '"aggregate" makes one number of all cells of a matrix, and "run.cost_usd" is one already. Remove it',
        ),
        ("metric: run.steps.train.seconds, max: 1, aggregate: mean", '"aggregate" makes one number of all cells'),
    ],
)
def test_what_no_run_measures_is_refused(written: str, expected: str) -> None:
    found = problems(written)
    assert len(found) == 1
    assert found[0].startswith(expected)


def test_a_condition_can_t_ask_for_it() -> None:
    flow = FLOW.replace("after: [publish]", "if: [{metric: run.cost_usd, max: 1}]")
    [problem] = problems_of(f"{flow}  - {{metric: evaluate.auc, min: 0}}\n")
    assert problem.endswith(
        '"run.cost_usd" is measured by mlci, and only the gate can judge it. Write it as a rule there'
    )


def test_a_step_behind_the_gate_can_t_be_measured_by_it() -> None:
    [problem] = problems("metric: run.steps.report.seconds, max: 1")
    assert "gate" in problem
    assert "in a circle" in problem


def test_no_step_is_called_run() -> None:
    [problem] = problems_of(FLOW.replace("  report:", "  run:") + "  - {metric: evaluate.auc, min: 0}\n")
    assert problem.endswith('"run" cannot be the name of a step: it is taken. Choose another')
