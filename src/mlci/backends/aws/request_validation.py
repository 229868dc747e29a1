"""The API requests that a run's tasks make, held to botocore's model and to what Step Functions passes on."""

from __future__ import annotations

from typing import Any  # botocore has no types

from mlci.errors import InputError, Problem
from mlci.plan.models import Plan
from mlci.step_types import STEP_TYPES


def check(planned: Plan, sagemaker: Any) -> None:
    """Raises InputError, with every problem, where a request is none that SageMaker or Step Functions takes.

    `sagemaker` is botocore's model of the service, which a client of it has.
    """
    from botocore.validate import ParamValidator

    problems = []
    for name, step in planned.steps.items():
        api = STEP_TYPES[planned.flow.steps[name].uses].request
        if api is None:
            continue
        request = {**step.request, api.name_field: f"{step.job}-0-0"}
        report = ParamValidator().validate(request, sagemaker.operation_model(api.action).input_shape)
        found = report.generate_report().splitlines() if report.has_errors() else []
        unknown = sorted(set(request) - api.task_fields)
        found += [f'"{field}" can\'t be given to a task of Step Functions' for field in unknown if not found]
        at = planned.flow.position("steps", name, "request")
        problems += [Problem(at.file, at.line, at.column, f'step "{name}": {what}') for what in found]
    if problems:
        raise InputError(problems)
