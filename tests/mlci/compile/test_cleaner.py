"""The cleaner: started by a run that leaves something, it deletes that after the run's end."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import mlci_asl as asl
from mlci.compile import compile_plan
from mlci.plan import Plan
from mlci_emulator.embedded import EmbeddedEmulator, open_emulator
from mlci_emulator.identity import REGION
from mlci_emulator.jobs.job import JobSettings
from mlci_emulator.protocol.operations import ApiError
from support.compiled_flows import planned

RUN = "20261123-101530-3f9c2a"
FLOW = """\
flow: iris
steps:
  pause:
    uses: wait
    seconds: 1
"""
LEFT = (("model", "mlci-iris--pause-x"), ("endpoint-config", "mlci-iris--pause-x"), ("endpoint", "mlci-iris--pause-x"))


def leaving(*deletions: tuple[str, str], poll_s: int = 1) -> Plan:
    """The plan of a flow whose step leaves these resources."""
    plan = planned(FLOW)
    step = replace(plan.steps["pause"], deletions=deletions)
    return replace(plan, steps={"pause": step}, target=replace(plan.target, poll_s=poll_s))


def compiled(plan: Plan) -> tuple[str, dict[str, Any]]:
    result = compile_plan(plan, lambda key, compute: compute())
    return result.definition, json.loads(result.execution_input)


@pytest.fixture
def emulator(tmp_path: Path) -> Iterator[EmbeddedEmulator]:
    settings = JobSettings(tmp_path / "work", lambda name: tmp_path / name, "python3", {})
    with open_emulator(tmp_path / "store", settings) as emulator:
        yield emulator


def call(emulator: EmbeddedEmulator, operation: str, request: Mapping[str, Any]) -> Any:
    return emulator.tasks.services["sagemaker"].call(operation, dict(request), REGION)


def create(emulator: EmbeddedEmulator, name: str) -> None:
    call(emulator, "CreateModel", {"ModelName": name, "PrimaryContainer": {"Image": "image:1"}})
    variant = {"VariantName": "a", "ModelName": name, "InitialInstanceCount": 1, "InstanceType": "ml.m5.large"}
    call(emulator, "CreateEndpointConfig", {"EndpointConfigName": name, "ProductionVariants": [variant]})


def names(emulator: EmbeddedEmulator) -> list[str]:
    models = call(emulator, "ListModels", {})["Models"]
    configs = call(emulator, "ListEndpointConfigs", {})["EndpointConfigs"]
    return [each["ModelName"] for each in models] + [each["EndpointConfigName"] for each in configs]


def test_a_run_that_leaves_nothing_starts_no_cleaner() -> None:
    definition, values = compiled(planned(FLOW))
    assert "cleaner" not in definition
    assert "cleaner" not in values


def test_the_names_are_values_and_the_kinds_are_structure() -> None:
    definition, values = compiled(leaving(*LEFT, ("model", "another"), poll_s=30))
    assert "mlci-iris--pause-x" not in definition
    assert values["cleaner"] == {
        "poll_s": 30,
        "settle_s": 30,
        "looks": 16,
        "tries": 240,
        "names": {
            "model": ["another", "mlci-iris--pause-x"],
            "endpoint_config": ["mlci-iris--pause-x"],
            "endpoint": ["mlci-iris--pause-x"],
        },
    }
    assert compiled(leaving(("model", "b")))[0] == compiled(leaving(("model", "a"), ("model", "c")))[0]


def test_after_the_end_of_a_run_what_it_left_is_deleted(emulator: EmbeddedEmulator) -> None:
    create(emulator, "mlci-iris--pause-x")
    create(emulator, "of-others")
    definition, values = compiled(leaving(*LEFT))
    machine = emulator.load(definition)
    events: list[asl.Event] = []
    outcome = emulator.execute(machine, json.dumps(values), "mlci-iris", RUN, events.append, asl.StopSignal())
    assert outcome.status == "SUCCEEDED", outcome.cause
    assert names(emulator).count("mlci-iris--pause-x") == 2
    emulator.executions.finish()
    assert names(emulator) == ["of-others", "of-others"]
    entered = [event.details["stateEnteredEventDetails"] for event in events if event.type.endswith("StateEntered")]
    assert [state["name"] for state in entered if isinstance(state, dict)] == [
        "cleaner?",
        "cleaner: find the version",
        "cleaner: start",
        "pause",
        "passed",
    ]


def test_a_stopped_run_is_cleaned_up_as_well(emulator: EmbeddedEmulator) -> None:
    create(emulator, "mlci-iris--pause-x")
    definition, values = compiled(leaving(*LEFT))
    stop = asl.StopSignal()

    def stop_at_the_pause(event: asl.Event) -> None:
        if event.type == "WaitStateEntered":
            stop.set("mlci.Stopped", "by hand")

    outcome = emulator.execute(emulator.load(definition), json.dumps(values), "mlci-iris", RUN, stop_at_the_pause, stop)
    assert outcome.status == "ABORTED"
    emulator.executions.finish()
    assert names(emulator) == []


def test_a_successor_goes_on_where_a_cleaner_has_looked_often_enough(emulator: EmbeddedEmulator) -> None:
    create(emulator, "mlci-iris--pause-x")
    definition, values = compiled(leaving(*LEFT))
    values["cleaner"]["looks"] = 1
    values["steps"]["pause"]["seconds"] = 3
    emulator.execute(
        emulator.load(definition), json.dumps(values), "mlci-iris", RUN, lambda event: None, asl.StopSignal()
    )
    emulator.executions.finish()
    assert names(emulator) == []
    arn = f"arn:aws:states:us-east-1:000000000000:execution:mlci-iris:{RUN}-cleaner-"
    for number, status in ((1, "SUCCEEDED"), (2, "SUCCEEDED")):
        described = emulator.executions.call("DescribeExecution", {"executionArn": f"{arn}{number}"}, REGION)
        assert described["status"] == status
    with pytest.raises(ApiError, match="Does Not Exist"):
        emulator.executions.call("DescribeExecution", {"executionArn": f"{arn}9"}, REGION)


def test_packages_are_found_by_their_group(emulator: EmbeddedEmulator) -> None:
    call(emulator, "CreateModelPackageGroup", {"ModelPackageGroupName": "mlci-iris--register-x"})
    call(emulator, "CreateModelPackage", {"ModelPackageGroupName": "mlci-iris--register-x"})
    left = (("model-package", "mlci-iris--register-x"), ("model-package-group", "mlci-iris--register-x"))
    definition, values = compiled(leaving(*left))
    emulator.execute(
        emulator.load(definition), json.dumps(values), "mlci-iris", RUN, lambda event: None, asl.StopSignal()
    )
    emulator.executions.finish()
    assert call(emulator, "ListModelPackageGroups", {})["ModelPackageGroupSummaryList"] == []


class Endpoints:
    """A SageMaker whose endpoint can't be deleted at first."""

    operations = frozenset({"DeleteEndpoint"})

    def __init__(self, refusals: int) -> None:
        self.refusals, self.calls = refusals, 0

    def call(self, operation: str, request: Mapping[str, Any], region: str) -> dict[str, Any]:
        self.calls += 1
        if self.calls <= self.refusals:
            raise ApiError("ValidationException", 'Cannot update in-progress endpoint "arn:e".')
        return {}


@pytest.mark.parametrize(("tries", "status"), [(5, "SUCCEEDED"), (1, "FAILED")])
def test_an_endpoint_that_is_still_created_is_deleted_later_or_never(
    emulator: EmbeddedEmulator, tries: int, status: str
) -> None:
    sagemaker = Endpoints(refusals=2)
    emulator.tasks.services["sagemaker"] = sagemaker
    definition, values = compiled(leaving(("endpoint", "mlci-iris--pause-x")))
    values["cleaner"]["tries"] = tries
    emulator.execute(
        emulator.load(definition), json.dumps(values), "mlci-iris", RUN, lambda event: None, asl.StopSignal()
    )
    emulator.executions.finish()
    arn = f"arn:aws:states:us-east-1:000000000000:execution:mlci-iris:{RUN}-cleaner-1"
    assert emulator.executions.call("DescribeExecution", {"executionArn": arn}, REGION)["status"] == status
    assert sagemaker.calls == (3 if status == "SUCCEEDED" else 1)
