"""Whatever the parameters are, the check tells what is wrong with them, and what it passes can be sent."""

from __future__ import annotations

import contextlib
import string
import tempfile
from pathlib import Path
from typing import Any

import pytest
from botocore.awsrequest import prepare_request_dict
from botocore.serialize import create_serializer
from botocore.validate import ParamValidator
from hypothesis import given, settings
from hypothesis import strategies as st

from mlci_asl import StopSignal, TaskCall, TaskError
from mlci_emulator.integrations import Integrations, MessageRecords, sdk_names, task_values
from mlci_emulator.integrations.parameters import Form, problems
from mlci_emulator.services.s3 import S3
from mlci_emulator.store.directory import DirectoryStore
from support.examples import examples
from support.integrations import EXECUTION, FakeService

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
    st.none()
    | st.booleans()
    | st.integers(-5, 5)
    | st.floats(-2, 2)
    | st.text(string.printable, max_size=5)
    | st.sampled_from([10**400, -(2**63) - 1, 2**31, float("inf"), "\ud800", "\0", "2026-13-01T00:00:00Z"]),
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
            chosen = {sdk_names.sdk_member_name(name): later(shape.members[name]) for name in names}
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
        rejections = ParamValidator().validate(sent, operation.input_shape)
        if not rejections.has_errors():
            request = serializer(service).serialize_to_request(sent, operation)
            prepare_request_dict(request, "http://127.0.0.1")


def serializer(service: str) -> Any:
    """Returns what botocore writes requests with."""
    model: Any = sdk_names.service_model(service)
    return create_serializer(model.metadata["protocol"], include_validation=False)


@pytest.mark.parametrize("action", ["putObject", "deleteObjects", "copyObject", "listObjectsV2", "getObject"])
@settings(max_examples=examples(40), deadline=None)
@given(data=st.data())
def test_s3_stores_or_rejects_what_passes(action: str, data: st.DataObject) -> None:
    operation: Any = sdk_names.operation_model("s3", action)
    parameters = data.draw(right(operation.input_shape))
    with tempfile.TemporaryDirectory() as folder:
        s3 = S3(DirectoryStore(Path(folder) / "store"), None)
        s3.call("CreateBucket", {"Bucket": "abc"}, "us-east-1")
        fake = FakeService()
        handlers = Integrations(s3, fake, None, MessageRecords(None))
        resource = f"arn:aws:states:::aws-sdk:s3:{action}"
        task = TaskCall(resource, "State", {**parameters, "Bucket": "abc"}, StopSignal(), lambda _: None, EXECUTION)
        with contextlib.suppress(TaskError):
            handlers(task)
        s3.close()
