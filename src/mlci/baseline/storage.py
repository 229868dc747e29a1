"""The baselines in a flow's bucket. One is replaced only if it is still the one that was looked at, so that of two
builds that end at the same time, the newer commit's stays."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from mlci.backends.protocol import Cloud
from mlci.baseline.document import parse_baseline, render_baseline
from mlci.baseline.earned import CommitHistory, is_older
from mlci.baseline.history_document import with_history
from mlci.commits import short_commit
from mlci.errors import CloudError, InputError
from mlci.plan import NO_BASELINE, Baseline, Target
from mlci.plan.models import S3Uri
from mlci.plan.names import baseline_key

_ATTEMPTS = 20


def baseline_uri(flow: str, target: Target) -> S3Uri | None:
    """The URI of the base branch's baseline; None if the base branch is not known."""
    return S3Uri(f"s3://{target.bucket}/{baseline_key(flow, target.base_branch)}") if target.base_branch else None


def read_current(flow: str, target: Target, cloud: Cloud) -> Baseline | None:
    """The base branch's baseline; None if there was none yet.

    Raises: CloudError, for a baseline that is damaged; InputError, if the base branch is not known.
    """
    uri = _uri(flow, target)
    data = cloud.read(uri)
    return None if data is None else parse_baseline(data, uri)


def record_baseline(flow: str, target: Target, baseline: Baseline, cloud: Cloud, history: CommitHistory) -> str:
    """Keeps the baseline of a passing run in the history, and makes it the current one unless that is a newer commit's.

    Returns why it was not made the current one; empty if it was.

    Raises: CloudError.
    """
    cloud.write(_former_uri(flow, target, baseline.run_id), render_baseline(baseline))
    newer = _replace(flow, target, baseline, cloud, history)
    if newer is None:
        return ""
    commit = f"commit {short_commit(newer.commit)}" if newer.commit else "a commit"
    return f"it is that of run {newer.run_id}, of {commit}, which is newer"


def replace_baseline(flow: str, target: Target, baseline: Baseline, cloud: Cloud) -> None:
    """Makes a baseline the current one, whatever the current one is.

    Raises: CloudError; InputError, if the base branch is not known.
    """
    _replace(flow, target, baseline, cloud, None)


def former_baselines(flow: str, target: Target, cloud: Cloud) -> Iterator[Baseline]:
    """Yields the runs that earned the baseline, the newest first.

    Raises: CloudError; InputError, if the base branch is not known.
    """
    for uri in former_uris(flow, target, cloud):
        data = cloud.read(uri)
        if data is not None:
            yield parse_baseline(data, uri)


def former_uris(flow: str, target: Target, cloud: Cloud) -> list[str]:
    """Returns the URIs of the runs that earned the baseline, the newest first: their names sort by time.

    Raises: CloudError; InputError, if the base branch is not known.
    """
    return sorted(cloud.list(_former_prefix(flow, target)), reverse=True)


def find_former(flow: str, target: Target, run: str, cloud: Cloud) -> Baseline | None:
    """The one run of the history whose id begins or ends so; None if there is none.

    Raises: CloudError; InputError, if the base branch is not known, or if there is more than one.
    """
    ids = {uri.rpartition("/")[2].removesuffix(".json"): uri for uri in cloud.list(_former_prefix(flow, target))}
    near = [run] if run in ids else sorted(name for name in ids if name.startswith(run) or name.endswith(run))
    if len(near) > 1:
        raise InputError(f'more than one run is called "{run}"', f"There are: {', '.join(near[:5])}")
    data = cloud.read(ids[near[0]]) if near else None
    return parse_baseline(data, ids[near[0]]) if data is not None else None


def _replace(
    flow: str, target: Target, baseline: Baseline, cloud: Cloud, history: CommitHistory | None
) -> Baseline | None:
    """Makes a baseline the current one, unless that is a newer commit's by the `history`: then it is returned.

    The one that is replaced passes on its history, with the runs that became the baseline while this one ran.
    """
    uri = _uri(flow, target)
    for _ in range(_ATTEMPTS):
        found = cloud.read_tagged(uri)
        current = _parsed(found.data, uri, is_by_hand=history is None) if found else NO_BASELINE
        if history is not None and is_older(baseline, current, history):
            return current
        data = render_baseline(with_history(baseline, current))
        if found is not None and found.data == data:  # the answer to the first write was lost, and the write was not
            return None
        if cloud.replace(uri, data, found.tag if found else None):
            return None
    raise CloudError(f"other runs replace the baseline {uri} all the time.", hint="Try again.")


def _parsed(data: bytes, uri: S3Uri, is_by_hand: bool) -> Baseline:
    """Returns the current baseline. By hand, one that is damaged is replaced as well, and has no history."""
    try:
        return parse_baseline(data, uri)
    except CloudError:
        if not is_by_hand:
            raise
        return NO_BASELINE


def reset() -> Baseline:
    """Returns what stands in a baseline's place until the next passing run on the base branch."""
    return Baseline(origin="reset")


def by_hand(baseline: Baseline) -> Baseline:
    """Returns a baseline as `mlci baseline set` writes it."""
    return replace(baseline, origin="set")


def _uri(flow: str, target: Target) -> S3Uri:
    uri = baseline_uri(flow, target)
    if uri is None:
        raise unknown_branch("and each base branch has its own baseline")
    return uri


def _former_prefix(flow: str, target: Target) -> str:
    return f"{_uri(flow, target).removesuffix('.json')}/"


def _former_uri(flow: str, target: Target, run_id: str) -> str:
    return f"{_former_prefix(flow, target)}{run_id}.json"


def unknown_branch(why: str) -> InputError:
    """Returns the error of what needs the base branch, where it is not known."""
    return InputError(
        f"the base branch is not known, {why}",
        "Name it: MLCI_BASE_BRANCH=main. Or fetch it: git fetch origin && git remote set-head origin --auto.",
    )
