"""The objects of a cloud, in memory: what baselines and kept definitions need of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from mlci.backends.protocol import ObjectCopy, TaggedObject


@dataclass
class InMemoryObjects:
    """Objects by their URI. `reads` has the URIs that were read. `between` runs once, before the next conditional
    write, as another build would."""

    objects: dict[str, bytes] = field(default_factory=dict)
    between: Callable[[], object] = lambda: None
    name: str = "local"
    reads: list[str] = field(default_factory=list)

    def read(self, uri: str, max_bytes: int | None = None) -> bytes | None:
        self.reads.append(uri)
        found = self.objects.get(uri)
        return None if found is None else found[:max_bytes]

    def write(self, uri: str, data: bytes) -> None:
        self.objects[uri] = data

    def list(self, prefix: str) -> list[str]:
        return [uri for uri in self.objects if uri.startswith(prefix)]

    def copy(self, copies: Sequence[ObjectCopy], on_bytes: Callable[[int], None]) -> None:
        for each in copies:
            self.objects[each.target] = self.objects[each.source]
            on_bytes(each.size_bytes)

    def read_tagged(self, uri: str) -> TaggedObject | None:
        data = self.objects.get(uri)
        return None if data is None else TaggedObject(data, data.decode())

    def replace(self, uri: str, data: bytes, tag: str | None) -> bool:
        between, self.between = self.between, lambda: None
        between()
        found = self.read_tagged(uri)
        if (found.tag if found else None) != tag:
            return False
        self.objects[uri] = data
        return True
