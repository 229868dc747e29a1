"""The acceptances in a flow's bucket, and what a run missed, by which somebody may accept it.

Acceptances lie with the baselines, where pull requests can't write. What a run missed lies among its own files.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date
from typing import Any

from mlci.backends.at_once import at_once
from mlci.backends.protocol import Cloud
from mlci.baseline import CommitHistory
from mlci.errors import CloudError
from mlci.fast_dataclasses import dataclass
from mlci.gate import Acceptance, Verdict
from mlci.gate.acceptance import SCHEMA, AcceptedMiss
from mlci.gate.accepted import Acceptances, AcceptingRun, miss_of
from mlci.plan import Plan, S3Uri, Target
from mlci.plan.names import Names, acceptance_folder
from mlci.reuse.key_document import RunKeys


@dataclass(frozen=True)
class GateMisses:
    """The rules that a run missed. `metrics` are all that its gate is on, as the flow writes them; `written` are those
    of the misses."""

    flow: str
    run_id: str
    commit: str | None
    metrics: tuple[str, ...]
    misses: tuple[AcceptedMiss, ...]
    written: tuple[str, ...]

    def of(self, metric: str) -> tuple[AcceptedMiss, ...]:
        """Returns the misses of a metric, by its own name or by that in the flow."""
        pairs = zip(self.misses, self.written, strict=True)
        return tuple(miss for miss, written in pairs if metric in (miss.metric, written))


def acceptance_uri(flow: str, target: Target, name: str = "") -> S3Uri:
    """Returns the URI of an acceptance; of the folder of all, for no name."""
    folder = f"s3://{target.bucket}/{acceptance_folder(flow, target.base_branch or '')}/"
    return S3Uri(f"{folder}{name}.json" if name else folder)


def read_acceptances(flow: str, target: Target, cloud: Cloud, log: Callable[[str], None]) -> tuple[Acceptance, ...]:
    """Returns the acceptances of the base branch, the oldest first. `log` is told of those that can't be read.

    Raises: CloudError.
    """
    if target.base_branch is None:
        return ()
    uris = sorted(cloud.list(acceptance_uri(flow, target)))
    found = []
    for uri, data in zip(uris, at_once(cloud.read, uris, cloud), strict=True):
        try:
            found.append(Acceptance.from_json(json.loads(data or b"")))
        except (LookupError, TypeError, ValueError, RecursionError):
            log(f"an acceptance does not count, because it is damaged or of another version of mlci: {uri}")
    return tuple(found)


def acceptances_for(
    planned: Plan, keys: RunKeys, history: CommitHistory, today: date, cloud: Cloud, log: Callable[[str], None]
) -> Acceptances:
    """Returns the acceptances of the base branch, and what they need to know of a run.

    Raises: CloudError.
    """
    flow, target = planned.flow.name, planned.target
    found = read_acceptances(flow, target, cloud, log) if planned.gate else ()
    if not found or target.base_branch is None:
        return Acceptances()
    ancestors = history.ancestors(target.commit) if target.commit else {}
    of_steps = {name: step.key for name, step in keys.steps.items()}
    return Acceptances(found, AcceptingRun(flow, target.base_branch, target.commit, today, ancestors, of_steps))


def write_acceptance(accepted: Acceptance, target: Target, cloud: Cloud) -> S3Uri:
    """Writes an acceptance, and returns its URI. Raises: CloudError."""
    uri = acceptance_uri(accepted.flow, target, accepted.id)
    cloud.write(uri, json.dumps(accepted.to_json(), indent=2).encode())
    return uri


def write_misses(planned: Plan, verdict: Verdict, keys: RunKeys, cloud: Cloud, log: Callable[[str], None]) -> None:
    """Writes what a run missed of its gate, if anything, for `mlci accept`."""
    missed = [judged for judged in verdict.rules if not judged.held]
    if not missed:
        return
    flow, target = planned.flow.name, planned.target
    of_steps = {name: step.key for name, step in keys.steps.items()}
    document = {
        "schema": SCHEMA,
        "flow": flow,
        "run_id": target.run_id,
        "commit": target.commit,
        "metrics": sorted({judged.bound.rule.as_written.metric for judged in verdict.rules}),
        "misses": [
            {**miss_of(judged, of_steps).to_json(), "written": judged.bound.rule.as_written.metric} for judged in missed
        ],
    }
    key = Names(flow, target.is_protected).gate_misses(target.run_id)
    try:
        cloud.write(S3Uri(f"s3://{target.bucket}/{key}"), json.dumps(document, indent=2).encode())
    except (CloudError, OSError) as error:
        log(f"`mlci accept` won't know this run, because what it missed could not be written: {error}")


def read_misses(flow: str, run: str, bucket: str, cloud: Cloud) -> tuple[GateMisses, ...]:
    """Returns what runs missed whose ids begin so, of pull requests and of the base branch.

    Raises: CloudError.
    """
    scopes = (Names(flow), Names(flow, is_protected=True))
    ending = scopes[0].gate_misses("").removeprefix(scopes[0].run(""))
    listed = (uri for names in scopes for uri in cloud.list(f"s3://{bucket}/{names.run(run)}"))
    found = ((uri, cloud.read(uri)) for uri in listed if uri.endswith(ending))
    return tuple(_parsed(data, uri) for uri, data in found if data is not None)


def _parsed(data: bytes, uri: str) -> GateMisses:
    try:
        document: Any = json.loads(data)
        if document["schema"] != SCHEMA:
            raise ValueError(document["schema"])
        return GateMisses(
            str(document["flow"]),
            str(document["run_id"]),
            None if document["commit"] is None else str(document["commit"]),
            tuple(map(str, document["metrics"])),
            tuple(map(AcceptedMiss.from_json, document["misses"])),
            tuple(str(miss["written"]) for miss in document["misses"]),
        )
    except (LookupError, TypeError, ValueError, RecursionError) as error:
        raise CloudError(f"{uri} is damaged, or of another version of mlci.", hint="Run the build again.") from error
