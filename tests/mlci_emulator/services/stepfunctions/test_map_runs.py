"""Map Runs, of which there are none."""

from __future__ import annotations

import pytest

from mlci_emulator.protocol.operations import ApiError
from support.stepfunctions import PASS, Client, machine

MAP_RUN = "arn:aws:states:eu-west-1:000000000000:mapRun:m/label:5c5a4c1e-0000-0000-0000-000000000000"


def test_an_execution_has_none() -> None:
    sfn = Client()
    ended = sfn.run(machine(S=PASS))
    assert sfn("ListMapRuns", executionArn=ended["executionArn"]) == {"mapRuns": []}
    with pytest.raises(ApiError) as refusal:
        sfn("ListMapRuns", executionArn=ended["executionArn"] + "x")
    assert refusal.value.code == "ExecutionDoesNotExist"


@pytest.mark.parametrize(("arn", "code"), [(MAP_RUN, "ResourceNotFound"), ("nonsense", "InvalidArn")])
@pytest.mark.parametrize("operation", ["DescribeMapRun", "UpdateMapRun"])
def test_there_is_none_to_describe(operation: str, arn: str, code: str) -> None:
    with pytest.raises(ApiError) as refusal:
        Client()(operation, mapRunArn=arn)
    assert refusal.value.code == code
