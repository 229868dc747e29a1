"""The deletion of what nothing needs: its order, what a run that starts meanwhile keeps, and what can't be deleted."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from mlci.backends.protocol import RunningExecution, StoredObject
from mlci.errors import CloudError
from mlci.gc.collect import Bucket, delete, survey
from mlci.gc.plan import Limits
from mlci.gc.references import FORMER_KEPT
from mlci.plan.models import S3Uri
from mlci.plan.names import Names
from mlci.reuse.record import Record, RecordedOutput, render_record

NOW = datetime(2026, 12, 1, 12, tzinfo=timezone.utc)
LIMITS = Limits(NOW, timedelta(days=30))
OLD, OLDER = "20261001-101530-aaaaaa", "20260901-101530-aaaaaa"
CODE = "a" * 64
IRIS = Names("iris")


@dataclass
class InMemoryObjects:
    """A bucket. `before_delete` is called before each deletion, and what `denied` begins with can't be deleted."""

    objects: dict[str, bytes] = field(default_factory=dict)
    live: list[RunningExecution] = field(default_factory=list)
    models: list[str] = field(default_factory=list)
    denied: str = "none"
    closed: tuple[bool, ...] = ()
    deleted: list[list[str]] = field(default_factory=list)
    before_delete: Callable[[], None] = lambda: None
    modified: datetime = NOW - timedelta(days=60)

    def put(self, key: str, data: bytes = b"1") -> None:
        self.objects[f"s3://bucket/{key}"] = data

    def list(self, prefix: str) -> Iterator[StoredObject]:
        for uri, data in list(self.objects.items()):
            if uri.startswith(prefix):
                yield StoredObject(uri, len(data), self.modified)

    def read(self, uri: str) -> bytes | None:
        return self.objects.get(uri)

    def delete(self, uris: Sequence[str]) -> Mapping[str, str]:
        self.before_delete()
        self.deleted.append([uri.removeprefix("s3://bucket/mlci/iris/") for uri in uris])
        left = {uri: "AccessDenied: no" for uri in uris if uri.startswith(f"s3://bucket/{self.denied}")}
        for uri in uris:
            if uri not in left:
                self.objects.pop(uri, None)
        return left

    def running(self, flow: str, is_protected: bool) -> Iterable[RunningExecution]:
        if is_protected in self.closed:
            raise CloudError("AccessDeniedException: states:ListExecutions")
        return () if is_protected else tuple(self.live)

    def model_uris(self, flow: str) -> Iterable[str]:
        return tuple(self.models)


@dataclass
class InMemoryRegistry:
    """A registry of one group, whose versions name these URIs; None where nobody may ask."""

    uris: list[str] | None = field(default_factory=list)
    caller: str = "somebody"

    def call(self, operation: str, **request: Any) -> Mapping[str, Any]:
        return {"InferenceSpecification": {"Containers": [{"ModelDataUrl": request["ModelPackageName"]}]}}

    def pages(self, operation: str, tokens: tuple[str, str], **request: Any) -> Iterator[Mapping[str, Any]]:
        if self.uris is None:
            raise CloudError("AccessDenied")
        if operation == "list_model_package_groups":
            yield {"ModelPackageGroupSummaryList": [{"ModelPackageGroupName": "g"}]}
        else:
            yield {"ModelPackageSummaryList": [{"ModelPackageArn": uri} for uri in self.uris]}

    def read(self, uri: str) -> bytes | None:
        return None


@pytest.fixture
def store() -> InMemoryObjects:
    """A run with its record, an older one, code, and a baseline."""
    made = InMemoryObjects()
    for run_id in (OLD, OLDER):
        made.put(f"{IRIS.run(run_id)}/train/model/model.tar.gz")
        made.put(f"{IRIS.run(run_id)}/evaluate/metrics.json")
        made.put(IRIS.token("approve", run_id))
    outputs = {"model": RecordedOutput(S3Uri(f"s3://bucket/{IRIS.run(OLD)}/train/model/"))}
    record = Record("b" * 64, "iris", "train", OLD, NOW - timedelta(days=60), outputs)
    made.put(IRIS.record("b" * 64, OLD), render_record(record))
    made.put(f"{IRIS.code(CODE)}/a.py")
    made.put("mlci/iris/baselines/main.json", b'{"schema": 1, "run_id": null, "metrics": {}}')
    return made


