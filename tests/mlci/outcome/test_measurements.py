"""What a run measures for its gate, of steps in each state."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import cast

import pytest

from mlci.backends.progress import Progress, StepState
from mlci.backends.protocol import Cloud
from mlci.gate import Measurement
from mlci.outcome.measurements import measure
from mlci.plan import ReusedResult, S3Uri
from support.compiled_flows import planned

NOW = datetime(2026, 12, 1, tzinfo=timezone.utc)
EARLIER = "20261101-101530-3f9c2a"
FLOW = """flow: measured
defaults: {image: "mine.example/image:7", instance: ml.m5.xlarge}
steps:
  train: {uses: training, run: a.py}
  folds: {uses: training, run: a.py, matrix: {fold: [1, 2]}}
gate:
  - {metric: run.steps.train.seconds, max: 60}
  - {metric: run.steps.train.model_bytes, max: 1000}
  - {metric: run.steps.folds.seconds, max: 60, aggregate: mean}
  - {metric: run.cost_usd, max: 1}
"""
SECONDS, BYTES = ("steps", "train", "seconds"), ("steps", "train", "model_bytes")
ENDED = StepState("succeeded", NOW, NOW + timedelta(seconds=41.5), billed_s=30)


class Sizes:
    """A store that tells the sizes of the objects below a URI."""

    def __init__(self, *sizes: int) -> None:
        self.sizes, self.asked = sizes, list[str]()

    def versions(self, prefix: str) -> Mapping[str, tuple[int, str]]:
        self.asked.append(prefix)
        return {f"{prefix}{index}": (size, "tag") for index, size in enumerate(self.sizes)}


def measured(
    train: StepState, reused: ReusedResult | None = None, region: str = "us-east-1"
) -> Mapping[tuple[str | int, ...], Measurement]:
    plan = planned(FLOW, {"train": reused} if reused else None)
    plan = replace(plan, target=replace(plan.target, region=region))
    steps = {**dict.fromkeys(plan.steps, ENDED), "train": train}
    return measure(plan, Progress(steps), cast(Cloud, Sizes(900, 50)), NOW)


def test_a_step_that_ran_has_its_time_and_the_size_of_its_model() -> None:
    found = measured(ENDED)
    assert found[SECONDS] == Measurement(41.5)
    assert found[BYTES] == Measurement(950)
    assert found["steps", "folds(fold=2)", "seconds"] == Measurement(41.5)


def test_the_cost_is_that_of_all_jobs_by_the_table() -> None:
    cost = measured(ENDED)["cost_usd",]
    assert cost.value == pytest.approx(3 * 30 * 0.23 / 3600)
    assert cost.note == "estimated by the on-demand prices of us-east-1 of 2026-12-01"
    elsewhere = measured(ENDED, region="eu-west-1")["cost_usd",]
    assert elsewhere.value is None
    assert elsewhere.note.startswith("the table of 2026-12-01 has the prices of us-east-1 only")


def test_a_reused_step_took_what_it_took_where_it_ran_and_costs_nothing() -> None:
    reused = ReusedResult(EARLIER, {"model": S3Uri("s3://b/earlier/")}, seconds=33.25)
    found = measured(StepState("reused", reused_from=EARLIER), reused)
    assert found[SECONDS] == Measurement(33.25, f"in run {EARLIER}, whose result is reused")
    assert found[BYTES] == Measurement(950)
    assert found["cost_usd",].value == pytest.approx(2 * 30 * 0.23 / 3600)


def test_a_record_of_an_older_mlci_has_no_time() -> None:
    found = measured(StepState("reused"), ReusedResult(EARLIER, {"model": S3Uri("s3://b/earlier/")}))
    assert found[SECONDS] == Measurement(None, f"run {EARLIER}, whose result is reused, kept no time of it")


def test_a_step_that_did_not_run_took_nothing() -> None:
    found = measured(StepState("skipped"))
    assert found[SECONDS] == found[BYTES] == Measurement(0.0, "it did not run")


def test_a_step_that_failed_left_no_model() -> None:
    found = measured(replace(ENDED, status="failed"))
    assert found[SECONDS] == Measurement(41.5)
    assert found[BYTES] == Measurement(None, 'step "train" has left no model')


def test_only_what_rules_ask_for_is_measured() -> None:
    plan, store = planned(FLOW[: FLOW.index("gate:")]), Sizes(1)
    assert measure(plan, Progress(dict.fromkeys(plan.steps, ENDED)), cast(Cloud, store), NOW) == {}
    assert store.asked == []
