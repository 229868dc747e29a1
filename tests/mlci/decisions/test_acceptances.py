"""What runs missed, as any build of a pull request may have written it: what is read of it, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

import pytest

from mlci.decisions.acceptances import GateMisses, check_commit, read_misses
from mlci.errors import InputError
from mlci.gate.acceptance import AcceptedMiss

RUN = "20261130-101530-3f9c2a"
OLD, TIP, HEAD = "a" * 40, "b" * 40, "c" * 40
MISS = AcceptedMiss("evaluate.auc", "min", value=0.85, keys={"evaluate": "key"}, limit=0.9)
DOCUMENT = {
    "schema": 1,
    "flow": "iris",
    "run_id": RUN,
    "commit": HEAD,
    "metrics": ["evaluate.auc"],
    "misses": [{**MISS.to_json(), "written": "evaluate.auc"}],
}


@dataclass
class InMemoryObjects:
    objects: dict[str, bytes] = field(default_factory=dict)

    def put(self, key: str, document: Any = DOCUMENT) -> None:
        data = document if isinstance(document, bytes) else json.dumps(document).encode()
        self.objects[f"s3://b/mlci/iris/{key}"] = data

    def list(self, prefix: str) -> list[str]:
        return [uri for uri in self.objects if uri.startswith(prefix)]

    def read(self, uri: str) -> bytes:
        return self.objects[uri]


def read(objects: InMemoryObjects, run: str = RUN) -> tuple[GateMisses, ...]:
    return read_misses("iris", run, "b", objects)  # type: ignore[arg-type]  # it has all that is used


def test_what_a_run_missed_is_read_by_the_beginning_of_its_id() -> None:
    objects = InMemoryObjects()
    objects.put(f"runs/{RUN}/_gate.json")
    objects.put(f"runs/{RUN}/out/_gate.json", b"an output")
    expected = GateMisses("iris", RUN, HEAD, ("evaluate.auc",), (MISS,), ("evaluate.auc",))
    assert read(objects) == read(objects, RUN[:9]) == (expected,)


def test_another_run_of_a_longer_id_or_of_a_pull_request_is_not_in_the_way() -> None:
    objects = InMemoryObjects()
    for key in (f"runs/{RUN}/", f"runs/{RUN}0/", f"protected/runs/{RUN}/"):
        objects.put(f"{key}_gate.json", DOCUMENT if key == f"protected/runs/{RUN}/" else b"{")
    [missed] = read(objects)
    assert missed.is_protected


def of_miss(**changes: object) -> dict[str, object]:
    return {**DOCUMENT, "misses": [{**MISS.to_json(), "written": "evaluate.auc", **changes}]}


@pytest.mark.parametrize(
    ("document", "why"),
    [
        (b"{", "is damaged"),
        ([], "is damaged"),
        ({**DOCUMENT, "schema": 2}, "is damaged, or of another version"),
        ({**DOCUMENT, "misses": [3]}, "is damaged"),
        (b'{"schema": ' + b"[" * 100_000, "is damaged"),
        ({**DOCUMENT, "flow": "wine"}, f'it says that it is of run "{RUN}" of "wine"'),
        ({**DOCUMENT, "run_id": "x\n::error::y"}, 'it says that it is of run "x ::error::y"'),
        ({**DOCUMENT, "commit": "main"}, '"main" is no commit'),
        (of_miss(written="evaluate.recall"), 'a miss of "evaluate.auc" under the name "evaluate.recall"'),
        (of_miss(metric="train(fold=1).recall"), "under the name"),
        (of_miss(limit=None), 'which limit "evaluate.auc" missed'),
        (of_miss(value=float("-inf")), "-inf is not finite"),
        (of_miss(value="-1"), "-1 is no number"),
        ({**DOCUMENT, "misses": 2 * DOCUMENT["misses"]}, "two misses of one rule"),  # type: ignore[operator]
    ],
)
def test_what_no_run_writes_is_refused(document: Any, why: str) -> None:
    objects = InMemoryObjects()
    objects.put(f"runs/{RUN}/_gate.json", document)
    with pytest.raises(InputError) as error:
        read(objects)
    assert why in str(error.value)


@pytest.mark.parametrize(
    ("metric", "written"),
    [
        ("train(fold=1).auc", "train.auc"),
        ('train(lr=0.1)["a.b"]', 'train["a.b"]'),
        ("mean(train.auc)", "mean(train.auc)"),
        ('run.steps["train(lr=0.1)"].seconds', "run.steps.train.seconds"),
    ],
)
def test_cells_are_of_their_steps_metric(metric: str, written: str) -> None:
    objects = InMemoryObjects()
    objects.put(f"runs/{RUN}/_gate.json", of_miss(metric=metric, written=written))
    [missed] = read(objects)
    assert missed.of(written) == missed.of(metric) == missed.misses


@dataclass(frozen=True)
class History:
    """Of two commits of the base branch, and one that builds on them."""

    known: tuple[str, ...] = (OLD, TIP, HEAD)
    shallow: bool = False

    def is_ancestor(self, older: str, newer: str) -> bool:
        return older in self.known and newer in self.known and older <= newer

    def committed(self, commit: str) -> datetime | None:
        return datetime(2026, 11, 30, tzinfo=timezone.utc) if commit in self.known else None

    def ancestors(self, commit: str) -> Mapping[str, int]:
        raise AssertionError("a history may be longer than these")

    def is_shallow(self) -> bool:
        return self.shallow


def checked(
    commit: str | None,
    history: History | None = None,
    given: str | None = None,
    local: bool = False,
    protected: bool = False,
    tips: tuple[str, ...] = (TIP,),
    dirty: bool = False,
) -> None:
    missed = GateMisses("iris", RUN, commit, ("evaluate.auc",), (MISS,), ("evaluate.auc",), protected, dirty)
    check_commit(missed, tips, history or History(), given, local)


def test_the_commit_of_a_pull_request_is_accepted() -> None:
    checked(HEAD)
    checked(HEAD, given=HEAD)
    checked(HEAD, History(known=(TIP,)), given=HEAD)
    checked(HEAD, History(shallow=True), given=HEAD)
    checked(TIP, protected=True)
    checked(TIP, local=True)


@pytest.mark.parametrize(
    ("commit", "options", "why"),
    [
        (None, {"local": True}, "is of no commit"),
        (TIP, {"local": True, "dirty": True}, "is of changes that its commit"),
        (HEAD, {"dirty": True}, "Commit what it is about, and run it again"),
        (OLD, {}, "which the base branch contains already"),
        (OLD, {"local": True}, "which the base branch contains already"),
        (OLD, {"history": History(shallow=True), "given": OLD}, "which the base branch contains already"),
        (TIP, {}, "which the base branch contains already"),
        (TIP, {"history": History(known=()), "given": TIP}, "which the base branch contains already"),
        (HEAD, {"given": OLD}, f"and not of {OLD}"),
        (TIP, {"given": HEAD, "protected": True}, f"and not of {HEAD}"),
        (HEAD, {"history": History(known=(TIP,))}, "not known here"),
        (HEAD, {"history": History(shallow=True)}, "not known here"),
        (HEAD, {"tips": ()}, "not known here"),
    ],
)
def test_a_commit_that_others_build_on_is_refused(commit: str | None, options: dict[str, Any], why: str) -> None:
    with pytest.raises(InputError) as error:
        checked(commit, **options)
    assert why in str(error.value)
