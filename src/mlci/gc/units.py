"""Objects of a flow's bucket → units, which stay or go as a whole. What mlci does not know belongs to none. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timezone
from typing import Literal, TypeAlias

from mlci.backends.protocol import StoredObject
from mlci.plan.names import Names, baseline_outputs
from mlci.s3_uris import split_s3_uri
from mlci_dataclasses import dataclass

Kind: TypeAlias = Literal[
    "runs", "task tokens", "code", "data", "definitions", "records", "recorded outputs", "baselines' outputs"
]

_NEVER = datetime.min.replace(tzinfo=timezone.utc)
RUN = r"\d{8}-\d{6}-[0-9a-f]{6}"
_DIGEST = r"[0-9a-f]{32,64}"
#: The folder, the name and the end of each kind of unit, below the prefix of a scope.
_SCOPED: Mapping[Kind, tuple[str, str, str]] = {
    "runs": ("runs", RUN, "/"),
    "task tokens": ("tokens", RUN, "/"),
    "code": ("code", _DIGEST, "/"),
    "data": ("data", _DIGEST, "/"),
    "definitions": ("definitions", _DIGEST, r"\.json$"),
    "recorded outputs": ("records/outputs", RUN, "/"),
    "records": ("records", rf"{_DIGEST}/{RUN}", r"\.json$"),
}


@dataclass(frozen=True)
class Unit:
    """Objects that stay or go together: those whose keys begin with `prefix`, or the one that it is the key of.

    `name` is the run's id, or a hash; that of a record ends in the id of its run. `newest` is the time of the newest of
    the objects, or of the run if that is later.
    """

    kind: Kind
    prefix: str
    name: str
    is_protected: bool = False
    size_bytes: int = 0
    count: int = 0
    newest: datetime = _NEVER

    @property
    def run_id(self) -> str:
        """The id of the run that made it; empty for what has the name of its content."""
        name = self.name.rpartition("/")[2]
        return name if re.fullmatch(RUN, name) else ""


def unit_of(key: str, flow: str) -> Unit | None:
    """Return the unit that an object of a flow belongs to, without objects; None for what is of no kind.

    >>> unit_of("mlci/iris/runs/20261123-101530-3f9c2a/train/model/model.tar.gz", "iris").prefix
    'mlci/iris/runs/20261123-101530-3f9c2a/'
    >>> unit_of("mlci/iris/baselines/main.json", "iris") is None
    True
    """
    for kind, is_protected, pattern in _patterns(flow):
        if match := pattern.match(key):
            return Unit(kind, match[0], match["name"], is_protected)
    return None


def units_of(objects: Iterable[StoredObject], flow: str) -> dict[str, Unit]:
    """Return the units that these objects make up, by their prefixes, in the order of the objects."""
    units: dict[str, Unit] = {}
    for each in objects:
        unit = unit_of(split_s3_uri(each.uri)[1], flow)
        if unit is None:
            continue
        unit = units.get(unit.prefix, replace(unit, newest=max(unit.newest, _time_of(unit.run_id))))
        units[unit.prefix] = replace(
            unit,
            size_bytes=unit.size_bytes + each.size_bytes,
            count=unit.count + 1,
            newest=max(unit.newest, each.modified),
        )
    return units


def mentioned(text: str, flow: str) -> Iterator[str]:
    """Yield the prefixes of the units that a text names, by a URI or by a key.

    >>> list(mentioned('{"Key": "mlci/iris/protected/runs/20261123-101530-3f9c2a/x"}', "iris"))
    ['mlci/iris/protected/runs/20261123-101530-3f9c2a/']
    """
    for match in re.finditer(rf"mlci/{re.escape(flow)}/[^\"'\\\s]*", text):
        if unit := unit_of(match[0], flow):
            yield unit.prefix


def run_prefixes(run_id: str, flow: str) -> Iterator[str]:
    """Yield the prefixes of all that a run may have left under its own id, whatever its scope."""
    for is_protected in (False, True):
        names = Names(flow, is_protected)
        yield f"{names.run(run_id)}/"
        yield f"{names.tokens}/{run_id}/"
        yield f"{names.kept_outputs(run_id)}/"
    yield f"{baseline_outputs(flow, run_id)}/"


def _patterns(flow: str) -> Iterator[tuple[Kind, bool, re.Pattern[str]]]:
    for is_protected in (True, False):
        prefix = re.escape(Names(flow, is_protected).prefix)
        for kind, (folder, name, end) in _SCOPED.items():
            yield kind, is_protected, re.compile(rf"{prefix}/{folder}/(?P<name>{name}){end}")
    yield "baselines' outputs", True, re.compile(rf"{re.escape(baseline_outputs(flow))}/(?P<name>{RUN})/")


def _time_of(run_id: str) -> datetime:
    """Return the time in a run's id: a job's outputs may have any time that its script gave them."""
    try:
        return datetime.strptime(run_id[:15], "%Y%m%d-%H%M%S").replace(tzinfo=timezone.utc)
    except ValueError:
        return _NEVER
