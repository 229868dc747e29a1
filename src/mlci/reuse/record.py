"""The document of a record: which run made the outputs of a step with a key, who made it, and what lay there then.

`{"schema": 1, "key": …, "flow": …, "step": …, "run_id": …, "made": …, "build": …, "commit": …, "role": …,
"reads": {<step>: <run id>}, "outputs": {<output>: {"uri": …, "files": {<path below it>: [<size>, <tag>]}}},
"metrics": {"uri": …, "size": …, "tag": …} or null, "seconds": … or null}`.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import field
from datetime import datetime

from mlci.flow.models import Json
from mlci.plan.models import S3Uri
from mlci_dataclasses import dataclass

#: Changes when a reader of the old format would be misled by the new one.
SCHEMA = 1
_KEY = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class RecordedOutput:
    """An output of a step: its URI, and the size in bytes and the tag of each file, by its path below the URI."""

    uri: S3Uri
    files: Mapping[str, tuple[int, str]] = field(default_factory=dict)

    def is_whole(self, versions: Mapping[str, tuple[int, str]]) -> bool:
        """Return True if the objects below the URI are those of the record, and no others.

        >>> output = RecordedOutput(S3Uri("s3://b/x/"), {"a.csv": (3, "t")})
        >>> output.is_whole({"s3://b/x/a.csv": (3, "t")}), output.is_whole({"s3://b/x/a.csv": (3, "u")})
        (True, False)
        """
        return {f"{self.uri}{path}": version for path, version in self.files.items()} == dict(versions)


@dataclass(frozen=True)
class RecordedMetrics:
    """The metrics file of a step: its URI, its size in bytes and its tag."""

    uri: S3Uri
    size_bytes: int
    tag: str


@dataclass(frozen=True)
class Record:
    """A record of a step that succeeded.

    `made` is the time in UTC. `build` is the id of the build, None outside of one, and `role` the ARN of the role that
    wrote the record, empty on this machine. `reads` has the run that made what the step read, by the step that it read
    from. `metrics` is None if the step left none. `seconds` is the time that the step took; None in records of older
    versions of mlci.
    """

    key: str
    flow: str
    step: str
    run_id: str
    made: datetime
    outputs: Mapping[str, RecordedOutput]
    metrics: RecordedMetrics | None = None
    reads: Mapping[str, str] = field(default_factory=dict)
    build: str | None = None
    commit: str | None = None
    role: str = ""
    seconds: float | None = None

    @property
    def uris(self) -> tuple[S3Uri, ...]:
        """All URIs that the record names."""
        outputs = tuple(output.uri for output in self.outputs.values())
        return (*outputs, self.metrics.uri) if self.metrics else outputs


def render_record(record: Record) -> bytes:
    """Return the bytes of a record."""
    metrics = record.metrics
    document: dict[str, Json] = {
        "schema": SCHEMA,
        "key": record.key,
        "flow": record.flow,
        "step": record.step,
        "run_id": record.run_id,
        "made": record.made.isoformat(),
        "build": record.build,
        "commit": record.commit,
        "role": record.role,
        "reads": dict(record.reads),
        "seconds": record.seconds,
        "outputs": {
            name: {"uri": output.uri, "files": {path: [*version] for path, version in output.files.items()}}
            for name, output in record.outputs.items()
        },
        "metrics": {"uri": metrics.uri, "size": metrics.size_bytes, "tag": metrics.tag} if metrics else None,
    }
    return json.dumps(document, indent=1, sort_keys=True).encode()


def parse_record(data: bytes) -> Record | None:
    """Return the record that these bytes hold; None if it is damaged, or of another version of mlci."""
    try:
        document = json.loads(data)
        return _record(document) if isinstance(document, dict) and document.get("schema") == SCHEMA else None
    except (ValueError, TypeError, KeyError, RecursionError):  # UnicodeDecodeError is a ValueError
        return None


def _record(document: Mapping[str, Json]) -> Record:
    """Return a record. Raises: ValueError, TypeError, KeyError."""
    made = datetime.fromisoformat(_text(document["made"]))
    key = _text(document["key"])
    if made.tzinfo is None or not _KEY.fullmatch(key):
        raise ValueError("the time has no zone, or the key is none")
    metrics = document["metrics"]
    return Record(
        key=key,
        flow=_text(document["flow"]),
        step=_text(document["step"]),
        run_id=_text(document["run_id"]),
        made=made,
        outputs={name: _output(_map(output)) for name, output in _map(document["outputs"]).items()},
        metrics=None if metrics is None else _metrics(_map(metrics)),
        reads={step: _text(run) for step, run in _map(document["reads"]).items()},
        build=None if document["build"] is None else _text(document["build"]),
        commit=None if document["commit"] is None else _text(document["commit"]),
        role=_text(document["role"]),
        seconds=_seconds(document.get("seconds")),
    )


def _output(document: Mapping[str, Json]) -> RecordedOutput:
    return RecordedOutput(
        S3Uri(_text(document["uri"])), {path: _version(version) for path, version in _map(document["files"]).items()}
    )


def _metrics(document: Mapping[str, Json]) -> RecordedMetrics:
    size, tag = _version([document["size"], document["tag"]])
    return RecordedMetrics(S3Uri(_text(document["uri"])), size, tag)


def _version(value: Json) -> tuple[int, str]:
    match value:
        case [bool(), _]:
            raise TypeError("a size is a number")
        case [int(size), str(tag)] if size >= 0:
            return size, tag
        case _:
            raise TypeError("no size and tag")


def _seconds(value: Json) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
        raise TypeError("no time")
    return value


def _map(value: Json) -> Mapping[str, Json]:
    if not isinstance(value, dict):
        raise TypeError("no object")
    return value


def _text(value: Json) -> str:
    if not isinstance(value, str):
        raise TypeError("no text")
    return value
