"""Compiled definitions in the bucket: pull requests read the base branch's and their own, merged code its own alone."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import cast

import pytest

from mlci.backends.protocol import Cloud
from mlci.errors import CloudError
from mlci.flow.models import Json
from mlci.plan import Target
from mlci.records.kept_definitions import KeptDefinitions, key_digest, parse_definition, render_definition
from support.in_memory_objects import InMemoryObjects

PULL_REQUEST = Target("b", "role", "run", "c", "main")
BASE = replace(PULL_REQUEST, is_trusted=True, is_protected=True)
KEY: Json = ["definition", "version", {"steps": {"train": 1}}]
NAME = f"definitions/{key_digest(KEY)}.json"
OWN, PROTECTED = f"s3://b/mlci/iris/{NAME}", f"s3://b/mlci/iris/protected/{NAME}"


class Forbidden:
    """Objects that may be neither read nor written."""

    def read(self, uri: str, max_bytes: int | None = None) -> bytes | None:
        raise CloudError("AccessDenied")

    def replace(self, uri: str, data: bytes, tag: str | None) -> bool:
        raise CloudError("AccessDenied")


def compiled(store: object, target: Target = PULL_REQUEST, text: str = "compiled", log: list[str] | None = None) -> str:
    """The definition that a build of this target runs."""
    kept = KeptDefinitions("iris", target, cast(Cloud, store), (log if log is not None else []).append)
    found = kept.get(KEY, lambda: text)
    kept.write_new()
    return found


@pytest.mark.parametrize(("target", "uri"), [(PULL_REQUEST, OWN), (BASE, PROTECTED)])
def test_a_build_keeps_what_it_compiled_for_the_next_one(target: Target, uri: str) -> None:
    store = InMemoryObjects()
    assert compiled(store, target) == "compiled"
    assert list(store.objects) == [uri]
    assert compiled(store, target, "compiled again") == "compiled"


def test_nothing_is_written_by_a_plan() -> None:
    store = InMemoryObjects()
    KeptDefinitions("iris", PULL_REQUEST, cast(Cloud, store), print).get(KEY, lambda: "compiled")
    assert store.objects == {}


def test_a_pull_request_runs_what_the_base_branch_kept_and_writes_nothing() -> None:
    store = InMemoryObjects({PROTECTED: render_definition(KEY, "base's"), OWN: render_definition(KEY, "another's")})
    before = dict(store.objects)
    assert compiled(store) == "base's"
    assert store.objects == before
    assert store.reads == [PROTECTED]


def test_merged_code_runs_nothing_that_a_pull_request_kept() -> None:
    store = InMemoryObjects({OWN: render_definition(KEY, "a pull request's")})
    assert compiled(store, BASE) == "compiled"
    assert store.reads == [PROTECTED]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff",
        b"[]",
        b"[" * 100_000,
        render_definition(KEY, "kept")[:-3],
        render_definition(KEY, "kept").replace(b"kept", b"k3pt"),
        render_definition(["definition", "version", {"steps": {"train": 2}}], "of another structure"),
        render_definition(["definition", "another version", {"steps": {"train": 1}}], "of another version"),
        json.dumps({**json.loads(render_definition(KEY, "kept")), "schema": 2}).encode(),
        json.dumps({**json.loads(render_definition(KEY, "kept")), "definition": {}}).encode(),
    ],
)
def test_what_is_damaged_or_of_something_else_is_compiled_and_written_again(data: bytes) -> None:
    assert parse_definition(data, KEY) is None
    store = InMemoryObjects({OWN: data})
    assert compiled(store) == "compiled"
    assert compiled(store, text="compiled again") == "compiled"


def test_a_damaged_one_of_the_base_branch_stays_and_the_own_one_counts() -> None:
    store = InMemoryObjects({PROTECTED: b"damaged"})
    assert compiled(store) == "compiled"
    assert store.objects[PROTECTED] == b"damaged"
    assert compiled(store, text="compiled again") == "compiled"


def test_of_two_builds_at_once_the_first_to_write_stays() -> None:
    store = InMemoryObjects()
    kept = KeptDefinitions("iris", PULL_REQUEST, cast(Cloud, store), print)
    kept.get(KEY, lambda: "compiled")
    compiled(store, text="meanwhile")
    kept.write_new()
    assert compiled(store) == "meanwhile"


def test_a_bucket_that_may_not_be_used_costs_the_time_to_compile_and_is_no_error() -> None:
    log: list[str] = []
    assert compiled(Forbidden(), log=log) == "compiled"
    assert log == [
        "compiled definitions of earlier builds can't be read: AccessDenied",
        "the compiled definition was not kept for later builds: AccessDenied",
    ]
