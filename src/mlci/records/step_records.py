"""The records of a flow's steps in its bucket: found by the keys of steps, checked before use, and never replaced.

Builds of pull requests share a scope: they read their own records and those of the base branch, and write their own.
Builds of the base branch read and write only theirs. A record that is damaged, in the wrong place or about objects that
have changed is none: the step runs again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime

from mlci.backends.at_once import at_once
from mlci.backends.protocol import Cloud
from mlci.errors import CloudError
from mlci.plan.models import Plan, S3Uri, Target
from mlci.plan.names import Names
from mlci.records.kept_outputs import keep_outputs, recorded_uri
from mlci.reuse.record import Record, RecordedMetrics, RecordedOutput, parse_record, render_record
from mlci_dataclasses import dataclass

#: Of the records of a key, so many of the newest are looked at in each scope.
_CANDIDATES = 4
#: For so many keys, a scope is first asked whether it has any record.
_MANY = 10
#: An output of more files has no record: it would take longer to check than most steps take to run.
_MAX_FILES = 20_000


@dataclass(frozen=True)
class RecordScope:
    """A place of records. `is_own` is False for those of the base branch, as a pull request's build reads them."""

    bucket: str
    names: Names
    is_own: bool = True

    def uri(self, key: str, run_id: str) -> S3Uri:
        return S3Uri(f"s3://{self.bucket}/{self.names.record(key, run_id)}")

    def accepts(self, record: Record, uri: str, role: str) -> bool:
        """Return True if a record that lies at a URI says of itself what a record in this scope may say.

        `role` is the reader's. The base branch's builds have one role, and a record of another in their scope is not
        theirs.
        """
        keeps = self.names.kept_outputs if self.names.is_protected else self.names.run
        folder = f"s3://{self.bucket}/{keeps(record.run_id)}/"
        return (
            self._may_have_made(record.role, role)
            and record.flow == self.names.flow
            and uri == self.uri(record.key, record.run_id)
            and all(each.startswith(folder) for each in record.uris)
        )

    def _may_have_made(self, maker: str, reader: str) -> bool:
        if not self.names.is_protected:
            return True
        return maker == reader if self.is_own else not reader or maker != reader


def record_scopes(flow: str, target: Target) -> tuple[RecordScope, ...]:
    """Return the scopes that a run reads, the most trusted first; it writes to the last."""
    own = RecordScope(target.bucket, Names(flow, target.is_protected))
    if target.is_protected:
        return (own,)
    return RecordScope(target.bucket, Names(flow, is_protected=True), is_own=False), own


def find_records(keys: Iterable[str], flow: str, target: Target, cloud: Cloud) -> dict[str, tuple[Record, ...]]:
    """Return the valid records of each key: those of the base branch first, then the newest first.

    A key without one is left out. What can't be read is as if it were not there.
    """
    wanted = tuple(dict.fromkeys(keys))
    scopes = [scope for scope in record_scopes(flow, target) if len(wanted) < _MANY or not _is_empty(scope, cloud)]
    pairs = [(scope, key) for key in wanted for scope in scopes]
    found: dict[str, tuple[Record, ...]] = {}
    for (_, key), records in zip(pairs, at_once(lambda pair: _valid(*pair, cloud), pairs, cloud), strict=True):
        if records:
            found[key] = (*found.get(key, ()), *records)
    return found


def _is_empty(scope: RecordScope, cloud: Cloud) -> bool:
    """Return True if a scope has no record, or none that can be read."""
    try:
        return cloud.is_empty(f"s3://{scope.bucket}/{scope.names.records}/")
    except CloudError:
        return True


def _valid(scope: RecordScope, key: str, cloud: Cloud) -> tuple[Record, ...]:
    """Return the valid records of a key in a scope, the newest first."""
    try:
        uris = sorted(cloud.list(f"s3://{scope.bucket}/{scope.names.records}/{key}/"), reverse=True)
        read = ((uri, cloud.read(uri)) for uri in uris[:_CANDIDATES])
        parsed = [(uri, parse_record(data)) for uri, data in read if data is not None]
        return tuple(
            record
            for uri, record in parsed
            if record and record.key == key and scope.accepts(record, uri, cloud.role) and is_whole(record, cloud)
        )
    except CloudError:
        return ()


