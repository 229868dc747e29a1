"""The acceptances in a flow's bucket, and what a run missed, by which somebody may accept it.

Acceptances lie with the baselines, where pull requests can't write. What a run missed lies among its own files, which
any build of a pull request may write: what nobody has seen of it counts for nothing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from datetime import date
from typing import TYPE_CHECKING, Any

from mlci.backends.at_once import at_once
from mlci.errors import CloudError, InputError
from mlci.gate import Acceptance, Verdict
from mlci.gate.acceptance import SCHEMA, AcceptedMiss
from mlci.gate.accepted import Acceptances, AcceptingRun, miss_of
from mlci.plan import Plan, S3Uri, Target
from mlci.plan.names import Names, acceptance_folder
from mlci.report.untrusted_text import one_line
from mlci_dataclasses import dataclass

if TYPE_CHECKING:
    from mlci.backends.protocol import Cloud
    from mlci.baseline import CommitHistory
    from mlci.reuse.key_document import RunKeys

_COMMIT = r"[0-9a-f]{40}(?:[0-9a-f]{24})?"
_CELL = r"^(?P<step>[^(]*)\(.*\)(?P<path>[.\[].*)$"


@dataclass(frozen=True)
class GateMisses:
    """The rules that a run missed. `metrics` are all that its gate is on, as the flow writes them; `written` are those
    of the misses. It `is_protected` if only the base branch's builds could write it. `is_dirty` says that tracked files
    differed from the commit, and `accepted` has the ids of the acceptances that counted, by the metrics as written."""

    flow: str
    run_id: str
    commit: str | None
    metrics: tuple[str, ...]
    misses: tuple[AcceptedMiss, ...]
    written: tuple[str, ...]
    is_protected: bool = False
    is_dirty: bool = False
    accepted: Mapping[str, str] = field(default_factory=dict)

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


def write_misses(
    planned: Plan, verdict: Verdict, keys: RunKeys, is_dirty: bool, cloud: Cloud, log: Callable[[str], None]
) -> None:
    """Writes what a run missed of its gate, if anything, for `mlci accept`."""
    missed = [judged for judged in verdict.rules if not judged.held]
    if not missed:
        return
    flow, target = planned.flow.name, planned.target
    of_steps = {name: step.key for name, step in keys.steps.items()}
    misses = {_rule_of(miss): (miss, judged) for judged in missed for miss in [miss_of(judged, of_steps)]}
    document = {
        "schema": SCHEMA,
        "flow": flow,
        "run_id": target.run_id,
        "commit": target.commit,
        "dirty": is_dirty,
        "metrics": sorted({judged.bound.rule.as_written.metric for judged in verdict.rules}),
        "misses": [
            {**miss.to_json(), "written": judged.bound.rule.as_written.metric} for miss, judged in misses.values()
        ],
        "accepted": {
            judged.bound.rule.as_written.metric: judged.acceptance.id for judged in verdict.rules if judged.acceptance
        },
    }
    key = Names(flow, target.is_protected).gate_misses(target.run_id)
    try:
        cloud.write(S3Uri(f"s3://{target.bucket}/{key}"), json.dumps(document, indent=2).encode())
    except (CloudError, OSError) as error:
        log(f"`mlci accept` won't know this run, because what it missed could not be written: {error}")


def read_misses(flow: str, run: str, bucket: str, cloud: Cloud) -> tuple[GateMisses, ...]:
    """Returns what runs missed whose ids begin so, of pull requests and of the base branch; of the run alone whose id
    is just that. The base branch's come first.

    Raises: CloudError; InputError, for a document that contradicts itself.
    """
    listed = [
        (found, uri, names.is_protected)
        for names in (Names(flow, is_protected=True), Names(flow))
        for uri in cloud.list(f"s3://{bucket}/{names.run(run)}")
        for found in [uri.removeprefix(f"s3://{bucket}/{names.run('')}").partition("/")[0]]
        if uri == f"s3://{bucket}/{names.gate_misses(found)}"
    ]
    exact = [each for each in listed if each[0] == run][:1]
    read = ((found, uri, is_protected, cloud.read(uri)) for found, uri, is_protected in exact or listed)
    return tuple(
        _parsed(data, uri, flow, found, is_protected) for found, uri, is_protected, data in read if data is not None
    )


def check_commit(
    missed: GateMisses, tips: Sequence[str], history: CommitHistory, given: str | None, local: bool
) -> None:
    """Checks that a run that missed its gate is of its commit as it stands, and that no other runs build on that.

    `tips` are the newest commits of the base branch, as far as they are known here, and `given` is the commit that a
    person says it is. In a `local` store nobody else writes, so a run of the base branch's newest commit is what it
    says.

    Raises: InputError.
    """
    commit, run = missed.commit, f"run {missed.run_id}"
    if commit is None:
        raise InputError(f"{run} is of no commit, so nobody could say what its acceptance counts for", _COMMIT_FIRST)
    if missed.is_dirty:
        what = f"{run} is of changes that its commit {commit} does not hold, and what is accepted counts for the commit"
        raise InputError(what, _COMMIT_FIRST)
    if given is not None and given != commit:
        raise InputError(f"{run} says that it is of commit {commit}, and not of {given}", _FORGED)
    if missed.is_protected or (local and commit in tips):
        return
    if any(commit == tip or history.is_ancestor(commit, tip) for tip in tips):
        what = f"{run} says that it is of commit {commit}, which the base branch contains already"
        raise InputError(f"{what}: all pull requests would build on what is accepted", _FORGED)
    is_known = bool(tips) and not history.is_shallow() and history.committed(commit) is not None
    if not is_known and given is None:
        what = f"commit {commit}, of which {run} says that it is, and what it builds on are not known here"
        hint = "Fetch it and the base branch (git fetch), or say which commit it is: --commit and the whole SHA of "
        raise InputError(what, f"{hint}the pull request's newest commit, from the pull request.")


_COMMIT_FIRST = "Commit what it is about, and run it again."
_FORGED = "Look at the pull request, and run its build again. Any build of a pull request could have written this."


def _rule_of(miss: AcceptedMiss) -> tuple[object, ...]:
    return (miss.metric, miss.op, miss.slice, miss.group, miss.limit, miss.is_relative)


def _parsed(data: bytes, uri: str, flow: str, run: str, is_protected: bool) -> GateMisses:
    """Returns the document at a URI. Raises: InputError, if it is damaged, or no run can have written it."""
    try:
        document: Any = json.loads(data)
        if document["schema"] != SCHEMA:
            raise ValueError(document["schema"])
        missed = GateMisses(
            str(document["flow"]),
            str(document["run_id"]),
            None if document["commit"] is None else str(document["commit"]),
            tuple(map(str, document["metrics"])),
            tuple(map(AcceptedMiss.from_json, document["misses"])),
            tuple(str(miss["written"]) for miss in document["misses"]),
            is_protected,
            document.get("dirty") is True,
            {str(metric): str(name) for metric, name in document.get("accepted", {}).items()},
        )
    except (LookupError, TypeError, ValueError, AttributeError, RecursionError) as error:
        what = f"{uri} is damaged, or of another version of mlci: {one_line(str(error))}"
        raise InputError(what, _FORGED) from error
    problem = _contradiction(missed, flow, run)
    if problem:
        raise InputError(f"{uri} can't be what a run of mlci wrote: {one_line(problem)}", _FORGED)
    return missed


def _contradiction(missed: GateMisses, flow: str, run: str) -> str:
    """Returns why no run can have written a document that lies where that run's does; empty if it can."""
    if (missed.flow, missed.run_id) != (flow, run):
        return f'it says that it is of run "{missed.run_id}" of "{missed.flow}"'
    if missed.commit is not None and not re.fullmatch(_COMMIT, missed.commit):
        return f'"{missed.commit}" is no commit'
    for miss, written in zip(missed.misses, missed.written, strict=True):
        if written not in (miss.metric, _of_step(miss.metric)):
            return f'it has a miss of "{miss.metric}" under the name "{written}"'
        if miss.limit is None:
            return f'it does not say which limit "{miss.metric}" missed'
    if len(set(map(_rule_of, missed.misses))) < len(missed.misses):
        return "it has two misses of one rule"
    return ""


def _of_step(metric: str) -> str:
    """Returns the name of a cell's metric as the flow writes it, of the step.

    >>> _of_step("train(lr=0.1).auc"), _of_step('run.steps["train(lr=0.1)"].seconds')
    ('train.auc', 'run.steps.train.seconds')
    """
    found = re.match(_CELL, metric.replace('["', ".", 1).replace('"]', "", 1) if metric.startswith("run.") else metric)
    return f"{found['step']}{found['path']}" if found else metric
