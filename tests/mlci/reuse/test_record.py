"""The document of a record: whole, or none."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlci.plan.models import S3Uri
from mlci.reuse.record import Record, RecordedMetrics, RecordedOutput, parse_record, render_record

RECORD = Record(
    key="5f" * 32,
    flow="small",
    step="train(fold=1)",
    run_id="20261123-101530-3f9c2a",
    made=datetime(2026, 11, 23, 10, 20, tzinfo=timezone.utc),
    outputs={
        "model": RecordedOutput(S3Uri("s3://b/model/"), {"model.tar.gz": (3, "e1")}),
        "none": RecordedOutput(S3Uri("s3://b/n/")),
    },
    metrics=RecordedMetrics(S3Uri("s3://b/_metrics/metrics.json"), 12, "e2"),
    reads={"prepare": "20261122-101530-3f9c2a"},
    build="build:1",
    commit="c0ffee",
    role="arn:aws:sts::1:assumed-role/builds",
    seconds=41.25,
)


def test_a_record_is_read_as_it_was_written() -> None:
    assert parse_record(render_record(RECORD)) == RECORD
    least = Record(RECORD.key, "small", "wait", RECORD.run_id, RECORD.made, {})
    assert parse_record(render_record(least)) == least


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("schema", 2),
        ("schema", None),
        ("key", "5f"),
        ("key", 5),
        ("flow", None),
        ("step", 1),
        ("run_id", None),
        ("made", "yesterday"),
        ("made", "2026-11-23T10:20:00"),
        ("build", 1),
        ("commit", []),
        ("role", None),
        ("reads", []),
        ("reads", {"prepare": 1}),
        ("outputs", None),
        ("outputs", {"model": "s3://b/model/"}),
        ("outputs", {"model": {"uri": "s3://b/model/"}}),
        ("outputs", {"model": {"uri": "s3://b/model/", "files": {"a": [-1, "e"]}}}),
        ("outputs", {"model": {"uri": "s3://b/model/", "files": {"a": [True, "e"]}}}),
        ("outputs", {"model": {"uri": "s3://b/model/", "files": {"a": [1]}}}),
        ("metrics", "s3://b/m"),
        ("metrics", {"uri": "s3://b/m", "size": "1", "tag": "e"}),
    ],
)
def test_a_document_with_a_damaged_field_is_none(field: str, value: object) -> None:
    document = json.loads(render_record(RECORD))
    assert parse_record(json.dumps({**document, field: value}).encode()) is None
    del document[field]
    assert parse_record(json.dumps(document).encode()) is None


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"null", b"\xff\xfe", b"[" * 100_000])
def test_what_is_no_document_is_none(data: bytes) -> None:
    assert parse_record(data) is None


@given(st.integers(0, len(render_record(RECORD)) - 2))
def test_a_truncated_document_is_none(size: int) -> None:
    assert parse_record(render_record(RECORD)[:size]) is None


@pytest.mark.parametrize("seconds", ["41", True, -1, float("nan"), float("inf")])
def test_a_damaged_time_is_none(seconds: object) -> None:
    document = json.loads(render_record(RECORD))
    assert parse_record(json.dumps({**document, "seconds": seconds}).encode()) is None


def test_a_document_of_an_older_version_has_no_time() -> None:
    document = json.loads(render_record(RECORD))
    del document["seconds"]
    assert parse_record(json.dumps(document).encode()) == replace(RECORD, seconds=None)


def test_a_document_may_have_more_fields_than_this_version_knows() -> None:
    document = json.loads(render_record(RECORD))
    assert parse_record(json.dumps({**document, "note": "later"}).encode()) == RECORD
