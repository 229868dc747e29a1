"""The baseline that a run compares with: the newest one whose commit the run's own commit builds on.

So a pull request, a merge or a revert is compared with what it came from, and not with what the base branch has become
since. What a person has set or reset wins while it stands. The rules that it brings for what is not merged are those of
the current one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from mlci.backends.at_once import at_once
from mlci.backends.protocol import Cloud
from mlci.baseline.document import parse_baseline
from mlci.baseline.earned import CommitHistory
from mlci.baseline.storage import former_uris, read_current, unknown_branch
from mlci.commits import short_commit
from mlci.errors import CloudError
from mlci.flow.models import BaselineOutput, Flow
from mlci.plan import NO_BASELINE, Baseline, Target

#: So many baselines are read at a time, the newest first, and at most so many of them.
_READ_AT_ONCE, _READ = 8, 200


def find_baseline(
    flow: Flow, target: Target, cloud: Cloud, history: CommitHistory, log: Callable[[str], None]
) -> Baseline:
    """Returns the baseline to compare with; one without a run where there is none.

    Where no baseline is known to be of a commit that the run's builds on, it is the newest one, which `log` is told:
    a comparison that can't be right is still better than none, which would let a drop pass.

    Raises: CloudError, for a baseline that is damaged or of another schema, for the same reason.
    InputError, if a rule needs the baseline, and the base branch is not known.
    """
    if target.base_branch is None:
        if target.commit and _is_compared(flow):
            raise unknown_branch("and a rule or an input of the flow needs its baseline")
        return NO_BASELINE
    return _with_present_outputs(_chosen(flow.name, target, cloud, history, log), flow, cloud, log)


def _chosen(flow: str, target: Target, cloud: Cloud, history: CommitHistory, log: Callable[[str], None]) -> Baseline:
    newest = read_current(flow, target, cloud) or NO_BASELINE
    if newest.origin != "run" or not target.commit or not newest.commit or newest.commit == target.commit:
        return newest
    ancestors = history.ancestors(target.commit)
    if newest.commit in ancestors:
        return newest
    found = _newest_of(ancestors, flow, target, cloud, log)
    if found is None:
        log(_without_ancestor(newest, target.commit, history.is_shallow()))
        return newest
    if target.is_trusted:
        return found
    from mlci.gate.effective_gate import with_current_gate

    return with_current_gate(found, newest)


def _with_present_outputs(baseline: Baseline, flow: Flow, cloud: Cloud, log: Callable[[str], None]) -> Baseline:
    """Returns the baseline without those outputs that steps read, and that are gone: jobs fail where nothing lies."""
    read = {each for step in flow.steps.values() for each in step.inputs.values() if isinstance(each, BaselineOutput)}
    named = [(each, baseline.outputs.get(each.step, {}).get(each.output)) for each in sorted(read, key=str)]
    there = [(each, uri) for each, uri in named if uri is not None]
    are_gone = at_once(lambda found: cloud.is_empty(found[1]), there, cloud)
    gone = {each for (each, _), is_gone in zip(there, are_gone, strict=True) if is_gone}
    for each, uri in there:
        if each in gone:
            log(f"the files of the baseline's output {each.step}.{each.output} are gone: {uri}")
    outputs = {
        step: {output: uri for output, uri in uris.items() if BaselineOutput(step, output) not in gone}
        for step, uris in baseline.outputs.items()
    }
    return replace(baseline, outputs=outputs) if gone else baseline


def _newest_of(
    ancestors: Mapping[str, int], flow: str, target: Target, cloud: Cloud, log: Callable[[str], None]
) -> Baseline | None:
    """Returns the baseline of the commit that comes first among these; None if none is of one of them.

    A run that was started again for an older commit is younger than the one that is looked for: so all that are read
    at a time are looked at.
    """
    if not ancestors:
        return None
    uris = former_uris(flow, target, cloud)[:_READ]
    for start in range(0, len(uris), _READ_AT_ONCE):
        read = _read(uris[start : start + _READ_AT_ONCE], cloud, log)
        found = [each for each in read if each.commit in ancestors]
        if found:
            return min(found, key=lambda each: ancestors[each.commit or ""])  # of one commit, the first is the newest
    return None


def _read(uris: Sequence[str], cloud: Cloud, log: Callable[[str], None]) -> list[Baseline]:
    """Returns the baselines at some URIs, without those that can't be read, which `log` is told."""
    found = []
    for uri, data in zip(uris, at_once(cloud.read, uris, cloud), strict=True):
        try:
            if data is not None:
                found.append(parse_baseline(data, uri))
        except CloudError as error:
            log(f"passed over: {error.what}")
    return found


def _without_ancestor(newest: Baseline, commit: str, is_shallow: bool) -> str:
    """Returns the line for a run that compares with the newest baseline, because none is of a commit before its own."""
    named = f"the newest baseline, run {newest.run_id} of commit {short_commit(newest.commit or '')}"
    if is_shallow:
        return (
            f"compared with {named}: the checkout is shallow, so it is not known which baseline "
            f"{short_commit(commit)} builds on. Fetch the history: git fetch --unshallow"
        )
    return f"compared with {named}: {short_commit(commit)} builds on the commit of no baseline"


def _is_compared(flow: Flow) -> bool:
    if any(isinstance(source, BaselineOutput) for step in flow.steps.values() for source in step.inputs.values()):
        return True
    rules = (*flow.gate, *(rule for step in flow.steps.values() for rule in step.when))
    return any(rule.op in ("max_drop", "max_rise") for rule in rules)
