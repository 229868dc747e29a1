"""The units that `mlci gc` deletes, or would delete: as a table, and as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from mlci.flow.models import Json
from mlci.report.formatting import size
from mlci.report.result import SCHEMA
from mlci_dataclasses import dataclass

HEAD = ("what", "number", "size", "goes", "size of it")


@dataclass(frozen=True)
class Retained:
    """A thing that stays, or goes: its kind, its place and its bytes. `reason` says why it is there still."""

    kind: str
    place: str
    size_bytes: int
    goes: bool = False
    reason: str = ""


def gc_rows(items: Iterable[Retained]) -> list[Sequence[str]]:
    """Returns a row for each kind: how much there is, and how much of it goes.

    >>> gc_rows([Retained("runs", "a", 800), Retained("runs", "b", 1_200, goes=True)])
    [('runs', '2', '2.0 kB', '1', '1.2 kB')]
    """
    kinds: dict[str, list[Retained]] = {}
    for each in items:
        kinds.setdefault(each.kind, []).append(each)
    return [(kind, *_sums(found), *_sums([each for each in found if each.goes])) for kind, found in kinds.items()]


def _sums(items: Sequence[Retained]) -> tuple[str, str]:
    return str(len(items)), size(sum(each.size_bytes for each in items))


def gc_json(flow: str, cloud: str, keep_s: int, is_dry: bool, items: Iterable[Retained]) -> dict[str, Json]:
    """Returns the same for other programs. `deleted` is false in a dry run, and where a reason says why not."""
    going: list[Json] = [
        {
            "kind": each.kind,
            "place": each.place,
            "bytes": each.size_bytes,
            "deleted": not is_dry and not each.reason,
            "reason": each.reason,
        }
        for each in items
        if each.goes
    ]
    return {"schema": SCHEMA, "flow": flow, "cloud": cloud, "keep_s": keep_s, "dry_run": is_dry, "items": going}
