"""The number of jobs that run at once, and the share of the cores that each gets."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from mlci.compile.concurrency import jobs_at_once, max_parallel, shares_of_cores
from mlci.compile.structure import composition_of
from mlci.flow import load
from mlci.plan import Plan, Target, plan
from mlci.stage.models import CodeUnit, Staged, StagedFile
from mlci.step_types.script_start import ScriptStart

FLOW = """
flow: wide
defaults: {image: "mine.example/image:7"}
steps:
  split: {uses: processing, run: a.py}
  pause: {uses: wait, seconds: 1, after: split}
  train: {uses: processing, run: a.py, matrix: {fold: [1, 2, 3, 4, 5]}, after: split}
  score: {uses: processing, run: a.py, matrix: {fold: [1, 2, 3, 4, 5]}, max_parallel: 3, after: train}
  beside: {uses: processing, run: a.py, after: split}
  last: {uses: processing, run: a.py, after: [score, beside, pause]}
"""


def planned(cores: int | None, text: str = FLOW) -> Plan:
    flow = load(text.encode(), "flow.yaml", {}, {})
    files = (StagedFile("a.py", "0" * 64, 0, Path("a.py"), b""),)
    unit = CodeUnit(ScriptStart({"script": "a.py"}), files, files)
    staged = Staged(dict.fromkeys(flow.steps, unit), {}, dict.fromkeys(flow.steps, "mine:7"))
    target = Target("bucket", "arn:aws:iam::000000000000:role/r", "20261123-101530-3f9c2a", cores=cores)
    return plan(flow, staged, target)


def test_the_cells_and_the_steps_beside_them_share_the_cores() -> None:
    of = planned(cores=8)
    assert jobs_at_once(of, composition_of(of)) == {
        "split": 1, "pause": 4, "train": 4, "score": 4, "beside": 4, "last": 1
    }  # fmt: skip
    assert shares_of_cores(of, composition_of(of)) == {"pause": 2, "train": 2, "score": 2, "beside": 2}


def test_no_job_gets_less_than_a_core() -> None:
    of = planned(cores=2)
    assert set(shares_of_cores(of, composition_of(of)).values()) == {1}


@pytest.mark.parametrize(
    ("cores", "steps", "expected"), [(2, ["train"], 2), (8, ["train", "score"], 3), (None, ["train"], 0)]
)
def test_cells_run_at_once_as_the_flow_says_else_one_for_each_core_of_this_machine(
    cores: int | None, steps: list[str], expected: int
) -> None:
    assert max_parallel(planned(cores), steps) == expected


def test_the_number_of_cells_bounds_the_jobs() -> None:
    of = planned(64, FLOW.replace("[1, 2, 3, 4, 5]", "[1, 2]"))
    assert jobs_at_once(of, composition_of(of))["train"] == 3
    assert jobs_at_once(replace(of, target=replace(of.target, cores=None)), composition_of(of))["train"] == 3


def test_the_instances_of_a_job_share_the_cores() -> None:
    of = planned(
        8, FLOW.replace("last: {", "last: {instance_count: 4, ").replace("beside: {", "beside: {instance_count: 3, ")
    )
    assert jobs_at_once(of, composition_of(of))["last"] == 4
    assert jobs_at_once(of, composition_of(of))["beside"] == 6
    shares = shares_of_cores(of, composition_of(of))
    assert (shares["last"], shares["beside"], shares["train"]) == (2, 1, 1)


@pytest.mark.parametrize(("cores", "at_once", "shares"), [(8, 3, {"tune": 2}), (2, 2, {"tune": 1}), (1, 1, {})])
def test_the_trials_of_a_tuning_job_share_the_cores(cores: int, at_once: int, shares: dict[str, int]) -> None:
    text = """
flow: tuned
steps:
  tune:
    uses: tuning
    image: mine.example/image:7
    run: a.py
    ranges: {depth: {min: 1, max: 9}}
    metric_definitions: [{name: auc, regex: auc=(.*)}]
    objective: {metric: auc, goal: maximize}
    max_jobs: 9
    max_parallel_jobs: 3
"""
    of = planned(cores, text)
    assert jobs_at_once(of, composition_of(of)) == {"tune": at_once}
    assert shares_of_cores(of, composition_of(of)) == shares
