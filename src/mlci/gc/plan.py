"""The units that nothing needs, and that are old enough to go. Pure.

What is younger than `keep` stays. Of what is older, that stays which a run that goes on, a baseline, a registered or
deployed model, or a record that stays refers to.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import field
from datetime import datetime, timedelta

from mlci.gc.units import Unit, mentioned, run_prefixes
from mlci.plan.models import REFRESH_AFTER
from mlci.reuse.record import Record
from mlci_dataclasses import dataclass

#: What is younger than this stays, whatever `keep` says: a build may be about to use what it has uploaded.
GRACE = timedelta(hours=24)
_STAGED = ("code", "data", "definitions")


@dataclass(frozen=True)
class References:
    """All that is in use or is kept in a flow's bucket.

    `running` are the ids of runs that go on, and `runs` those of runs that baselines come from. `prefixes` are those of
    units that anything kept names. `records` has the records of the bucket by their keys; one that can't be read is not
    there. Where `keeps_protected`, it is not known which of the base branch's runs go on, and all of theirs stays.
    """

    running: frozenset[str] = frozenset()
    runs: frozenset[str] = frozenset()
    prefixes: frozenset[str] = frozenset()
    records: Mapping[str, Record] = field(default_factory=dict)
    keeps_protected: bool = False


@dataclass(frozen=True)
class Limits:
    """The ages that decide, at the time `now`. Staged code and data have an age of their own: see `REFRESH_AFTER`."""

    now: datetime
    keep: timedelta

    def is_old(self, unit: Unit) -> bool:
        """Return True if a unit may go, if nothing needs it."""
        least = REFRESH_AFTER + GRACE if unit.kind in _STAGED else GRACE
        return unit.newest <= self.now - max(self.keep, least)


def unneeded(units: Iterable[Unit], references: References, limits: Limits, flow: str) -> tuple[Unit, ...]:
    """Return the units that may go, in the order given."""
    units = list(units)
    records = _kept_records(units, references, limits)
    needed = {*references.prefixes, *records}
    for prefix in records & references.records.keys():
        for uri in references.records[prefix].uris:
            needed.update(mentioned(uri, flow))
    for run_id in references.running | references.runs:
        needed.update(run_prefixes(run_id, flow))
    return tuple(
        unit for unit in units if limits.is_old(unit) and unit.prefix not in needed and not _is_used(unit, references)
    )


def _is_used(unit: Unit, references: References) -> bool:
    is_closed = unit.is_protected and references.keeps_protected
    return unit.prefix in references.prefixes or unit.run_id in references.running or is_closed


def _kept_records(units: Collection[Unit], references: References, limits: Limits) -> set[str]:
    """Return the keys of the records that stay: those that are young or in use, the newest of each step in each scope,
    and those of the steps that these have read from."""
    recorded = {unit.prefix: unit for unit in units if unit.kind == "records"}
    kept = {prefix for prefix, unit in recorded.items() if not limits.is_old(unit) or _is_used(unit, references)}
    newest: dict[tuple[bool, str], str] = {}
    by_maker: dict[tuple[str, str], list[str]] = {}
    for prefix in sorted(recorded.keys() & references.records.keys()):
        record, unit = references.records[prefix], recorded[prefix]
        by_maker.setdefault((record.step, record.run_id), []).append(prefix)
        place = (unit.is_protected, record.step)
        if place not in newest or references.records[newest[place]].made < record.made:
            newest[place] = prefix
    kept.update(newest.values())
    waiting = list(kept)
    while waiting:
        record_read = references.records.get(waiting.pop())
        for maker in record_read.reads.items() if record_read else ():
            new = [prefix for prefix in by_maker.get(maker, ()) if prefix not in kept]
            kept.update(new)
            waiting += new
    return kept
