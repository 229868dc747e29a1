"""Checks before a local run: what was right once is known from the cache, and what is wrong never is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from mlci.backends.local_checks import check_definition, jobs_for_aws_alone
from mlci.errors import InputError
from mlci.stage.cache import Cache
from support.compiled_flows import planned

FLOW = """
flow: f
steps:
  train:
    uses: training
    image: xgboost:1.7-1
    run: train.py
    hyperparameters: {depth: 3}
"""
PASS = '{"StartAt": "a", "States": {"a": {"Type": "Pass", "End": true}}}'


def entries(folder: Path) -> int:
    return len(list(folder.iterdir())) if folder.exists() else 0


def test_a_definition_that_was_right_is_known(tmp_path: Path) -> None:
    check_definition(PASS, Cache(tmp_path))
    assert entries(tmp_path) == 1
    check_definition(PASS, Cache(tmp_path))
    for _ in range(2):
        with pytest.raises(InputError, match="nowhere"):
            check_definition(PASS.replace('"StartAt": "a"', '"StartAt": "nowhere"'), Cache(tmp_path))
    assert entries(tmp_path) == 1


def test_jobs_that_were_right_are_known_in_other_runs(tmp_path: Path) -> None:
    cache, plan = Cache(tmp_path), planned(FLOW)
    assert jobs_for_aws_alone(plan, cache) == []
    assert entries(tmp_path) == 1
    assert jobs_for_aws_alone(planned(FLOW.replace("depth: 3", "depth: 4")), cache) == []
    assert entries(tmp_path) == 2
    step = plan.steps["train"]
    unlisted = {**step.request, "EnableNetworkIsolation": "yes"}
    for _ in range(2):
        with pytest.raises(InputError, match="EnableNetworkIsolation"):
            jobs_for_aws_alone(replace(plan, steps={"train": replace(step, request=unlisted)}), cache)
    assert entries(tmp_path) == 2
