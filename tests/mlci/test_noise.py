"""The noise of metrics: what a gate could allow, and what is refused before anything runs."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlci.errors import InputError
from mlci.flow import Flow, load
from mlci.flow.models import Rule
from mlci.noise import FALSE_REDS, MetricNoise, check_seed, chi_square_quantile, measured_noise, noise_flow, noise_json

VALUES = st.lists(st.floats(-1e3, 1e3), min_size=3, max_size=25)
FLOW = """\
flow: noisy
params: {seed: 1, other: 1}
defaults: {image: "mine.example/image:7"}
steps:
  data: {uses: processing, run: a.py, outputs: [rows]}
  train: {uses: training, run: a.py, inputs: {rows: "${{ steps.data.outputs.rows }}"}, matrix: {fold: [1, 2]},
          hyperparameters: {seed: "${{ params.seed }}"}}
  measure: {uses: processing, run: a.py, inputs: {models: "${{ steps.train.outputs.model }}"}, outputs: [out],
            metrics: out/m.json}
  aside: {uses: processing, run: a.py, args: ["${{ params.other }}"]}
  publish: {uses: processing, run: a.py, after: [gate]}
gate:
  - {metric: measure.auc, min: 0.5, max_drop: 0.02}
  - {metric: measure.loss, max_rise: 10%}
  - {metric: run.cost_usd, max: 1}
"""


def flow(text: str = FLOW, **params: str) -> Flow:
    return load(text.encode(), "flow.yaml", params)


def share_beyond(values: list[float], limit: float) -> float:
    pairs = list(itertools.permutations(values, 2))
    return sum(base - new > limit for base, new in pairs) / len(pairs)


@given(VALUES)
def test_at_most_five_per_cent_of_all_pairs_are_red_and_no_smaller_limit_does_that(values: list[float]) -> None:
    limit = MetricNoise("m.auc", tuple(values)).max_drop
    assert share_beyond(values, limit) <= FALSE_REDS
    if limit > 0:
        assert share_beyond(values, math.nextafter(limit, 0)) > FALSE_REDS


@given(VALUES, st.randoms(use_true_random=False))
def test_the_order_of_the_seeds_changes_nothing(values: list[float], random: object) -> None:
    mixed = sorted(values)
    random.shuffle(mixed)  # type: ignore[attr-defined]
    one, other = MetricNoise("m.auc", tuple(values)), MetricNoise("m.auc", tuple(mixed))
    assert one.max_drop == other.max_drop
    assert one.max_drop_upper == pytest.approx(other.max_drop_upper)


@given(VALUES, st.floats(-100, 100))
def test_a_limit_is_as_far_whatever_is_added_to_all_runs(values: list[float], shift: float) -> None:
    one = MetricNoise("m.auc", tuple(values)).max_drop
    other = MetricNoise("m.auc", tuple(value + shift for value in values)).max_drop
    assert one == pytest.approx(other, abs=1e-9)


def test_a_metric_that_does_not_move_allows_nothing() -> None:
    noise = MetricNoise("m.auc", (0.9, 0.9, 0.9))
    assert (noise.sd, noise.max_drop, noise.max_drop_upper) == (0, 0, 0)


def test_fewer_seeds_can_rule_out_less() -> None:
    few, many = (MetricNoise("m.auc", tuple([0.0, 1.0] * count)) for count in (2, 50))
    assert few.max_drop == many.max_drop == 1
    assert few.max_drop_upper > many.max_drop_upper


@pytest.mark.parametrize("degrees", [2, 3, 5, 9, 29, 99, 999])
def test_the_quantile_is_that_of_scipy(degrees: int) -> None:
    stats = pytest.importorskip("scipy.stats")
    assert chi_square_quantile(degrees) == pytest.approx(float(stats.chi2.ppf(0.05, degrees)), rel=1e-9)


def test_the_gate_s_own_limits_are_held_against_the_noise() -> None:
    noise = MetricNoise("m.auc", (0.90, 0.95, 1.0))
    assert noise.false_reds(Rule("m", ("auc",), "max_drop", 0.06)) == pytest.approx(1 / 6)
    assert noise.false_reds(Rule("m", ("auc",), "max_drop", 0.02)) == pytest.approx(3 / 6)
    assert noise.false_reds(Rule("m", ("auc",), "max_rise", 0.105, is_relative=True)) == pytest.approx(1 / 6)


def test_only_what_the_gate_s_metrics_need_is_run_and_nothing_is_judged() -> None:
    found = noise_flow(flow())
    assert list(found.steps) == ["data", "train(fold=1)", "train(fold=2)", "measure"]
    assert list(found.matrices) == ["train"]
    assert [(rule.metric, rule.op) for rule in found.gate] == [("measure.auc", "min"), ("measure.loss", "min")]
    assert all(rule.limit == -1e300 and not rule.is_relative for rule in found.gate)
    assert set(found.left_out) == {"aside", "publish"}


def test_a_gate_without_metrics_has_no_noise() -> None:
    text = FLOW[: FLOW.index("  - {metric: measure.auc")] + "  - {metric: run.cost_usd, max: 1}\n"
    with pytest.raises(InputError, match=r"flow\.yaml has no gate on metrics of its steps"):
        noise_flow(flow(text))


def test_a_seed_that_nothing_reads_is_refused() -> None:
    check_seed("seed", flow(seed="1"), flow(seed="2"))
    with pytest.raises(InputError, match='do not depend on the param "other": none of "data", "train", "measure"'):
        check_seed("other", flow(other="1"), flow(other="2"))


def test_metrics_of_the_gate_come_first_and_those_that_a_run_lacks_are_left_out() -> None:
    runs = [{"measure.n": 1.0, "measure.auc": 0.9}, {"measure.auc": 0.8, "measure.n": 1.0}, {"measure.auc": 0.7}]
    [noise] = measured_noise(flow(), runs)
    assert (noise.metric, noise.values) == ("measure.auc", (0.9, 0.8, 0.7))
    assert [(rule.op, rule.limit) for rule in noise.limits] == [("max_drop", 0.02)]
    document = noise_json([noise])["measure.auc"]
    assert isinstance(document, dict)
    assert document["gate"] == [{"op": "max_drop", "limit": 0.02, "relative": False, "false_reds": pytest.approx(0.5)}]
