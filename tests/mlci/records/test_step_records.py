"""Records in a bucket: found only where they may lie, and used only if all they name is there as recorded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import cast

import pytest

from mlci.backends.protocol import Cloud
from mlci.plan import S3Uri, Target
from mlci.records.step_records import find_records, write_records
from mlci.reuse.record import Record, RecordedMetrics, RecordedOutput, parse_record, render_record
from support.recorded_steps import (
    BASE,
    KEYS,
    LATER,
    MADE,
    PULL_REQUEST,
    ROLES,
    RUN,
    InMemoryCloud,
    flow_plan,
    tag,
)


def as_seen(cloud: InMemoryCloud, is_protected: bool) -> Cloud:
    return cast(Cloud, InMemoryCloud(cloud.objects, ROLES[is_protected], cloud.name, cloud.unreadable))


def make(cloud: InMemoryCloud, target: Target, content: bytes = b"data", said: list[str] | None = None) -> None:
    """Write what a run leaves: its outputs, and their records."""
    planned = flow_plan(target)
    prepare, score = planned.steps["prepare"].outputs, planned.steps["score"].outputs
    for uri in (
        f"{prepare['table']}a.csv",
        f"{prepare['table']}inner/b.csv",
        f"{prepare['rest']}c",
        f"{score['m']}m.json",
    ):
        cloud.objects[uri] = content
    reads = {"score": {"prepare": target.run_id}}
    log = (said if said is not None else []).append
    write_records(planned, KEYS, reads, {"score": 41.5}, MADE, as_seen(cloud, target.is_protected), log)


def find(cloud: InMemoryCloud, target: Target, step: str = "prepare") -> list[tuple[str, bool]]:
    """Return the run of each record that a run finds, and True if it is of the base branch."""
    found = find_records(KEYS.values(), "small", target, as_seen(cloud, target.is_protected))
    return [(record.run_id, all("/protected/" in uri for uri in record.uris)) for record in found.get(KEYS[step], ())]


@pytest.fixture
def cloud() -> InMemoryCloud:
    return InMemoryCloud()


def test_a_record_tells_what_a_step_made_and_who_made_it(cloud: InMemoryCloud) -> None:
    make(cloud, PULL_REQUEST)
    record = parse_record(cloud.objects[f"s3://b/mlci/small/records/{KEYS['score']}/{RUN}.json"])
    assert record is not None
    folder = f"s3://b/mlci/small/runs/{RUN}/score/m/"
    assert record.outputs == {"m": RecordedOutput(S3Uri(folder), {"m.json": (4, tag(b"data"))})}
    assert record.metrics == RecordedMetrics(S3Uri(f"{folder}m.json"), 4, tag(b"data"))
    assert (record.build, record.commit, record.role) == ("build:1", "c0ffee", ROLES[False])
    assert record.reads == {"prepare": RUN}
    assert record.seconds == 41.5
    assert find_records(KEYS.values(), "small", PULL_REQUEST, as_seen(cloud, False))[KEYS["score"]] == (record,)


def test_the_newest_record_comes_first(cloud: InMemoryCloud) -> None:
    assert find(cloud, PULL_REQUEST) == []
    make(cloud, PULL_REQUEST)
    make(cloud, replace(PULL_REQUEST, run_id=LATER))
    assert find(cloud, PULL_REQUEST) == [(LATER, False), (RUN, False)]


@pytest.mark.parametrize("others", [0, 20])
def test_a_record_is_found_among_many_keys(cloud: InMemoryCloud, others: int) -> None:
    keys = [*(f"{number:064x}" for number in range(others)), *KEYS.values()]
    assert find_records(keys, "small", PULL_REQUEST, as_seen(cloud, False)) == {}
    make(cloud, PULL_REQUEST)
    assert set(find_records(keys, "small", PULL_REQUEST, as_seen(cloud, False))) == set(KEYS.values())
    cloud.unreadable = "small"
    assert find_records(keys, "small", PULL_REQUEST, as_seen(cloud, False)) == {}


def test_pull_requests_read_the_base_branch_s_first_and_the_base_branch_only_its_own(cloud: InMemoryCloud) -> None:
    make(cloud, replace(PULL_REQUEST, run_id=LATER))
    make(cloud, BASE)
    assert find(cloud, PULL_REQUEST) == [(RUN, True), (LATER, False)]
    assert find(cloud, BASE) == [(RUN, True)]


def test_records_of_the_base_branch_name_copies_of_what_its_runs_made(cloud: InMemoryCloud) -> None:
    make(cloud, BASE)
    key = KEYS["score"]
    [record] = find_records([key], "small", BASE, as_seen(cloud, True))[key]
    folder = f"s3://b/mlci/small/protected/records/outputs/{RUN}/score/m/"
    assert record.outputs == {"m": RecordedOutput(S3Uri(folder), {"m.json": (4, tag(b"data"))})}
    assert record.metrics == RecordedMetrics(S3Uri(f"{folder}m.json"), 4, tag(b"data"))
    for uri in [uri for uri in cloud.objects if "/protected/runs/" in uri]:
        del cloud.objects[uri]  # the runs' lifecycle ended
    assert find(cloud, BASE) == find(cloud, PULL_REQUEST) == [(RUN, True)]


def test_what_can_t_be_copied_is_not_recorded(cloud: InMemoryCloud) -> None:
    cloud.unreadable = "protected/records/outputs"
    said: list[str] = []
    make(cloud, BASE, said=said)
    assert said == ["the steps of this run can't be reused: their outputs were not copied: AccessDenied"]
    assert not [uri for uri in cloud.objects if "/records/" in uri]


def test_a_run_that_was_killed_before_its_record_leaves_none(cloud: InMemoryCloud) -> None:
    make(cloud, BASE)
    for uri in [uri for uri in cloud.objects if uri.endswith(f"{RUN}.json")]:
        del cloud.objects[uri]
    assert find(cloud, BASE) == []
    make(cloud, BASE)  # the build was started again, and attached to its run
    assert find(cloud, BASE) == [(RUN, True)]


TABLE = f"s3://b/mlci/small/runs/{RUN}/prepare/table/"


@pytest.mark.parametrize(
    "damage",
    [
        lambda objects: objects.pop(f"{TABLE}a.csv"),
        lambda objects: objects.update({f"{TABLE}a.csv": b"dat"}),
        lambda objects: objects.update({f"{TABLE}a.csv": b"tada"}),
        lambda objects: objects.update({f"{TABLE}0.csv": b"data"}),
        lambda objects: objects.update({f"{TABLE}z.csv": b"data"}),
        lambda objects: objects.update({f"{TABLE}inner/b.csv": b"", f"{TABLE}c": b""}),
        lambda objects: [objects.pop(uri) for uri in list(objects) if uri.startswith(TABLE)],
    ],
    ids=["missing", "truncated", "changed", "added before", "added behind", "moved", "all missing"],
)
def test_a_record_of_outputs_that_have_changed_is_none(
    cloud: InMemoryCloud, damage: Callable[[dict[str, bytes]], object]
) -> None:
    make(cloud, replace(PULL_REQUEST, run_id=LATER))
    make(cloud, PULL_REQUEST)
    damage(cloud.objects)
    assert find(cloud, PULL_REQUEST) == [(LATER, False)]
    assert find(cloud, PULL_REQUEST, "score") == [(LATER, False), (RUN, False)]


def test_a_file_beside_an_output_is_none_of_it(cloud: InMemoryCloud) -> None:
    make(cloud, PULL_REQUEST)
    cloud.objects[f"s3://b/mlci/small/runs/{RUN}/prepare/table2/x"] = b""
    assert find(cloud, PULL_REQUEST) == [(RUN, False)]


def test_swapped_files_are_found(cloud: InMemoryCloud) -> None:
    make(cloud, PULL_REQUEST)
    cloud.objects[f"{TABLE}a.csv"] = b"tada"
    make(cloud, replace(PULL_REQUEST, run_id=LATER))
    one, other = f"{TABLE}a.csv", f"{TABLE}inner/b.csv"
    cloud.objects[one], cloud.objects[other] = cloud.objects[other], cloud.objects[one]
    assert find(cloud, PULL_REQUEST) == [(LATER, False)]


def test_changed_metrics_make_a_record_none(cloud: InMemoryCloud) -> None:
    make(cloud, PULL_REQUEST)
    cloud.objects[f"s3://b/mlci/small/runs/{RUN}/score/m/m.json"] = b"{1}"
    assert find(cloud, PULL_REQUEST, "score") == []
    assert find(cloud, PULL_REQUEST) == [(RUN, False)]


def test_a_record_is_never_replaced(cloud: InMemoryCloud) -> None:
    make(cloud, PULL_REQUEST)
    before = dict(cloud.objects)
    said: list[str] = []
    make(cloud, PULL_REQUEST, b"else", said)
    assert {uri: data for uri, data in cloud.objects.items() if "/records/" in uri} == {
        uri: data for uri, data in before.items() if "/records/" in uri
    }
    assert not said


def test_a_damaged_record_is_none(cloud: InMemoryCloud) -> None:
    make(cloud, PULL_REQUEST)
    uri = f"s3://b/mlci/small/records/{KEYS['prepare']}/{RUN}.json"
    cloud.objects[uri] = cloud.objects[uri][:-9]
    assert find(cloud, PULL_REQUEST) == []
    cloud.objects[uri] = b"{}"
    assert find(cloud, PULL_REQUEST) == []


def forged(cloud: InMemoryCloud, uri: str, **fields: object) -> None:
    """Put a record of the base branch's run, with other fields, at a URI."""
    make(cloud, BASE)
    record = parse_record(cloud.objects.pop(f"s3://b/mlci/small/protected/records/{KEYS['prepare']}/{RUN}.json"))
    assert record is not None
    cloud.objects[uri] = render_record(replace(record, **fields))  # type: ignore[arg-type]


