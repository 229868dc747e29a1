"""The estimated cost of steps: billed seconds, instances and a table of prices."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import date, datetime, timedelta, timezone
from importlib.resources import files

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlci.backends.progress import StepState
from mlci.costs import Prices, StepCost, load_prices, run_cost, step_costs
from mlci.plan import ReusedResult
from support.compiled_flows import planned

NOW = datetime(2026, 12, 1, tzinfo=timezone.utc)
PRICES = Prices("2026-12-01", "us-east-1", {"ml.m5.xlarge": 0.36, "ml.g5.xlarge": 3.6})
FLOW = """flow: priced
defaults: {image: "mine.example/image:7", instance: ml.m5.xlarge}
steps:
  prep: {uses: processing, run: a.py}
  train: {uses: training, run: a.py, after: [prep], instance: ml.g5.xlarge, instance_count: 2}
"""


def ended(billed_s: float | None = 100, **changes: object) -> StepState:
    return replace(
        StepState("succeeded", NOW, NOW + timedelta(seconds=300), billed_s=billed_s),
        **changes,  # type: ignore[arg-type]
    )


def costs(
    text: str,
    steps: Mapping[str, StepState],
    region: str = "us-east-1",
    reused: Mapping[str, ReusedResult] | None = None,
) -> dict[str, StepCost]:
    return step_costs(planned(text, reused), steps, PRICES, region)


def test_billed_seconds_of_each_instance_are_paid() -> None:
    found = costs(FLOW, {"prep": ended(100), "train": ended(1_000)})
    assert found["prep"].usd == pytest.approx(0.01)
    assert found["train"].usd == pytest.approx(2.0)
    assert run_cost(found, ["prep", "train"]).usd == pytest.approx(2.01)
    assert run_cost(found, ["prep"]).usd == pytest.approx(0.01)
    assert run_cost(found, []).usd == 0


@given(st.floats(0, 1e6), st.integers(1, 20))
def test_twice_the_seconds_or_the_instances_cost_twice_as_much(seconds: float, count: int) -> None:
    def cost(billed_s: float, instances: int) -> float:
        text = FLOW.replace("instance_count: 2", f"instance_count: {instances}")
        usd = costs(text, {"train": ended(billed_s)})["train"].usd
        assert usd is not None
        return usd

    assert cost(2 * seconds, count) == pytest.approx(2 * cost(seconds, count))
    assert cost(seconds, 2 * count) == pytest.approx(2 * cost(seconds, count))


def test_groups_of_different_instances_are_added() -> None:
    groups = (
        "[{InstanceGroupName: a, InstanceType: ml.g5.xlarge, InstanceCount: 1}, "
        "{InstanceGroupName: b, InstanceType: ml.m5.xlarge, InstanceCount: 3}]"
    )
    text = FLOW.replace("instance_count: 2", f"request: {{ResourceConfig: {{InstanceGroups: {groups}}}}}")
    assert costs(text, {"train": ended(1_000)})["train"].usd == pytest.approx((3.6 + 3 * 0.36) / 3.6)


def test_what_did_not_run_costs_nothing() -> None:
    reused = {"prep": ReusedResult("20261101-101530-3f9c2a", {})}
    found = costs(FLOW, {"prep": StepState("reused"), "train": StepState("skipped")}, reused=reused)
    assert found == {"prep": StepCost(0.0), "train": StepCost(0.0)}


def test_the_build_s_own_minutes_are_not_counted() -> None:
    assert costs(FLOW, {"prep": ended(None, runs_on="build")})["prep"] == StepCost(0.0)


@pytest.mark.parametrize(
    ("state", "region", "reason"),
    [
        (
            ended(),
            "eu-west-1",
            "the table of 2026-12-01 has the prices of us-east-1 only, and the run was in eu-west-1",
        ),
        (ended(None), "us-east-1", 'the cost of "prep" is not known: its job told no seconds that are billed'),
    ],
)
def test_what_is_not_known_is_no_number(state: StepState, region: str, reason: str) -> None:
    found = costs(FLOW, {"prep": state}, region)
    assert found == {"prep": StepCost(None, reason)}
    assert run_cost(found, ["prep"]) == StepCost(None, reason)


def test_an_instance_that_the_table_lacks_has_no_price() -> None:
    found = costs(FLOW.replace("ml.g5.xlarge", "ml.c6g.large"), {"train": ended()})
    assert found["train"] == StepCost(None, "no price for ml.c6g.large in the table of 2026-12-01")


def test_a_run_on_this_machine_has_no_cost() -> None:
    plan = planned(FLOW)
    here = replace(plan, target=replace(plan.target, cores=4))
    found = step_costs(here, {"prep": ended()}, PRICES, "us-east-1")
    assert found["prep"] == StepCost(None, "what a run costs is known only on AWS, and this one ran on this machine")


def test_steps_that_start_no_instances_are_not_counted() -> None:
    text = FLOW + "  pause: {uses: wait, seconds: 5}\n"
    assert costs(text, {"pause": ended(None)})["pause"] == StepCost(0.0)


def test_trials_of_tuning_are_not_guessed() -> None:
    text = FLOW + (
        "  tune: {uses: tuning, run: a.py, max_jobs: 2, max_parallel_jobs: 1, instance: ml.m5.xlarge, "
        "metric_definitions: [{name: auc, regex: 'auc=(.*)'}], objective: {metric: auc, goal: maximize}, "
        "ranges: {eta: {min: 0.1, max: 0.3}}}\n"
    )
    reason = costs(text, {"tune": ended(None)})["tune"].reason
    assert reason == 'the cost of "tune" is not known: AWS does not say how many seconds of its trials it bills'


def test_the_table_is_dated_and_every_price_has_a_source() -> None:
    prices = load_prices()
    document = json.loads((files("mlci.costs") / "sagemaker_prices.json").read_text("utf-8"))
    assert date.fromisoformat(prices.date) <= date(2026, 12, 31)
    assert prices.region == "us-east-1"
    families = {name.rpartition(".")[0] for name in prices.hourly_usd}
    assert families == set(document["sources"])
    assert all(source.startswith("https://") for source in document["sources"].values())
    assert all(0 < price < 200 for price in prices.hourly_usd.values())


@pytest.mark.parametrize("family", ["ml.m5", "ml.c5", "ml.g4dn", "ml.g5", "ml.p3"])
def test_a_larger_instance_costs_more(family: str) -> None:
    prices = [price for name, price in load_prices().hourly_usd.items() if name.rpartition(".")[0] == family]
    assert prices == sorted(prices)
