"""What is known by hand is what AWS's own models say: nothing that they refuse passes for right.

The two jobs' shapes have a test of their own beside mlci_emulator.jobs.requests.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from mlci_emulator.integrations import aws_sdk, sdk_names
from mlci_emulator.integrations.parameters import PlainShape

CASES = [(service, action, shape) for (service, action), shape in aws_sdk.PLAIN.items()]
_TYPES: dict[object, set[str]] = {str: {"string"}, int: {"integer", "long"}, bool: {"boolean"}, None: {"map"}}


def differences(shape: PlainShape, model: Any, place: str) -> Iterator[str]:
    if isinstance(shape, list):
        if model.type_name != "list":
            yield f"{place} is a {model.type_name}"
        else:
            yield from differences(shape[0], model.member, f"{place}[]")
    elif not isinstance(shape, dict):
        if model.type_name not in _TYPES[shape]:
            yield f"{place} is a {model.type_name}"
    elif shape:  # a shape without fields stands for one that is refused as a whole
        written = {name.removesuffix("!"): inner for name, inner in shape.items()}
        known = {aws_sdk.API_NAMES.get(name, name): inner for name, inner in written.items()}
        yield from (f"{place}.{name} is not there" for name in known if name not in model.members)
        required = {name.removesuffix("!") for name in shape if name.endswith("!")}
        yield from (f"{place}.{name} is required" for name in model.required_members if name not in required)
        for name, inner in known.items():
            if name in model.members:
                yield from differences(inner, model.members[name], f"{place}.{name}")


@pytest.mark.parametrize(("service", "action", "shape"), CASES)
def test_a_plain_shape_is_the_models(service: str, action: str, shape: PlainShape) -> None:
    operation = sdk_names.operation_model(service, action)
    assert operation is not None
    assert list(differences(shape, operation.input_shape, action)) == []


def test_answers_of_plain_calls_need_no_names_of_their_own_below_the_top() -> None:
    def structures(shape: Any, done: set[str]) -> Iterator[Any]:
        if shape.type_name == "structure" and shape.name not in done:
            done.add(shape.name)
            yield shape
        for inner in [*getattr(shape, "members", {}).values(), *filter(None, [getattr(shape, "member", None)])]:
            if inner.name not in done:
                yield from structures(inner, done)

    for service, action, _ in CASES:
        operation = sdk_names.operation_model(service, action)
        assert operation is not None
        for shape in list(structures(operation.output_shape, set()))[1:] if operation.output_shape else ():
            for name in shape.members:
                # Objects have an owner where FetchOwner asks for it, which is no plain call.
                assert sdk_names.sdk_member_name(name) == name or shape.name == "Owner", (action, shape.name)
