"""The objects below inputs in S3: each counts, up to a limit, and what can't be listed is told."""

from __future__ import annotations

from typing import cast

import pytest

from mlci.backends.protocol import Cloud
from mlci.flow import load
from mlci.flow.models import Json
from mlci.plan import Target, plan
from mlci.records.input_objects import changed_inputs, input_objects
from mlci.reuse.key_document import RunKeys, StepKey
from mlci.stage.models import Staged
from support.recorded_steps import InMemoryCloud, tag

FLOW = load(
    b"""
flow: small
defaults: {image: "mine.example/image:7"}
steps:
  a: {uses: processing, entrypoint: [a], inputs: {x: "s3://lake/raw/", y: "s3://other/one.csv"}, outputs: [o]}
  b: {uses: processing, entrypoint: [a], inputs: {x: "s3://lake/raw/", z: "${{ steps.a.outputs.o }}"}, outputs: [o]}
""",
    "flow.yaml",
)
PLAN = plan(FLOW, Staged({}, {}, {"a": "i", "b": "i"}), Target("b", "jobs", "20261123-101530-3f9c2a"))
OBJECTS = {"s3://lake/raw/a.csv": b"a", "s3://lake/raw/in/b.csv": b"bb", "s3://other/one.csv": b"1", "s3://lake/r": b""}


def listed(cloud: InMemoryCloud) -> tuple[dict[str, Json], list[str]]:
    said: list[str] = []
    return input_objects(PLAN, cast(Cloud, cloud), said.append), said


def test_each_object_counts_by_its_size_and_tag() -> None:
    objects, said = listed(InMemoryCloud(OBJECTS))
    assert objects == {
        "s3://lake/raw/": {"a.csv": [1, tag(b"a")], "in/b.csv": [2, tag(b"bb")]},
        "s3://other/one.csv": {"": [1, tag(b"1")]},
    }
    assert not said


def test_what_can_t_be_listed_is_told_once_and_left_out() -> None:
    objects, said = listed(InMemoryCloud(OBJECTS, unreadable="lake"))
    assert list(objects) == ["s3://other/one.csv"]
    assert said == ["what reads s3://lake/raw/ is not reused: AccessDenied"]


@pytest.mark.parametrize(("count", "is_named"), [(1_000, True), (1_001, False)])
def test_many_objects_count_by_one_hash(count: int, is_named: bool) -> None:
    cloud = InMemoryCloud({f"s3://lake/raw/{number:05}": b"" for number in range(count)})
    objects, _ = listed(cloud)
    found = objects["s3://lake/raw/"]
    assert isinstance(found, dict)
    assert (len(found) == count) is is_named
    cloud.objects["s3://lake/raw/00007"] = b"changed"
    assert listed(cloud)[0] != objects


def test_too_many_objects_are_not_known() -> None:
    cloud = InMemoryCloud({f"s3://lake/raw/{number}": b"" for number in range(10_001)})
    objects, said = listed(cloud)
    assert "s3://lake/raw/" not in objects
    assert said == ["what reads s3://lake/raw/ is not reused: it has more than 10,000 objects"]
    del cloud.objects["s3://lake/raw/7"]
    assert "s3://lake/raw/" in listed(cloud)[0]


def test_a_step_whose_objects_changed_while_it_ran_is_told() -> None:
    cloud = InMemoryCloud(dict(OBJECTS))
    objects, _ = listed(cloud)
    lake, one = ({"uri": uri, "objects": found} for uri, found in sorted(objects.items()))
    inputs: dict[str, dict[str, Json]] = {"a": {"x": lake, "y": one}, "b": {"x": lake}, "c": {"y": one}, "d": {}}
    keys = RunKeys("small", {step: StepKey(step, {"inputs": each}) for step, each in inputs.items()})
    assert changed_inputs(keys, inputs, cast(Cloud, cloud)) == {}
    cloud.objects["s3://lake/raw/new.csv"] = b""
    assert changed_inputs(keys, inputs, cast(Cloud, cloud)) == dict.fromkeys("ab", "s3://lake/raw/")
    assert changed_inputs(keys, ["c", "d"], cast(Cloud, cloud)) == {}
    cloud.unreadable = "other"
    assert changed_inputs(keys, ["c"], cast(Cloud, cloud)) == {"c": "s3://other/one.csv"}
