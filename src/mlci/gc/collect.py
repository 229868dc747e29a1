"""Looks at a flow's bucket, and deletes what nothing needs.

Between a look and the deletion a run may start. So all is looked at again before anything is deleted; then records go
before what they name, so that no run that starts later can find a record of what is about to go; and the runs that go
on are asked for once more in between.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import field

from mlci.backends.protocol import RegistryApi, RunningExecution, StoredObject, StoredObjects
from mlci.gc.plan import Limits, References, unneeded
from mlci.gc.references import read_references, running_executions, used_by
from mlci.gc.units import Unit, mentioned, unit_of, units_of
from mlci.s3_uris import split_s3_uri
from mlci_dataclasses import dataclass

#: What goes first: by these, runs find the rest.
_FIRST = ("task tokens", "records", "definitions")


@dataclass(frozen=True)
class Bucket:
    """A flow's bucket with all that is asked about it. `running` returns the runs of this machine that go on, and
    `inputs` the inputs of those that stay."""

    flow: str
    name: str
    store: StoredObjects
    registry: RegistryApi
    running: Callable[[], Iterable[RunningExecution]] = tuple
    inputs: Callable[[], Iterable[str]] = tuple
    log: Callable[[str], None] = lambda text: None

    @property
    def prefix(self) -> str:
        return f"s3://{self.name}/mlci/{self.flow}/"

    def uri(self, unit: Unit) -> str:
        return f"s3://{self.name}/{unit.prefix}"


@dataclass(frozen=True)
class BucketSurvey:
    """The units of a bucket: all of them, those that nothing needs, and the URIs of the objects of each."""

    units: tuple[Unit, ...]
    unneeded: tuple[Unit, ...]
    references: References = field(repr=False, default_factory=References)
    uris: Mapping[str, tuple[str, ...]] = field(repr=False, default_factory=dict)


@dataclass(frozen=True)
class Collected:
    """The units that are gone, and the reason for each that is still there."""

    gone: tuple[Unit, ...]
    left: Mapping[Unit, str]

    @property
    def size_bytes(self) -> int:
        return sum(unit.size_bytes for unit in self.gone)


def survey(bucket: Bucket, limits: Limits) -> BucketSurvey:
    """Return what a bucket holds, and what of it nothing needs. Changes nothing.

    Raises: CloudError.
    """
    objects = list(bucket.store.list(bucket.prefix))
    units = units_of(objects, bucket.flow)
    references = read_references(
        bucket.flow,
        objects,
        units.values(),
        bucket.name,
        bucket.store,
        bucket.registry,
        bucket.running(),
        bucket.inputs(),
        bucket.log,
    )
    doomed = unneeded(units.values(), references, limits, bucket.flow)
    uris: dict[str, list[str]] = {unit.prefix: [] for unit in doomed}
    for each in objects:
        unit = _unit(each, bucket.flow)
        if unit is not None and unit.prefix in uris:
            uris[unit.prefix].append(each.uri)
    named = {prefix: tuple(found) for prefix, found in uris.items()}
    return BucketSurvey(tuple(units.values()), doomed, references, named)


def delete(bucket: Bucket, seen: BucketSurvey, limits: Limits) -> Collected:
    """Delete the units that a survey found, as far as nothing needs them still.

    Raises: CloudError.
    """
    again = survey(bucket, limits)
    still = set(seen.unneeded)
    doomed = [unit for unit in again.unneeded if unit in still]
    first = [unit for unit in doomed if unit.kind in _FIRST]
    left = _delete(bucket, first, again)
    in_use = set(_used_now(bucket))
    rest = [unit for unit in doomed if unit.kind not in _FIRST and unit.prefix not in in_use]
    left |= _delete(bucket, rest, again)
    return Collected(tuple(unit for unit in (*first, *rest) if unit not in left), left)


def _used_now(bucket: Bucket) -> Iterator[str]:
    live = (*bucket.running(), *running_executions(bucket.flow, bucket.store, lambda text: None)[0])
    for text in used_by(live, bucket.flow, bucket.name, bucket.store):
        yield from mentioned(text, bucket.flow)


def _delete(bucket: Bucket, units: Iterable[Unit], found: BucketSurvey) -> dict[Unit, str]:
    """Delete the objects of units, and return a reason for each unit that still has some."""
    units = list(units)
    owners = {uri: unit for unit in units for uri in found.uris[unit.prefix]}
    reasons = bucket.store.delete(list(owners)) if owners else {}
    return {owners[uri]: reason for uri, reason in reasons.items()}


def _unit(each: StoredObject, flow: str) -> Unit | None:
    return unit_of(split_s3_uri(each.uri)[1], flow)
