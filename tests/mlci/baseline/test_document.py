"""The baseline's format."""

from __future__ import annotations

import json
from datetime import datetime, timezone

import pytest

from mlci.baseline.document import SCHEMA, parse_baseline, render_baseline
from mlci.errors import CloudError
from mlci.flow.models import Rule
from mlci.plan import Baseline

URI = "s3://bucket/mlci/iris/baselines/main.json"
COMMITTED = datetime(2026, 11, 23, 8, 15, 30, tzinfo=timezone.utc)
BASELINE = Baseline(
    {"a": {"b": [1]}},
    "r",
    "0" * 40,
    COMMITTED,
    "set",
    {"a": {"model": "s3://b/model/"}},
    {"a": "s3://b/model/cases.csv"},
    {"a": "s3://b/model/ids.csv"},
    (
        Rule("a", ("b", 0), "max_drop", 0.02, is_relative=True),
        Rule("a", ("b", 0), "min", 3, aggregate="mean", cells=("a(x=1)", "a(x=2)")),
    ),
    {"depth": 4, "rate": 0.5, "name": "x", "is_on": True},
    ("20261123-101530-3f9c2a",),
    keys="s3://b/mlci/iris/baselines/outputs/r/keys.json",
)


def test_the_metrics_are_read_by_step() -> None:
    document = {"schema": SCHEMA, "run_id": "r", "commit": None, "gate": [], "metrics": {"evaluate": {"auc": 0.9}}}
    assert parse_baseline(json.dumps(document).encode(), URI) == Baseline({"evaluate": {"auc": 0.9}}, "r")


def test_a_baseline_is_read_as_it_was_written() -> None:
    for baseline in (BASELINE, Baseline(origin="reset"), Baseline(run_id="r", is_gate_known=False)):
        assert parse_baseline(render_baseline(baseline), URI) == baseline


@pytest.mark.parametrize("committed", [1, "yesterday", "2026-11-23T10:15:30", None])
def test_a_time_that_can_not_be_compared_is_not_known(committed: object) -> None:
    document = {"schema": SCHEMA, "run_id": 1, "commit": [], "metrics": {}, "committed": committed, "origin": "else"}
    assert parse_baseline(json.dumps(document).encode(), URI) == Baseline(is_gate_known=False)


@pytest.mark.parametrize("data", [b"", b"[]", b"1", b"{}", b'{"schema": 1}', b'{"schema": 1, "metrics": []}', b"\xff"])
def test_a_damaged_baseline_is_named_with_its_cure(data: bytes) -> None:
    with pytest.raises(CloudError, match=f"the baseline {URI} is damaged. Reset it"):
        parse_baseline(data, URI)


@pytest.mark.parametrize("schema", [2, "1", None, [1]])
def test_another_schema_is_named_with_its_cure(schema: object) -> None:
    data = json.dumps({"schema": schema, "metrics": {}}).encode()
    with pytest.raises(CloudError, match=r"has schema .*, and this version of mlci reads schema 1\. Upgrade mlci"):
        parse_baseline(data, URI)


@pytest.mark.parametrize("outputs", [None, [], {"a": "s3://b/model/"}, {"a": {"model": 1}}, {"b": None}])
def test_outputs_that_are_not_understood_are_none(outputs: object) -> None:
    document = {**json.loads(render_baseline(BASELINE)), "outputs": outputs}
    read = parse_baseline(json.dumps(document).encode(), URI)
    assert read.metrics == BASELINE.metrics
    assert not any(read.outputs.values())


def test_a_baseline_of_an_older_mlci_has_no_more_than_its_metrics_and_outputs() -> None:
    written = json.loads(render_baseline(BASELINE))
    older = {
        name: written[name] for name in ("schema", "run_id", "commit", "committed", "origin", "metrics", "outputs")
    }
    outputs = {"a": {"model": "s3://b/model/"}}
    expected = Baseline({"a": {"b": [1]}}, "r", "0" * 40, COMMITTED, "set", outputs, is_gate_known=False)
    assert parse_baseline(json.dumps(older).encode(), URI) == expected


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ({"step": "a", "path": ["b"], "op": "min", "limit": 1, "blocks": True}, 'it has a field "blocks"'),
        ({"step": "a", "path": ["b"], "op": "least", "limit": 1}, 'it has the op "least"'),
        ({"step": "a", "path": ["b"], "op": "min"}, 'it has no "limit"'),
        ({"step": "a", "path": [], "op": "min", "limit": 1}, "it is damaged"),
        ({"step": "a", "path": ["b"], "op": "min", "limit": "1"}, "it is damaged"),
        ("a", "it is no object"),
    ],
)
def test_a_rule_that_is_not_understood_is_an_error_and_never_left_out(rule: object, message: str) -> None:
    document = {**json.loads(render_baseline(BASELINE)), "gate": [rule]}
    with pytest.raises(CloudError, match=f"has a rule that this version of mlci does not know: {message}. Upgrade"):
        parse_baseline(json.dumps(document).encode(), URI)


@pytest.mark.parametrize("field", [{"gate": {}}, {"params": []}, {"params": {"depth": [4]}}])
def test_a_gate_or_params_of_another_shape_are_damaged(field: dict[str, object]) -> None:
    document = {**json.loads(render_baseline(BASELINE)), **field}
    with pytest.raises(CloudError, match="is damaged"):
        parse_baseline(json.dumps(document).encode(), URI)
