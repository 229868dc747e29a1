"""Runs whose secrets can't be read are refused before anything starts."""

from __future__ import annotations

import pytest

from mlci.backends.secrets import check_readers, check_values, job_variables
from mlci.errors import InputError
from mlci.plan.models import Plan, PlannedStep, Target
from support.flow_texts import AT_TOP, EXAMPLE, IN_PREPROCESS, IN_TRAIN, loaded

SECRETS = "secrets: {base: 'ssm:/base', hub: {from: 'secretsmanager:hub', pull_request: true}, unused: 'ssm:/x'}\n"
FLOW = loaded(
    EXAMPLE.replace(AT_TOP, AT_TOP + SECRETS)
    .replace(IN_TRAIN, IN_TRAIN + "    env: {A: '${{ secrets.base }}', B: '${{ secrets.hub }}'}\n")
    .replace(IN_PREPROCESS, IN_PREPROCESS + "    env: {B: '${{ secrets.hub }}'}\n")
)


def plan_of(*steps: str) -> Plan:
    planned = {name: PlannedStep(name, None, {}, {}, {}, "") for name in steps}
    return Plan(FLOW, Target("bucket", "role", "run"), planned, ())


def problems(check: object) -> list[str]:
    with pytest.raises(InputError) as caught:
        check()  # type: ignore[operator]
    return [str(problem) for problem in caught.value.problems]


def test_a_local_run_needs_the_value_of_each_secret_that_its_steps_read() -> None:
    every = plan_of("preprocess", "train", "evaluate")
    assert problems(lambda: check_values(every, {"MLCI_SECRET_HUB": ""})) == [
        (
            'flow.yaml:2:17: the secret "base": MLCI_SECRET_BASE is not set. '
            "Set it to the value: local runs read nothing from AWS."
        ),
        (
            'flow.yaml:2:35: the secret "hub": MLCI_SECRET_HUB is not set. '
            "Set it to the value: local runs read nothing from AWS."
        ),
    ]
    check_values(every, {"MLCI_SECRET_BASE": "a", "MLCI_SECRET_HUB": "b"})
    check_values(plan_of("preprocess"), {"MLCI_SECRET_HUB": "b"})
    check_values(plan_of("evaluate"), {})


def test_on_aws_only_protected_runs_read_secrets_of_the_base_branch() -> None:
    assert problems(lambda: check_readers(plan_of("preprocess", "train"), is_protected=False)) == [
        (
            'flow.yaml:2:17: the secret "base": only jobs of the base branch may read it, and this run is not '
            'protected. To let jobs of pull requests read it, write base: {from: "ssm:/base", pull_request: true}, '
            "and run `mlci bootstrap`. Builds of the base branch's project are protected."
        )
    ]
    check_readers(plan_of("preprocess"), is_protected=False)
    check_readers(plan_of("preprocess", "train"), is_protected=True)


def test_a_job_gets_the_secrets_of_its_own_step() -> None:
    environment = {"MLCI_SECRET_BASE": "a", "MLCI_SECRET_HUB": "b", "MLCI_SECRET_UNUSED": "c", "PATH": "d"}
    assert job_variables(FLOW, "train", environment) == {"MLCI_SECRET_BASE": "a", "MLCI_SECRET_HUB": "b"}
    assert job_variables(FLOW, "preprocess", environment) == {"MLCI_SECRET_HUB": "b"}
    assert job_variables(FLOW, "evaluate", environment) == {}
    assert job_variables(FLOW, "another", environment) == {}
