"""What of a bucket may go: nothing that is young, and nothing that anything kept refers to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from mlci.backends.protocol import StoredObject
from mlci.gc.plan import Limits, References, unneeded
from mlci.gc.units import mentioned, unit_of, units_of
from mlci.plan.models import S3Uri
from mlci.plan.names import Names
from mlci.reuse.record import Record, RecordedOutput

NOW = datetime(2026, 12, 1, 12, tzinfo=timezone.utc)
FLOW, IRIS = "iris", Names("iris")
RUNS = [f"202610{day:02}-101530-aaaaa{day % 10}" for day in range(1, 9)]
DIGESTS = [letter * 64 for letter in "abcd"]


def stored(key: str, days: float, size: int = 10) -> StoredObject:
    return StoredObject(f"s3://bucket/{key}", size, NOW - timedelta(days=days))


def going(
    objects: Iterable[StoredObject], references: References | None = None, keep: timedelta = timedelta(days=30)
) -> set[str]:
    """Return the prefixes of the units that may go."""
    units = units_of(objects, FLOW).values()
    return {unit.prefix for unit in unneeded(units, references or References(), Limits(NOW, keep), FLOW)}


def record(key: str, run_id: str, step: str = "train", is_protected: bool = False, **reads: str) -> Record:
    names = Names(FLOW, is_protected)
    folder = names.kept_outputs(run_id) if is_protected else names.run(run_id)
    made = datetime.strptime(run_id[:15], "%Y%m%d-%H%M%S").replace(tzinfo=timezone.utc)
    outputs = {"model": RecordedOutput(S3Uri(f"s3://bucket/{folder}/{step}/model/"))}
    return Record(key=key, flow=FLOW, step=step, run_id=run_id, made=made, outputs=outputs, reads=reads)


OLD = [
    stored(f"mlci/iris/runs/{RUNS[0]}/train/model/model.tar.gz", 60),
    stored(f"mlci/iris/protected/runs/{RUNS[1]}/train/model/model.tar.gz", 60),
    stored(f"mlci/iris/tokens/{RUNS[0]}/approve.json", 60),
    stored(f"mlci/iris/code/{DIGESTS[0]}/sourcedir.tar.gz", 60),
    stored(f"mlci/iris/protected/data/{DIGESTS[1]}/train.csv", 60),
    stored(f"mlci/iris/definitions/{DIGESTS[2]}.json", 60),
    stored(f"mlci/iris/baselines/outputs/{RUNS[2]}/train/model/m", 60),
    stored(f"mlci/iris/protected/records/outputs/{RUNS[3]}/train/model/m", 60),
]
UNKNOWN = [
    stored("mlci/iris/baselines/main.json", 400),
    stored(f"mlci/iris/baselines/main/{RUNS[0]}.json", 400),
    stored("mlci/iris/install/wheel.whl", 400),
    stored("mlci/iris/runs/by-hand/x", 400),
    stored(f"mlci/iris-2/runs/{RUNS[0]}/x", 400),
    stored("mlci/iris/code/mine.txt", 400),
]


def test_what_is_old_and_in_no_use_goes_and_what_mlci_does_not_know_stays() -> None:
    assert going([*OLD, *UNKNOWN]) == {
        f"mlci/iris/runs/{RUNS[0]}/",
        f"mlci/iris/protected/runs/{RUNS[1]}/",
        f"mlci/iris/tokens/{RUNS[0]}/",
        f"mlci/iris/code/{DIGESTS[0]}/",
        f"mlci/iris/protected/data/{DIGESTS[1]}/",
        f"mlci/iris/definitions/{DIGESTS[2]}.json",
        f"mlci/iris/baselines/outputs/{RUNS[2]}/",
        f"mlci/iris/protected/records/outputs/{RUNS[3]}/",
    }


def test_a_unit_is_as_young_as_its_newest_object_and_its_run() -> None:
    newer = stored(f"mlci/iris/runs/{RUNS[0]}/evaluate/metrics.json", 2)
    assert f"mlci/iris/runs/{RUNS[0]}/" not in going([*OLD, newer])
    assert going([stored("mlci/iris/runs/20261130-101530-aaaaaa/x", 9_000)]) == set()


def test_even_without_a_time_to_keep_a_day_is_kept_and_staged_objects_as_long_as_runs_take_them_as_they_are() -> None:
    young = [
        stored(f"mlci/iris/tokens/{RUNS[0]}/a.json", 0.9),
        stored(f"mlci/iris/code/{DIGESTS[0]}/sourcedir.tar.gz", 14.9),
    ]
    assert going(young, keep=timedelta()) == set()
    assert len(going([stored(young[0].uri[12:], 1.1), stored(young[1].uri[12:], 15.1)], keep=timedelta())) == 2


def test_a_run_that_goes_on_keeps_all_that_has_its_id_and_all_that_its_input_names() -> None:
    text = f'{{"uri": "s3://bucket/mlci/iris/code/{DIGESTS[0]}/", "key": "mlci/iris/protected/runs/{RUNS[1]}/train/m"}}'
    references = References(running=frozenset([RUNS[0]]), prefixes=frozenset(mentioned(text, FLOW)))
    assert going(OLD, references) == {
        f"mlci/iris/protected/data/{DIGESTS[1]}/",
        f"mlci/iris/definitions/{DIGESTS[2]}.json",
        f"mlci/iris/baselines/outputs/{RUNS[2]}/",
        f"mlci/iris/protected/records/outputs/{RUNS[3]}/",
    }


def test_a_baseline_keeps_its_run_and_its_outputs() -> None:
    gone = going(OLD, References(runs=frozenset([RUNS[1], RUNS[2]])))
    assert not gone & {f"mlci/iris/protected/runs/{RUNS[1]}/", f"mlci/iris/baselines/outputs/{RUNS[2]}/"}
    assert f"mlci/iris/runs/{RUNS[0]}/" in gone


def test_the_newest_record_of_a_step_stays_with_its_outputs_and_with_what_it_read() -> None:
    names = Names(FLOW, is_protected=True)
    found = [
        record(DIGESTS[0], RUNS[0], "prep", is_protected=True),
        record(DIGESTS[1], RUNS[1], is_protected=True),
        record(DIGESTS[2], RUNS[2], is_protected=True, prep=RUNS[0]),
        record(DIGESTS[3], RUNS[3], "prep", is_protected=True),
    ]
    objects = [stored(names.record(each.key, each.run_id), 60) for each in found]
    objects += [stored(f"{names.kept_outputs(each.run_id)}/{each.step}/model/m", 60) for each in found]
    references = References(records={names.record(each.key, each.run_id): each for each in found})
    assert going(objects, references) == {names.record(DIGESTS[1], RUNS[1]), f"{names.kept_outputs(RUNS[1])}/"}


def test_a_record_of_a_run_that_goes_on_keeps_what_it_names_and_read() -> None:
    made = {
        IRIS.record(each.key, each.run_id): each
        for each in (
            record(DIGESTS[0], RUNS[0], "prep"),
            record(DIGESTS[1], RUNS[1], prep=RUNS[0]),
            record(DIGESTS[2], RUNS[2], "prep"),
            record(DIGESTS[3], RUNS[3]),
        )
    }
    objects = [stored(key, 60) for key in made] + [stored(f"{IRIS.run(run_id)}/x", 60) for run_id in RUNS[:4]]
    old = {f"{IRIS.run(run_id)}/" for run_id in RUNS[:2]}
    old |= {IRIS.record(digest, run_id) for digest, run_id in zip(DIGESTS[:2], RUNS[:2], strict=True)}
    assert going(objects, References(records=made)) == old
    assert going(objects, References(running=frozenset([RUNS[1]]), records=made)) == set()


def test_a_record_that_can_not_be_read_goes_once_it_is_old() -> None:
    key = Names(FLOW).record(DIGESTS[0], RUNS[0])
    assert going([stored(key, 60)]) == {key}
    assert going([stored(key, 20)]) == set()


@st.composite
def buckets(draw: st.DrawFn) -> tuple[list[StoredObject], References]:
    """Return a bucket of runs, code and records of any age, and what is in use."""
    objects, records = [], {}
    days = st.floats(0, 90)
    for run_id in draw(st.lists(st.sampled_from(RUNS), unique=True)):
        for is_protected in draw(st.lists(st.booleans(), unique=True)):
            names = Names(FLOW, is_protected)
            folders = (names.run(run_id), names.kept_outputs(run_id))
            objects += [stored(f"{folder}/train/model/m", draw(days)) for folder in folders]
            key = draw(st.sampled_from(DIGESTS))
            reads = {"prep": draw(st.sampled_from(RUNS))} if draw(st.booleans()) else {}
            step = draw(st.sampled_from(["prep", "train"]))
            records[names.record(key, run_id)] = record(key, run_id, step, is_protected, **reads)
            objects.append(stored(names.record(key, run_id), draw(days)))
    objects += [stored(f"mlci/iris/code/{digest}/a.py", draw(days)) for digest in DIGESTS]
    some = st.frozensets(st.sampled_from(RUNS), max_size=2)
    named = draw(st.lists(st.sampled_from(objects), max_size=3))
    prefixes = frozenset(prefix for each in named for prefix in mentioned(each.uri, FLOW))
    return objects, References(draw(some), draw(some), prefixes, records, draw(st.booleans()))


@given(buckets(), st.integers(0, 90))
def test_nothing_goes_that_anything_kept_refers_to(
    bucket: tuple[list[StoredObject], References], keep_days: int
) -> None:
    objects, references = bucket
    units = units_of(objects, FLOW)
    gone = going(objects, references, timedelta(days=keep_days))
    for prefix in gone:
        assert units[prefix].run_id not in references.running
        assert prefix not in references.prefixes
        assert units[prefix].newest <= NOW - timedelta(days=max(keep_days, 1))
        assert not (units[prefix].kind in ("runs", "recorded outputs") and units[prefix].run_id in references.runs)
    for prefix in units.keys() - gone:
        kept = references.records.get(prefix)
        if kept is not None:
            assert not gone & set(_named_by(kept))
            read = {(step, run_id) for step, run_id in kept.reads.items()}
            makers = {key for key, each in references.records.items() if (each.step, each.run_id) in read}
            assert not gone & makers


def _named_by(kept: Record) -> Iterator[str]:
    for uri in kept.uris:
        unit = unit_of(uri.removeprefix("s3://bucket/"), FLOW)
        if unit is not None:
            yield unit.prefix