def is_whole(record: Record, cloud: Cloud) -> bool:
    """Return True if all that a record names is there as recorded, and nothing beside it.

    Raises: CloudError.
    """
    for output in record.outputs.values():
        if not output.is_whole(cloud.versions(output.uri, len(output.files) + 1)):
            return False
    metrics = record.metrics
    return metrics is None or _version(metrics.uri, cloud) == (metrics.size_bytes, metrics.tag)


def write_records(
    planned: Plan,
    keys: Mapping[str, str],
    reads: Mapping[str, Mapping[str, str]],
    seconds: Mapping[str, float],
    made: datetime,
    cloud: Cloud,
    log: Callable[[str], None] = lambda text: None,
) -> None:
    """Write a record for each step in `keys`, which this run made, and which succeeded. What records of the base branch
    name is copied first.

    `reads` has the runs that made what a step read, by the steps that it read from, and `seconds` the time that steps
    took. What can't be recorded is logged: the step will run again.
    """

    def write(step: str) -> str:
        try:
            described = _describe(planned, step, keys[step], reads.get(step, {}), made, cloud)
            if described is None:
                return f'"{step}" can\'t be reused: an output of it has more than {_MAX_FILES:,} files'
            record = replace(described, seconds=seconds.get(step))
            scope = record_scopes(planned.flow.name, planned.target)[-1]
            cloud.replace(scope.uri(record.key, record.run_id), render_record(record), None)
        except (CloudError, OSError) as error:
            return f'"{step}" can\'t be reused: its record was not written: {error}'
        return ""

    try:
        if planned.target.is_protected:
            _keep(planned, keys, cloud, log)
    except (CloudError, OSError) as error:
        log(f"the steps of this run can't be reused: their outputs were not copied: {error}")
        return
    for line in filter(None, at_once(write, list(keys), cloud)):
        log(line)


def _keep(planned: Plan, steps: Iterable[str], cloud: Cloud, log: Callable[[str], None]) -> None:
    """Copy what the records of some steps name. Raises: CloudError."""
    uris = {uri for step in steps for uri in planned.steps[step].outputs.values()}
    metrics = {uri for step in steps if (uri := planned.steps[step].metrics) and not uri.startswith(tuple(uris))}
    keep_outputs({uri: recorded_uri(uri, planned) for uri in sorted({*uris, *metrics})}, cloud, log, _MAX_FILES)


def _describe(
    planned: Plan, name: str, key: str, reads: Mapping[str, str], made: datetime, cloud: Cloud
) -> Record | None:
    """Return the record of a step; None if an output has too many files. Raises: CloudError."""
    step, target = planned.steps[name], planned.target
    outputs = {}
    for output, made_uri in step.outputs.items():
        uri = recorded_uri(made_uri, planned)
        versions = cloud.versions(uri, _MAX_FILES + 1)
        if len(versions) > _MAX_FILES:
            return None
        outputs[output] = RecordedOutput(uri, {each.removeprefix(uri): version for each, version in versions.items()})
    metrics_uri = recorded_uri(step.metrics, planned) if step.metrics else None
    metrics = _version(metrics_uri, cloud) if metrics_uri else None
    return Record(
        key=key,
        flow=planned.flow.name,
        step=name,
        run_id=target.run_id,
        made=made,
        outputs=outputs,
        metrics=RecordedMetrics(metrics_uri, *metrics) if metrics_uri and metrics else None,
        reads=dict(reads),
        build=target.build,
        commit=target.commit,
        role=cloud.role,
    )


def _version(uri: str, cloud: Cloud) -> tuple[int, str] | None:
    """Return the size and the tag of one object; None if there is none."""
    return cloud.versions(uri, 1).get(uri)  # of those whose URIs begin with it, its own is the first
