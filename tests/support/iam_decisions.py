"""Whether a policy allows a call. moto's engine decides about actions and resources; it knows next to nothing of
conditions, so they are looked at here.
"""

from __future__ import annotations

import fnmatch
import json
from collections.abc import Callable, Mapping
from typing import Any

from moto.iam.access_control import IAMPolicy, PermissionResult

from support.iam_calls import Call


def decided(document: Mapping[str, Any], call: Call) -> bool:
    """Whether a policy document allows a call."""
    context = dict(call.context)
    holding = [
        {"Effect": statement["Effect"], "Action": statement["Action"], "Resource": _patterns(statement["Resource"])}
        for statement in document["Statement"]
        if all(_holds(operator, wanted, context) for operator, wanted in statement.get("Condition", {}).items())
    ]
    engine = IAMPolicy(json.dumps({**document, "Statement": holding}))
    return engine.is_action_permitted(call.action, call.resource) is PermissionResult.PERMITTED


def _patterns(resources: str | list[str]) -> list[str]:
    """The resources for moto, which makes regular expressions of them and knows `*` but not `?`."""
    return [each.replace("?", ".") for each in ([resources] if isinstance(resources, str) else resources)]


def _holds(operator: str, wanted: Mapping[str, Any], context: Mapping[str, str]) -> bool:
    """Whether a condition holds. A key that the request does not have meets none, but that it be missing.

    Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html
    """
    return all(
        _fits(operator, value if isinstance(value, list) else [value], context.get(key))
        for key, value in wanted.items()
    )


def _fits(operator: str, values: list[str], given: str | None) -> bool:
    several, _, single = operator.rpartition(":")
    if operator == "Null":
        return str(given is None).lower() in values
    if several == "ForAllValues":
        return all(_fits(single, values, each) for each in (given or "").split(",") if each)
    if several == "ForAnyValue":
        return any(_fits(single, values, each) for each in (given or "").split(","))
    if operator.endswith("IfExists"):
        return given is None or _fits(operator.removesuffix("IfExists"), values, given)
    return given is not None and any(_OPERATORS[operator](given, each) for each in values)


_OPERATORS: Mapping[str, Callable[[str, str], bool]] = {
    "ArnLike": fnmatch.fnmatchcase,
    "NumericLessThanEquals": lambda given, wanted: float(given) <= float(wanted),
    "Bool": lambda given, wanted: given == wanted,
    "StringEquals": lambda given, wanted: given == wanted,
    "StringLike": fnmatch.fnmatchcase,
}