def bucket(store: InMemoryObjects, registry: InMemoryRegistry | None = None) -> Bucket:
    return Bucket("iris", "bucket", store, registry or InMemoryRegistry())


def left(store: InMemoryObjects) -> set[str]:
    return {uri.removeprefix("s3://bucket/mlci/iris/").partition("/")[0] for uri in store.objects}


def test_what_nothing_needs_is_deleted_and_a_look_alone_changes_nothing(store: InMemoryObjects) -> None:
    before = dict(store.objects)
    seen = survey(bucket(store), LIMITS)
    assert store.objects == before
    done = delete(bucket(store), seen, LIMITS)
    assert {unit.prefix for unit in done.gone} == {
        f"{IRIS.run(OLDER)}/",
        f"{IRIS.tokens}/{OLD}/",
        f"{IRIS.tokens}/{OLDER}/",
        f"{IRIS.code(CODE)}/",
    }
    assert (done.left, left(store)) == ({}, {"runs", "records", "baselines"})
    assert f"s3://bucket/{IRIS.run(OLD)}/evaluate/metrics.json" in store.objects


def test_a_baseline_keeps_its_run(store: InMemoryObjects) -> None:
    store.put("mlci/iris/baselines/main.json", json.dumps({"run_id": OLDER}).encode())
    done = delete(bucket(store), survey(bucket(store), LIMITS), LIMITS)
    assert f"{IRIS.run(OLDER)}/" not in {unit.prefix for unit in done.gone}


def test_the_newest_former_baselines_of_each_branch_keep_their_outputs(store: InMemoryObjects) -> None:
    """A pull request may build on an older commit, and is compared with its baseline."""
    for branch in ("main", "next"):
        for number in range(FORMER_KEPT + 2):
            run_id = f"20260101-0000{number:02}-aaaaa{len(branch) % 2}"
            kept = f"mlci/iris/baselines/outputs/{run_id}/train/model/"
            store.put(f"{kept}model.tar.gz")
            document = {"run_id": run_id, "outputs": {"train": {"model": f"s3://bucket/{kept}"}}}
            store.put(f"mlci/iris/baselines/{branch}/{run_id}.json", json.dumps(document).encode())
    done = delete(bucket(store), survey(bucket(store), LIMITS), LIMITS)
    gone = {unit.name for unit in done.gone if unit.kind == "baselines' outputs"}
    assert gone == {f"20260101-0000{number:02}-aaaaa0" for number in (0, 1)}
    assert sum("/baselines/main/" in uri for uri in store.objects) == FORMER_KEPT + 2


@pytest.mark.parametrize("is_deployed", [True, False])
def test_a_registered_or_deployed_model_keeps_its_run(store: InMemoryObjects, is_deployed: bool) -> None:
    uri = f"s3://bucket/{IRIS.run(OLDER)}/train/model/model.tar.gz"
    store.models = [json.dumps({"PrimaryContainer": {"ModelDataUrl": uri}})] if is_deployed else []
    registry = InMemoryRegistry([] if is_deployed else [uri])
    delete(bucket(store, registry), survey(bucket(store, registry), LIMITS), LIMITS)
    assert uri in store.objects


def test_without_the_right_to_ask_the_registry_each_run_that_registered_stays(store: InMemoryObjects) -> None:
    store.put(f"{IRIS.run(OLDER)}/register/package/package.json")
    closed = InMemoryRegistry(None)
    delete(bucket(store, closed), survey(bucket(store, closed), LIMITS), LIMITS)
    assert f"s3://bucket/{IRIS.run(OLDER)}/train/model/model.tar.gz" in store.objects


