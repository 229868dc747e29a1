"""The keys that are kept beside a baseline: written, read, and what is said where that fails."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import cast

import pytest

from mlci.backends.protocol import Cloud
from mlci.baseline.kept_keys import keep_keys, read_keys
from mlci.errors import CloudError
from mlci.flow.models import Flow
from mlci.plan import Baseline, Plan, Target
from mlci.reuse.key_document import RunKeys, StepKey
from support.in_memory_objects import InMemoryObjects

KEYS = RunKeys("iris", {"train": StepKey("1", {"args": ["x"]})}, without_key=("load",))
PLAN = Plan(Flow("iris", "flow.yaml", {}, {}, ()), Target("b", "role", "r1"), {}, ())
URI = "s3://b/mlci/iris/baselines/outputs/r1/keys.json"
NOT_KNOWN = "what has changed since the baseline is not known: "


@dataclass
class DeniedObjects(InMemoryObjects):
    """A bucket that may be neither read nor written."""

    def read(self, uri: str, max_bytes: int | None = None) -> bytes | None:
        raise CloudError("access denied")

    def write(self, uri: str, data: bytes) -> None:
        raise CloudError("access denied")


def kept(objects: InMemoryObjects) -> tuple[str, list[str]]:
    lines: list[str] = []
    return keep_keys(PLAN, KEYS, cast(Cloud, objects), lines.append), lines


def read(objects: InMemoryObjects, uri: str = URI) -> tuple[RunKeys | None, list[str]]:
    lines: list[str] = []
    return read_keys(Baseline(run_id="r1", keys=uri), cast(Cloud, objects), lines.append), lines


def test_keys_are_read_as_they_were_kept() -> None:
    objects = InMemoryObjects()
    assert kept(objects) == (URI, [])
    assert read(objects) == (KEYS, [])
    assert read(objects, uri="") == (None, [])  # an older mlci wrote the baseline


def test_where_nothing_may_be_written_or_read_a_line_says_so() -> None:
    assert kept(DeniedObjects()) == ("", ["later runs can't tell what they change since this one: access denied"])
    assert read(DeniedObjects()) == (None, [f"{NOT_KNOWN}access denied"])


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (None, "are gone"),
        (b"{", "are damaged, or of another version of mlci"),
        (b"\xff", "are damaged, or of another version of mlci"),
        (b"[" * 100_000, "are damaged, or of another version of mlci"),
        (b'{"schema": 99}', "are damaged, or of another version of mlci"),
    ],
)
def test_keys_that_can_not_be_read_are_not_known(data: bytes | None, why: str) -> None:
    assert read(InMemoryObjects({} if data is None else {URI: data})) == (
        None,
        [f"{NOT_KNOWN}the keys of its steps {why}"],
    )


def test_a_document_at_the_limit_is_read_and_a_larger_one_is_called_too_large() -> None:
    document = json.dumps(KEYS.to_json()).encode()
    assert read(InMemoryObjects({URI: document.ljust(20_000_000)})) == (KEYS, [])
    assert read(InMemoryObjects({URI: document.ljust(20_000_001)})) == (
        None,
        [f"{NOT_KNOWN}the keys of its steps are too large: more than 20,000,000 bytes"],
    )
