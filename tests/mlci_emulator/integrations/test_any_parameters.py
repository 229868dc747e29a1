"""Whatever the parameters are, the check tells what is wrong with them, and what it passes can be sent."""

from __future__ import annotations

import string
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlci_emulator.integrations import sdk_names, task_values
from mlci_emulator.integrations.parameters import Form, problems
from support.examples import examples

ACTIONS = [
    ("s3", "putObject"),
    ("s3", "deleteObjects"),
    ("sagemaker", "createTransformJob"),
    ("sagemaker", "listTrainingJobs"),
    ("sqs", "sendMessage"),
    ("eventbridge", "putEvents"),
    ("dynamodb", "putItem"),
    ("batch", "submitJob"),
]


def member(shape: Any) -> st.SearchStrategy[Any]:
    """Values that are often right for a shape, and often wrong."""
    return st.one_of(any_json, right(shape))


any_json: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.floats(-2, 2) | st.text(string.printable, max_size=5),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["a", "Key", "b.$"]), inner, max_size=2)
    ),
    max_leaves=4,
)


def later(shape: Any) -> st.SearchStrategy[Any]:
    """The same, not before it is drawn: shapes hold themselves."""
    return st.deferred(lambda: member(shape))


def right(shape: Any) -> st.SearchStrategy[Any]:
    match shape.type_name:
        case "structure":
            names = [*shape.required_members, *list(shape.members)[:3]]
            chosen = {sdk_names.member_name(name): later(shape.members[name]) for name in names}
            return st.fixed_dictionaries({}, optional=chosen)
        case "list":
            return st.lists(later(shape.member), max_size=2)
        case "map":
            return st.dictionaries(st.sampled_from(["x", "y"]), later(shape.value), max_size=2)
        case "integer" | "long":
            return st.integers(0, 3)
        case "timestamp":
            return st.just("2026-01-31T12:00:00Z")
    return st.text(string.ascii_letters, max_size=3)


@pytest.mark.parametrize(("service", "action"), ACTIONS)
@settings(max_examples=examples(40), deadline=None)
@given(data=st.data())
def test_any_parameters_are_checked_and_what_passes_is_sent(service: str, action: str, data: st.DataObject) -> None:
    operation = sdk_names.operation_model(service, action)
    assert operation is not None
    parameters = data.draw(member(operation.input_shape))
    for form in Form:
        assert all(isinstance(what, str) for what in problems(operation.input_shape, parameters, form))
    if isinstance(parameters, dict) and not problems(operation.input_shape, parameters):
        sent = task_values.to_api(operation.input_shape, parameters)
        assert set(sent) <= set(operation.input_shape.members)