def test_a_run_that_started_after_the_look_keeps_what_it_uses(store: InMemoryObjects) -> None:
    seen = survey(bucket(store), LIMITS)
    store.live = [RunningExecution("20261201-115959-bbbbbb", f'"s3://bucket/{IRIS.code(CODE)}/a.py"')]
    delete(bucket(store), seen, LIMITS)
    assert f"s3://bucket/{IRIS.code(CODE)}/a.py" in store.objects


def test_a_run_that_starts_while_records_go_keeps_what_it_uses(store: InMemoryObjects) -> None:
    seen = survey(bucket(store), LIMITS)

    def start() -> None:
        store.live = [RunningExecution("20261201-115959-bbbbbb", f'{{"Key": "{IRIS.run(OLDER)}/train/model/m"}}')]

    store.before_delete = start
    done = delete(bucket(store), seen, LIMITS)
    assert [key.partition("/")[0] for key in store.deleted[0]] == ["tokens", "tokens"]
    assert f"{IRIS.run(OLDER)}/" not in {unit.prefix for unit in done.gone}
    assert f"s3://bucket/{IRIS.run(OLDER)}/train/model/model.tar.gz" in store.objects


def test_what_has_become_younger_meanwhile_stays(store: InMemoryObjects) -> None:
    seen = survey(bucket(store), LIMITS)
    store.modified = NOW
    done = delete(bucket(store), seen, LIMITS)
    assert {unit.kind for unit in done.gone} == set()


def test_what_may_not_be_deleted_is_still_there_and_has_its_reason(store: InMemoryObjects) -> None:
    store.denied = IRIS.code("")
    done = delete(bucket(store), survey(bucket(store), LIMITS), LIMITS)
    assert {unit.prefix: reason for unit, reason in done.left.items()} == {f"{IRIS.code(CODE)}/": "AccessDenied: no"}
    assert "code" in left(store)
    assert f"{IRIS.run(OLDER)}/" in {unit.prefix for unit in done.gone}


def test_what_the_requests_of_a_large_run_name_stays(store: InMemoryObjects) -> None:
    requests = f"{IRIS.requests('c' * 32)}"
    store.put(requests, json.dumps({"train": {"Code": f"s3://bucket/{IRIS.code(CODE)}/a.py"}}).encode())
    store.live = [RunningExecution("20261201-115959-bbbbbb", f'{{"requests": {{"Key": "{requests}"}}}}')]
    assert f"{IRIS.code(CODE)}/" not in {unit.prefix for unit in survey(bucket(store), LIMITS).unneeded}
    store.live = []
    assert f"{IRIS.code(CODE)}/" in {unit.prefix for unit in survey(bucket(store), LIMITS).unneeded}


def test_a_run_on_this_machine_that_stays_keeps_what_it_has_reused(store: InMemoryObjects) -> None:
    reused = f'{{"model": "s3://bucket/{IRIS.run(OLDER)}/train/model/"}}'
    seen = survey(Bucket("iris", "bucket", store, InMemoryRegistry(), inputs=lambda: [reused]), LIMITS)
    assert f"{IRIS.run(OLDER)}/" not in {unit.prefix for unit in seen.unneeded}


def test_where_the_base_branchs_runs_can_not_be_listed_all_of_theirs_stays(store: InMemoryObjects) -> None:
    for is_protected in (True, False):
        store.put(f"{Names('iris', is_protected).code('d' * 64)}/a.py")
    lines: list[str] = []
    here = Bucket("iris", "bucket", store, InMemoryRegistry(), log=lines.append)
    assert {unit.is_protected for unit in survey(here, LIMITS).unneeded} == {True, False}
    store.closed = (True,)
    assert {unit.is_protected for unit in survey(here, LIMITS).unneeded} == {False}
    assert len(lines) == 1
    store.closed = (False,)
    with pytest.raises(CloudError, match="ListExecutions"):
        survey(here, LIMITS)
