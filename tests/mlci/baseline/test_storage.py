"""The baseline in a bucket: whoever writes last, the newest commit's stays."""

from __future__ import annotations

import functools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlci.backends.protocol import Cloud
from mlci.baseline import (
    NO_HISTORY,
    Baseline,
    by_hand,
    find_former,
    former_baselines,
    read_current,
    record_baseline,
    replace_baseline,
    reset,
    with_history,
    with_metrics,
)
from mlci.errors import CloudError, InputError
from mlci.plan import Target
from support.examples import examples
from support.in_memory_objects import InMemoryObjects
from support.numbered_commits import NumberedCommits

TARGET = Target("b", "role", "run", "c", "main", is_trusted=True)


def baseline(number: int, run: str = "") -> Baseline:
    """That of commit `number`."""
    return Baseline({"evaluate": {"auc": number / 10}}, run or f"2026-{number}", str(number))


def record(cloud: InMemoryObjects, of: Baseline) -> str:
    return record_baseline("iris", TARGET, of, _cloud(cloud), NumberedCommits())


def current(cloud: InMemoryObjects) -> Baseline | None:
    return read_current("iris", TARGET, _cloud(cloud))


def _cloud(objects: InMemoryObjects) -> Cloud:
    return objects  # type: ignore[return-value]  # it has all that baselines use


@settings(max_examples=examples(100))
@given(st.lists(st.integers(0, 9), min_size=1), st.data())
def test_the_newest_commits_stays_in_whatever_order_builds_end(numbers: list[int], data: st.DataObject) -> None:
    cloud = InMemoryObjects()
    for position, number in enumerate(numbers):
        other = data.draw(st.sampled_from([None, *numbers]))
        if other is not None:
            cloud.between = functools.partial(record, cloud, baseline(other, f"2026-{other}-{position}"))
        kept = record(cloud, baseline(number))
        seen = current(cloud)
        assert seen is not None
        assert (kept == "") == (seen.commit == str(number))
    final = current(cloud)
    assert final is not None
    recorded = [former.commit for former in former_baselines("iris", TARGET, _cloud(cloud))]
    assert final.commit == max(str(commit) for commit in recorded)


def test_an_older_commits_run_is_kept_in_the_history_alone() -> None:
    cloud = InMemoryObjects()
    assert record(cloud, baseline(2)) == ""
    assert record(cloud, baseline(1)) == "it is that of run 2026-2, of commit 2, which is newer"
    assert current(cloud) == baseline(2)
    assert list(former_baselines("iris", TARGET, _cloud(cloud))) == [baseline(2), baseline(1)]


def test_a_run_of_the_history_can_be_set_and_the_next_one_replaces_it() -> None:
    cloud = InMemoryObjects()
    record(cloud, baseline(1))
    record(cloud, baseline(3))
    former = find_former("iris", TARGET, "2026-1", _cloud(cloud))
    assert former == baseline(1)
    replace_baseline("iris", TARGET, by_hand(baseline(1)), _cloud(cloud))
    assert current(cloud) == by_hand(baseline(1))
    assert record(cloud, baseline(2)) == ""
    assert current(cloud) == baseline(2)


def test_a_reset_leaves_no_metrics_and_any_commit_may_follow() -> None:
    cloud = InMemoryObjects()
    record(cloud, baseline(3))
    replace_baseline("iris", TARGET, reset(), _cloud(cloud))
    replace_baseline("iris", TARGET, reset(), _cloud(cloud))
    seen = current(cloud)
    assert seen is not None
    assert (seen.metrics, seen.run_id) == ({}, "")
    assert record(cloud, baseline(1)) == ""


def earned(number: int, compared: Baseline) -> Baseline:
    """The baseline of a run of commit `number`, which began when another one was the current one."""
    return with_history(with_metrics(baseline(number), {"evaluate.auc": number / 10}), compared)


def drawn(cloud: InMemoryObjects) -> list[str | None]:
    """The commits that the current baseline's history has."""
    return [each.commit for each in (current(cloud) or Baseline()).history]


def test_the_history_has_each_of_two_runs_that_overlap() -> None:
    first = earned(1, Baseline())
    cloud = InMemoryObjects()
    record(cloud, first)
    record(cloud, earned(2, first))
    record(cloud, earned(3, first))
    assert drawn(cloud) == ["1", "2", "3"]
    cloud.between = functools.partial(record, cloud, earned(4, first))
    record(cloud, earned(5, first))
    assert drawn(cloud) == ["1", "2", "3", "4", "5"]
    record(cloud, earned(5, first))
    assert drawn(cloud) == ["1", "2", "3", "4", "5"]


def test_the_history_outlives_a_reset_and_a_run_that_is_set() -> None:
    cloud = InMemoryObjects()
    for number in (1, 2, 3):
        record(cloud, earned(number, current(cloud) or Baseline()))
    replace_baseline("iris", TARGET, reset(), _cloud(cloud))
    assert drawn(cloud) == ["1", "2", "3"]
    former = find_former("iris", TARGET, "2026-1", _cloud(cloud))
    assert former is not None
    replace_baseline("iris", TARGET, by_hand(former), _cloud(cloud))
    assert drawn(cloud) == ["2", "3", "1"]
    record(cloud, earned(4, current(cloud) or Baseline()))
    assert drawn(cloud) == ["2", "3", "1", "4"]


def test_a_reset_cures_a_damaged_baseline() -> None:
    cloud = InMemoryObjects({"s3://b/mlci/iris/baselines/main.json": b"{"})
    with pytest.raises(CloudError, match="mlci baseline reset"):
        record(cloud, baseline(1))
    replace_baseline("iris", TARGET, reset(), _cloud(cloud))
    assert record(cloud, baseline(1)) == ""


def test_a_run_is_found_by_a_part_of_its_id_that_is_its_alone() -> None:
    cloud = InMemoryObjects()
    for run in ("20261123-1-aaa", "20261123-2-bbb", "20261123-2"):
        record(cloud, baseline(1, run))
    found = {part: find_former("iris", TARGET, part, _cloud(cloud)) for part in ("aaa", "20261123-2", "nope")}
    assert {part: each and each.run_id for part, each in found.items()} == {
        "aaa": "20261123-1-aaa",
        "20261123-2": "20261123-2",
        "nope": None,
    }
    with pytest.raises(InputError, match='more than one run is called "20261123"'):
        find_former("iris", TARGET, "20261123", _cloud(cloud))


def test_builds_that_never_get_their_turn_give_up() -> None:
    cloud = InMemoryObjects()

    def others() -> None:
        cloud.objects["s3://b/mlci/iris/baselines/main.json"] = b'{"schema": 1, "metrics": {"x": %d}}' % next(counter)
        cloud.between = others

    counter = iter(range(1000))
    cloud.between = others
    with pytest.raises(CloudError, match="all the time"):
        record(cloud, baseline(1))


def test_without_a_base_branch_there_is_none() -> None:
    unknown = Target("b", "role", "run", "c")
    with pytest.raises(InputError, match="the base branch is not known, and each base branch"):
        read_current("iris", unknown, _cloud(InMemoryObjects()))
    with pytest.raises(InputError, match="MLCI_BASE_BRANCH"):
        record_baseline("iris", unknown, baseline(1), _cloud(InMemoryObjects()), NO_HISTORY)
