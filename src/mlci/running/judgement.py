"""A prepared run and its progress → the judgement on it: by metrics, cases, measurements, and what was accepted."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timezone

from mlci.backends.progress import Progress
from mlci.backends.protocol import Cloud, Outcome
from mlci.errors import CloudError
from mlci.gate import Measurements, judge
from mlci.outcome.cases import RunJudgement, judge_run
from mlci.plan import Plan
from mlci.running.context import RunContext
from mlci.running.prepared_run import PreparedRun


def judge_so_far(prepared: PreparedRun, progress: Progress, context: RunContext, cloud: Cloud) -> RunJudgement:
    """Judges the gate by the steps that have succeeded so far, and by what was accepted.

    Raises: CloudError, OSError.
    """
    planned = prepared.planned
    judgement = judge_run(planned, progress, cloud, context.cache, _measurements(planned, progress, cloud))
    return replace(judgement, verdict=prepared.acceptances.settled(judgement.verdict))


def judge_end(
    prepared: PreparedRun, progress: Progress, outcome: Outcome, context: RunContext, cloud: Cloud
) -> tuple[RunJudgement, Outcome]:
    """The judgement on a run, and its outcome. If it can't be judged, the run has failed, and still reports."""
    try:
        return judge_so_far(prepared, progress, context, cloud), outcome
    except (CloudError, OSError) as error:
        failed = replace(outcome, status="FAILED", error=type(error).__name__, cause=str(error))
        return RunJudgement({}, judge(prepared.planned.gate, {}), {}), failed


def _measurements(planned: Plan, progress: Progress, cloud: Cloud) -> Measurements:
    if not any(bound.rule.is_budget for bound in planned.gate):
        return {}
    from mlci.outcome.measurements import measure

    return measure(planned, progress, cloud, datetime.now(timezone.utc))