def no_files(uri: str) -> dict[str, RecordedOutput]:
    return {"table": RecordedOutput(S3Uri(uri))}


BASE_RECORD = f"s3://b/mlci/small/protected/records/{KEYS['prepare']}/{RUN}.json"


@pytest.mark.parametrize(
    ("uri", "fields"),
    [
        (BASE_RECORD, {"role": ROLES[False]}),
        (BASE_RECORD, {"outputs": no_files(f"s3://b/mlci/small/runs/{RUN}/prepare/none/")}),
        (BASE_RECORD, {"outputs": no_files(f"s3://b/mlci/small/protected/runs/{RUN}/prepare/none/")}),
        (BASE_RECORD, {"outputs": no_files(f"s3://elsewhere/mlci/small/protected/records/outputs/{RUN}/none/")}),
        (BASE_RECORD, {"outputs": no_files(f"s3://b/mlci/small/protected/records/outputs/{LATER}/none/")}),
        (BASE_RECORD, {"run_id": LATER}),
        (BASE_RECORD, {"flow": "other"}),
        (BASE_RECORD, {"key": KEYS["score"]}),
        (BASE_RECORD.replace(RUN, LATER), {}),
        (BASE_RECORD.replace(KEYS["prepare"], KEYS["score"]), {}),
        (BASE_RECORD.replace("/protected/", "/"), {}),
    ],
    ids=[
        "role",
        "folder",
        "expiring folder",
        "bucket",
        "run of output",
        "run",
        "flow",
        "key",
        "moved run",
        "moved key",
        "other scope",
    ],
)
def test_a_forged_record_is_ignored(cloud: InMemoryCloud, uri: str, fields: dict[str, object]) -> None:
    forged(cloud, BASE_RECORD)
    assert find(cloud, BASE) == find(cloud, PULL_REQUEST) == [(RUN, True)]
    forged(cloud, uri, **fields)
    for target in (BASE, PULL_REQUEST):
        found = find_records(KEYS.values(), "small", target, as_seen(cloud, target.is_protected))
        assert "prepare" not in [record.step for records in found.values() for record in records]


