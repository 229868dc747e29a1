"""The format of a baseline: one JSON object.

`{"schema": 1, "run_id": …, "commit": …, "committed": …, "origin": "run", "metrics": {<step>: <its metrics file>},
"outputs": {<step>: {<output>: <its URI>}}}`. Those of older mlci have no outputs.
Without metrics, and without a run, it says that the baseline was reset.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, TypeAlias

from mlci.errors import CloudError
from mlci.flow.models import Json

#: The version of the format. It changes when a reader of the old format would be misled by the new one.
SCHEMA = 1
#: What wrote it: a passing run, or a person, with `mlci baseline set` or `mlci baseline reset`.
Origin: TypeAlias = Literal["run", "set", "reset"]


@dataclass(frozen=True)
class Baseline:
    """A baseline. `committed` is the time of its commit, and None where it is not known, as in those of older mlci.

    `run_id` is empty after a reset. `outputs` has the URIs of what the run's steps made.
    """

    metrics: Mapping[str, Json] = field(default_factory=dict)
    run_id: str = ""
    commit: str | None = None
    committed: datetime | None = None
    origin: Origin = "run"
    outputs: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


def render_baseline(baseline: Baseline) -> bytes:
    """Returns the bytes of a baseline."""
    document = {
        "schema": SCHEMA,
        "run_id": baseline.run_id or None,
        "commit": baseline.commit,
        "committed": baseline.committed.isoformat() if baseline.committed else None,
        "origin": baseline.origin,
        "metrics": dict(baseline.metrics),
        "outputs": {step: dict(uris) for step, uris in baseline.outputs.items()},
    }
    return json.dumps(document, indent=2).encode()


def parse_baseline(data: bytes, uri: str) -> Baseline:
    """Returns the baseline that these bytes hold.

    Raises: CloudError, for a baseline that is damaged or of another schema.
    """
    try:
        document = json.loads(data)
        schema, metrics = document["schema"], document.get("metrics")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise _damaged(uri) from error
    if schema != SCHEMA:
        raise CloudError(
            f"the baseline {uri} has schema {json.dumps(schema)[:40]}, and this version of mlci reads schema {SCHEMA}.",
            hint="Upgrade mlci, or reset the baseline: `mlci baseline reset`.",
        )
    if not isinstance(metrics, dict):
        raise _damaged(uri)
    return Baseline(
        metrics,
        _text(document.get("run_id")),
        _text(document.get("commit")) or None,
        _time(document.get("committed")),
        document["origin"] if document.get("origin") in ("set", "reset") else "run",
        _outputs(document.get("outputs")),
    )


def _outputs(value: Json) -> dict[str, dict[str, str]]:
    """Returns the URIs of outputs as far as the document has any."""
    steps = value.items() if isinstance(value, dict) else ()
    return {
        step: {output: uri for output, uri in uris.items() if isinstance(uri, str)}
        for step, uris in steps
        if isinstance(uris, dict)
    }


def _text(value: Json) -> str:
    return value if isinstance(value, str) else ""


def _time(value: Json) -> datetime | None:
    try:
        time = datetime.fromisoformat(_text(value))
    except ValueError:
        return None
    return time if time.tzinfo else None  # times without a zone can't be compared


def _damaged(uri: str) -> CloudError:
    hint = "Reset it, `mlci baseline reset`: the next passing run on the base branch writes it again."
    return CloudError(f"the baseline {uri} is damaged.", hint=hint)
