"""The changes of a run since the baseline's, as far as its keys can be read."""

from __future__ import annotations

import json
from typing import cast

import pytest

from mlci.backends.protocol import Cloud
from mlci.flow.models import Flow
from mlci.outcome.since_baseline import changes_since_baseline
from mlci.plan import NO_BASELINE, Baseline, Plan, Target
from mlci.report.baseline_changes import BaselineChanges
from mlci.reuse.key_document import RunKeys, StepKey
from support.in_memory_objects import InMemoryObjects

URI = "s3://b/keys.json"
BEFORE, AFTER = (RunKeys("iris", {"train": StepKey(arg, {"args": [arg]})}) for arg in "xy")
BASELINE = Baseline(run_id="r1", commit="c1", keys=URI)


def changes(objects: dict[str, bytes], baseline: Baseline = BASELINE) -> tuple[BaselineChanges | None, list[str]]:
    lines: list[str] = []
    plan = Plan(Flow("iris", "flow.yaml", {}, {}, ()), Target("b", "role", "r2"), {}, (), baseline=baseline)
    return changes_since_baseline(plan, AFTER, cast(Cloud, InMemoryObjects(objects)), lines.append), lines


def test_the_keys_beside_the_baseline_tell_what_has_changed() -> None:
    found, lines = changes({URI: json.dumps(BEFORE.to_json()).encode()})
    assert found == BaselineChanges("r1", "c1", steps={"train": ("argument 1: x → y",)})
    assert lines == []


@pytest.mark.parametrize("data", [b"{", b" " * 20_000_001])
def test_changes_of_steps_are_not_known_where_the_keys_are_unreadable(data: bytes) -> None:
    found, lines = changes({URI: data})
    assert found == BaselineChanges("r1", "c1", steps=None)
    assert [line.partition(":")[0] for line in lines] == ["what has changed since the baseline is not known"]


def test_without_a_baseline_nothing_has_changed_since_it() -> None:
    assert changes({}, NO_BASELINE) == (None, [])
