"""The values by which a state machine asks mlci whether the gate holds: the place of the tokens, and the time limit."""

from __future__ import annotations

from mlci.flow.models import Json
from mlci.plan.models import Plan
from mlci.plan.names import Names
from mlci.step_types.gate_judgement import ANSWER_S
from mlci.step_types.states import S3_RETRIES, attempt_counters

#: Their key in the execution input, the path of it, and the fields there.
KEY = "judgement"
PATH = f"$.{KEY}"
BUCKET, PREFIX, TIMEOUT, TIMED_OUT, ATTEMPT = "bucket", "prefix", "timeout_s", "timed_out", "attempt"


def judgement_input(plan: Plan) -> dict[str, Json]:
    """Return the values of the states that ask mlci; {} for a plan without such states."""
    if not plan.asks_mlci:
        return {}
    names = Names(plan.flow.name, plan.target.is_protected)
    return {
        BUCKET: plan.target.bucket,
        PREFIX: f"{names.gate_tokens(plan.target.run_id)}/",
        TIMEOUT: ANSWER_S,
        TIMED_OUT: f"the gate was not judged within {ANSWER_S // 60} minutes: the build that follows the run is gone",
        ATTEMPT: attempt_counters(S3_RETRIES),
    }
