"""Fixtures of both clouds' tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from moto import mock_aws

from support.aws_builds import Builder
from support.fake_aws import REGION, PretendAws, Script
from support.fixtures import jobs, place

__all__ = ["jobs", "place"]


@pytest.fixture
def pretended(monkeypatch: pytest.MonkeyPatch) -> Iterator[PretendAws]:
    """An AWS with an empty bucket, on which the step `measure` of a Builder's flow measures well."""
    with mock_aws(config={"core": {"passthrough": {"services": ["stepfunctions", "sagemaker", "logs"]}}}):
        monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
        made = PretendAws()
        made.sagemaker.scripts["measure"] = Script(metrics={"auc": 0.95})
        yield made


@pytest.fixture
def builder(tmp_path: Path, pretended: PretendAws) -> Builder:
    made = Builder(tmp_path, pretended)
    made.write()
    return made
