"""A run of the base branch that has passed → its baseline, written where the run has earned it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from mlci.backends.protocol import Cloud
from mlci.baseline import Baseline, WorkTree, record_baseline, unearned_reason, with_history, with_metrics
from mlci.baseline.kept_keys import keep_keys
from mlci.errors import CloudError
from mlci.outcome.cases import RunJudgement
from mlci.plan import Plan
from mlci.report.result import BaselineUpdate, Status, strict
from mlci.reuse.key_document import RunKeys
from mlci.running.context import RunContext


def update_baseline(
    planned: Plan,
    keys: RunKeys,
    judgement: RunJudgement,
    chosen: Mapping[str, str],
    context: RunContext,
    cloud: Cloud,
) -> tuple[Status, str, BaselineUpdate]:
    """Makes a passing run the baseline, where it earned it. `chosen` has the cells that steps have read as the best.

    The run fails if the baseline can't be written: later runs would compare with an older one.
    """
    target = planned.target
    unearned = unearned_reason(planned, context.tree or WorkTree())
    if unearned:
        context.reporter.log(f"the baseline of {target.base_branch} was not written: {unearned}")
        return Status.PASSED, "", BaselineUpdate(reason=unearned)
    reported = judgement.reported.items()
    documents = {step: strict(each.document) for step, each in reported if each.document is not None}
    committed = context.history.committed(target.commit) if target.commit else None
    flow = planned.flow
    accepted = dict.fromkeys(judged.acceptance.id for judged in judgement.verdict.rules if judged.acceptance)
    baseline = Baseline(
        documents,
        target.run_id,
        target.commit,
        committed,
        gate=flow.gate,
        params=flow.params,
        acceptances=tuple(accepted),
    )
    kept_keys = keep_keys(planned, keys, cloud, context.reporter.log)
    gated = {
        judged.bound.rule.metric: judged.value
        for judged in judgement.verdict.rules
        if judged.value is not None and not judged.group and judged.bound.origin == "flow"
    }
    baseline = with_history(with_metrics(baseline, gated), planned.baseline)
    baseline = replace(_with_files(baseline, planned, chosen, context, cloud), keys=kept_keys)
    try:
        kept = record_baseline(planned.flow.name, target, baseline, cloud, context.history)
    except (CloudError, OSError) as error:
        reason = f"the gate held, and the baseline could not be written: {error}"
        return Status.FAILED, reason, BaselineUpdate(is_earned=True, reason=str(error))
    if kept:
        context.reporter.log(f"the baseline of {target.base_branch} was not replaced: {kept}")
    return Status.PASSED, "", BaselineUpdate(is_earned=True, is_written=not kept, reason=kept)


def _with_files(
    baseline: Baseline, planned: Plan, chosen: Mapping[str, str], context: RunContext, cloud: Cloud
) -> Baseline:
    """Returns a baseline with the URIs of what it keeps; without, if that can't be kept, for rules need its metrics."""
    from mlci.baseline.kept_files import cases_files, id_files
    from mlci.records.kept_outputs import keep_baseline_outputs

    try:
        outputs = keep_baseline_outputs(planned, cloud, context.reporter.log)
        trained_on = id_files(planned, outputs, chosen, cloud)
    except (CloudError, OSError) as error:
        context.reporter.log(f"the baseline names no outputs, for they were not copied: {error}")
        return baseline
    return replace(baseline, outputs=outputs, cases=cases_files(planned, outputs), trained_on=trained_on)
