"""A plan whose steps are recorded, and a cloud in memory that holds what they made."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone

from mlci.backends.protocol import ObjectCopy
from mlci.errors import CloudError
from mlci.flow import load
from mlci.plan import Plan, Target, plan
from mlci.stage.models import Staged

FLOW = b"""
flow: small
defaults: {image: "mine.example/image:7"}
steps:
  prepare: {uses: processing, entrypoint: [a], outputs: [table, rest]}
  score:
    uses: processing
    entrypoint: [a]
    inputs: {t: "${{ steps.prepare.outputs.table }}"}
    outputs: [m]
    metrics: m/m.json
"""
KEYS = {"prepare": "1" * 64, "score": "2" * 64}
RUN, LATER = "20261123-101530-3f9c2a", "20261124-101530-3f9c2a"
MADE = datetime(2026, 11, 23, 10, 20, tzinfo=timezone.utc)
PULL_REQUEST = Target("b", "jobs", RUN, "c0ffee", build="build:1")
BASE = replace(PULL_REQUEST, is_protected=True)
ROLES = {False: "arn:aws:sts::1:assumed-role/pull-requests", True: "arn:aws:sts::1:assumed-role/base"}


@dataclass
class InMemoryCloud:
    """The objects of a cloud, as the caller with `role` sees them. `unreadable` can't be read."""

    objects: dict[str, bytes] = field(default_factory=dict)
    role: str = ""
    name: str = "aws"
    unreadable: str = "no URI has this"

    def read(self, uri: str, max_bytes: int | None = None) -> bytes | None:
        self._check(uri)
        data = self.objects.get(uri)
        return data if data is None else data[:max_bytes]

    def is_empty(self, prefix: str) -> bool:
        return not self.list(prefix, 1)

    def list(self, prefix: str, most: int | None = None) -> list[str]:
        return sorted(uri for uri in self.objects if uri.startswith(prefix))[:most]

    def versions(self, prefix: str, most: int | None = None, has_any_owner: bool = False) -> dict[str, tuple[int, str]]:
        self._check(prefix)
        return {uri: (len(self.objects[uri]), tag(self.objects[uri])) for uri in self.list(prefix, most)}

    def copy(self, copies: Sequence[ObjectCopy], on_bytes: Callable[[int], None]) -> None:
        for copy in copies:
            self._check(copy.target)
            self.objects[copy.target] = self.objects[copy.source]
            on_bytes(copy.size_bytes)

    def replace(self, uri: str, data: bytes, tag: str | None) -> bool:
        self._check(uri)
        return self.objects.setdefault(uri, data) is data

    def _check(self, uri: str) -> None:
        if self.unreadable in uri:
            raise CloudError("AccessDenied")


def tag(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@functools.cache
def flow_plan(target: Target) -> Plan:
    return plan(load(FLOW, "flow.yaml"), Staged({}, {}, {"prepare": "i", "score": "i"}), target)
