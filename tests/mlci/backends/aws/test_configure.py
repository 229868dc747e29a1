"""The aws backend before a run: the location of its runs."""

from __future__ import annotations

from pathlib import Path

import pytest
from moto import mock_aws

from mlci.backends.aws.configure import AwsBackend
from mlci.backends.aws.settings import Settings, SettingValue
from mlci.backends.protocol import BackendOptions
from mlci.flow import load

FLOW = load(b'flow: small\nsteps: {one: {uses: processing, run: a.py, image: "mine.example/image:7"}}\n', "flow.yaml")


@pytest.mark.parametrize(
    ("region", "partition"), [("eu-west-1", "aws"), ("us-gov-west-1", "aws-us-gov"), ("cn-north-1", "aws-cn")]
)
def test_a_run_is_in_the_partition_of_its_region(region: str, partition: str) -> None:
    values = {"region": region, "bucket": "models", "job_role": "role"}
    settings = Settings({name: SettingValue(value, "") for name, value in values.items()})  # type: ignore[misc]
    backend = AwsBackend(BackendOptions(FLOW, Path(), {}), settings)
    with mock_aws():
        assert backend.location.partition == partition
