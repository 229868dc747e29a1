"""The API requests of a step as they are sent, each whole, to be held to the API's model before anything starts."""

from __future__ import annotations

from mlci.plan.models import Plan
from mlci.step_types import STEP_TYPES
from mlci.step_types.base import FurtherRequest


def sent_requests(planned: Plan, name: str) -> tuple[FurtherRequest, ...]:
    """Return the step's own request, with the name of a first attempt, and those beside it."""
    step, step_type = planned.steps[name], STEP_TYPES[planned.flow.steps[name].uses]
    further = step_type.further_requests(step.execution_input)
    api = step_type.request
    if api is None:
        return further
    own = {**step.request, api.name_field: f"{step.job}-0-0"}
    return (FurtherRequest(api.action, own, api.task_fields, "request", api.service), *further)
