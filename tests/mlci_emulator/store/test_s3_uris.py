"""S3 URIs, and the URLs that SageMaker accepts in their place."""

from __future__ import annotations

import pytest

from mlci_emulator.errors import OperationError
from mlci_emulator.store.s3_uris import canonical_s3_uri


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("s3://data/raw/x", "s3://data/raw/x"),
        ("s3://data", "s3://data"),
        ("https://s3.amazonaws.com/data/raw/x", "s3://data/raw/x"),
        ("https://s3.eu-west-1.amazonaws.com/data/raw/", "s3://data/raw/"),
        ("https://s3.eu-west-1.amazonaws.com/data", "s3://data"),
        ("https://s3-eu-west-1.amazonaws.com/data/x", "s3://data/x"),
        ("https://s3.cn-north-1.amazonaws.com.cn/data/x", "s3://data/x"),
        ("https://data.s3.amazonaws.com/raw/x", "s3://data/raw/x"),
        ("https://my.data.s3.eu-west-1.amazonaws.com/x", "s3://my.data/x"),
        ("https://data.s3.dualstack.eu-west-1.amazonaws.com/x", "s3://data/x"),
        ("https://data.s3.eu-west-1.amazonaws.com", "s3://data/"),
    ],
)
def test_a_url_of_s3_is_an_s3_uri(uri: str, expected: str) -> None:
    assert canonical_s3_uri(uri) == expected


@pytest.mark.parametrize(
    "uri",
    [
        "https://example.com/data",
        "https://s3.amazonaws.com",
        "http://s3.amazonaws.com/data/x",
        "s3://",
        "data/x",
        "https://s3.amazonaws.com.example.com/data/x",
        "https://x.ec2.amazonaws.com/data",
    ],
)
def test_everything_else_is_rejected(uri: str) -> None:
    with pytest.raises(OperationError, match="is no S3 URI"):
        canonical_s3_uri(uri)
