"""The cleaner's part of the execution input: the resources to delete after a run, and the times of its looks at it."""

from __future__ import annotations

from mlci.flow.models import Json
from mlci.plan.models import Plan
from mlci.step_types.deletions import DELETIONS

#: The least time limit of an execution, which is that of the cleaner as well: after the run's end it still has to wait
#: and to delete.
CLEANER_MIN_S = 1_920
#: The most looks at the run before a successor goes on. A look takes at most 14 events.
_MAX_LOOKS = 1_000
#: The time after the run's end in which the cleaner tries to delete: an endpoint can't be deleted while it is created.
_TRIES_S = 7_200


def cleanup_nouns(plan: Plan) -> tuple[str, ...]:
    """Return the kinds of resources to delete after a run, in the order of their deletion."""
    nouns = {noun for step in plan.steps.values() for noun, _ in step.deletions}
    return tuple(deletion.noun for deletion in DELETIONS if deletion.noun in nouns)


def cleaner_values(plan: Plan, time_limit_s: int) -> dict[str, Json]:
    """Return the cleaner's part of a run's execution input; {} for a run that leaves nothing to delete.

    `looks` and `tries` are numbers of looks at the run: until a successor goes on, and after the run's end.
    """
    each = [deletion for step in plan.steps.values() for deletion in step.deletions]
    if not each:
        return {}
    names: dict[str, Json] = {
        deletion.key: [*sorted({name for noun, name in each if noun == deletion.noun})]
        for deletion in DELETIONS
        if deletion.noun in cleanup_nouns(plan)
    }
    poll_s = plan.target.poll_s
    looks = min(_MAX_LOOKS, max(1, time_limit_s // (4 * poll_s)))
    # Once more behind the end: a call that was on its way when the run was stopped may still create something.
    settle_s = poll_s if poll_s > 1 else 0
    return {
        "poll_s": poll_s,
        "settle_s": settle_s,
        "looks": looks,
        "tries": _TRIES_S // poll_s,
        "names": names,
    }
