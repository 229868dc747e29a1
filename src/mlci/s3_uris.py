"""S3 URIs, split and joined in one place."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

#: The URIs of outputs, by step and output.
Outputs: TypeAlias = Mapping[str, Mapping[str, str]]


def split_s3_uri(uri: str) -> tuple[str, str]:
    """Return the bucket and the key of an S3 URI; the key of a whole bucket is empty.

    >>> split_s3_uri("s3://data/raw/x.csv")
    ('data', 'raw/x.csv')
    >>> split_s3_uri("s3://data")
    ('data', '')
    """
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    return bucket, key


def output_file_uri(outputs: Mapping[str, str], file: str) -> str | None:
    """Return the URI of `<output>/<file>`, by the URIs of a step's outputs; None where that output is not there.

    >>> output_file_uri({"evaluation": "s3://b/run/evaluation/"}, "evaluation/cases.csv")
    's3://b/run/evaluation/cases.csv'
    """
    output, _, rest = file.partition("/")
    folder = outputs.get(output)
    return f"{folder}{rest}" if folder else None
