"""Fixtures of a fake AWS; a conftest.py imports those that its tests use."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from moto import mock_aws

from support.fake_aws import REGION, PretendAws, Script


@pytest.fixture
def pretended(monkeypatch: pytest.MonkeyPatch) -> Iterator[PretendAws]:
    """An AWS with an empty bucket, on which the step `measure` of a Builder's flow measures well."""
    with mock_aws(config={"core": {"passthrough": {"services": ["stepfunctions", "sagemaker", "logs"]}}}):
        monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
        made = PretendAws()
        made.sagemaker.scripts["measure"] = Script(metrics={"auc": 0.95})
        yield made
