"""The API requests that a run's tasks make, held to botocore's model and to what Step Functions passes on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any  # botocore has no types

from mlci.backends.enum_values import UnlistedValue, problem_of
from mlci.backends.sent_requests import sent_requests
from mlci.errors import InputError, Problem
from mlci.plan.models import Plan


def check(planned: Plan, sagemaker: Any) -> None:
    """Raises InputError, with every problem, where a request is none that SageMaker or Step Functions takes.

    `sagemaker` is botocore's model of the service, which a client of it has.
    """
    from botocore.validate import ParamValidator

    problems = []
    for name in planned.steps:
        for sent in sent_requests(planned, name):
            model = sagemaker if sent.service == "sagemaker" else _service_model(sent.service)
            shape = model.operation_model(sent.action).input_shape
            report = ParamValidator().validate(sent.request, shape)
            found = report.generate_report().splitlines() if report.has_errors() else []
            unknown = sorted(set(sent.request) - sent.task_fields)
            found += [f'"{field}" can\'t be given to a task of Step Functions' for field in unknown if not found]
            at = planned.flow.position("steps", name, sent.key)
            problems += [Problem(at.file, at.line, at.column, f'step "{name}": {what}') for what in found]
            if not found:  # botocore's validator does not look at enumerations
                problems += [problem_of(planned.flow, name, value) for value in _unlisted(shape, sent.request, ())]
    if problems:
        raise InputError(problems)


def _service_model(service: str) -> Any:
    """Return botocore's model of a service."""
    import botocore.session

    return botocore.session.get_session().get_service_model(service)


def _unlisted(shape: Any, value: Any, path: tuple[str | int, ...]) -> Iterator[UnlistedValue]:
    """Yield the values of a valid request that are in no enumeration of the model."""
    match shape.type_name:
        case "structure":
            for name, member in value.items():
                yield from _unlisted(shape.members[name], member, (*path, name))
        case "list":
            for index, item in enumerate(value):
                yield from _unlisted(shape.member, item, (*path, index))
        case "map":
            for key, item in value.items():
                yield from _unlisted(shape.value, item, (*path, key))
        case "string" if shape.enum and value not in shape.enum:
            yield UnlistedValue(path, value, shape.enum)
