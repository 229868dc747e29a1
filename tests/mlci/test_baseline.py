"""The baseline's format."""

from __future__ import annotations

import json

import pytest

from mlci.baseline import SCHEMA, parse_baseline
from mlci.errors import CloudError

URI = "s3://bucket/mlci/iris/baselines/main.json"


def test_the_metrics_are_read_by_step() -> None:
    document = {"schema": SCHEMA, "run_id": "r", "commit": None, "metrics": {"evaluate": {"auc": 0.9}}}
    assert parse_baseline(json.dumps(document).encode(), URI) == {"evaluate": {"auc": 0.9}}


@pytest.mark.parametrize("data", [b"", b"[]", b"1", b"{}", b'{"schema": 1}', b'{"schema": 1, "metrics": []}', b"\xff"])
def test_a_damaged_baseline_is_named_with_its_cure(data: bytes) -> None:
    with pytest.raises(CloudError, match=f"the baseline {URI} is damaged. Delete it"):
        parse_baseline(data, URI)


@pytest.mark.parametrize("schema", [2, "1", None, [1]])
def test_another_schema_is_named_with_its_cure(schema: object) -> None:
    data = json.dumps({"schema": schema, "metrics": {}}).encode()
    with pytest.raises(CloudError, match=r"has schema .*, and this version of mlci reads schema 1\. Upgrade mlci"):
        parse_baseline(data, URI)