def test_what_can_t_be_read_is_as_if_it_were_not_there(cloud: InMemoryCloud) -> None:
    make(cloud, BASE)
    make(cloud, replace(PULL_REQUEST, run_id=LATER))
    cloud.unreadable = f"protected/records/{KEYS['prepare']}"
    assert find(cloud, PULL_REQUEST) == [(LATER, False)]
    cloud.unreadable = "runs"
    assert find(cloud, PULL_REQUEST) == [(RUN, True)]
    cloud.unreadable = "small"
    assert find(cloud, PULL_REQUEST) == []


def test_a_record_that_can_t_be_written_is_told(cloud: InMemoryCloud) -> None:
    cloud.unreadable = f"records/{KEYS['score']}"
    said: list[str] = []
    make(cloud, PULL_REQUEST, said=said)
    assert said == ['"score" can\'t be reused: its record was not written: AccessDenied']
    assert find(cloud, PULL_REQUEST) == [(RUN, False)]


def test_metrics_that_were_not_left_are_none_in_the_record(cloud: InMemoryCloud) -> None:
    planned = flow_plan(PULL_REQUEST)
    write_records(planned, KEYS, {}, {}, MADE, as_seen(cloud, False))
    records = find_records([KEYS["score"]], "small", PULL_REQUEST, as_seen(cloud, False))[KEYS["score"]]
    assert [(record.metrics, record.outputs["m"].files) for record in records] == [(None, {})]


def test_two_runs_that_record_at_once_are_both_right(cloud: InMemoryCloud) -> None:
    make(cloud, PULL_REQUEST, b"one")
    make(cloud, replace(PULL_REQUEST, run_id=LATER), b"two")
    found: tuple[Record, ...] = find_records([KEYS["prepare"]], "small", PULL_REQUEST, as_seen(cloud, False))[
        KEYS["prepare"]
    ]
    assert [each.outputs["table"].files["a.csv"][1] for each in found] == [tag(content) for content in (b"two", b"one")]
