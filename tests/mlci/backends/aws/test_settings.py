"""Where a setting comes from: the first place that has it, and what is told where none has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from mlci.aws_settings import AWS_SETTINGS, AwsSettingName
from mlci.backends.aws.settings import Settings, resolve
from mlci.errors import CloudError, InputError
from mlci.flow import load

STEPS = b'steps: {one: {uses: processing, run: a.py, image: "mine.example/image:7"}}\n'
FLOW = b"flow: small\naws:\n  bucket: of-the-flow\n  region: eu-west-3\n" + STEPS
PARAMETERS = {f"/mlci/small/{name}": f"ssm-{name}" for name in AWS_SETTINGS}


def settled(
    options: Mapping[AwsSettingName, str | None] | None = None,
    environment: Mapping[str, str] | None = None,
    region_of_aws: tuple[str, str] | None = None,
    text: bytes = FLOW,
    parameters: Mapping[str, str] = PARAMETERS,
) -> Settings:
    def ask(names: Sequence[str]) -> Mapping[str, str]:
        return {name: parameters[name] for name in names if name in parameters}

    return resolve(load(text, "flow.yaml", {}, {}), options or {}, environment or {}, region_of_aws, lambda region: ask)


def of(settings: Settings, name: AwsSettingName) -> tuple[str | None, str]:
    return settings.get(name), settings.origin(name)


def test_each_place_wins_over_the_next() -> None:
    everywhere = settled({"bucket": "of-the-option"}, {"MLCI_BUCKET": "of-the-environment"})
    assert of(everywhere, "bucket") == ("of-the-option", "--bucket")
    assert of(settled({}, {"MLCI_BUCKET": "of-the-environment"}), "bucket") == ("of-the-environment", "MLCI_BUCKET")
    assert of(settled(), "bucket") == ("of-the-flow", "flow.yaml:3")
    assert of(settled(), "job_role") == ("ssm-job_role", "SSM /mlci/small/job_role")


def test_the_region_of_the_sdks_stands_between_the_environment_and_the_flow() -> None:
    aws = ("eu-west-2", "AWS_REGION")
    assert of(settled({}, {"MLCI_REGION": "eu-west-1"}, aws), "region") == ("eu-west-1", "MLCI_REGION")
    assert of(settled({}, {}, aws), "region") == ("eu-west-2", "AWS_REGION")
    assert of(settled(), "region") == ("eu-west-3", "flow.yaml:4")


def test_ssm_is_not_asked_where_nothing_is_open() -> None:
    def asking(region: str) -> object:
        raise AssertionError("asked")

    options: dict[AwsSettingName, str | None] = {"workflow_role": "w", "job_role": "j", "log_group": "l"}
    settings = resolve(load(FLOW, "flow.yaml", {}, {}), options, {}, None, asking)  # type: ignore[arg-type]
    assert of(settings, "log_group") == ("l", "--log-group")


def test_what_is_missing_is_told_at_once_with_every_way_to_set_it() -> None:
    settings = settled(parameters={})
    with pytest.raises(InputError, match="a workflow role and a job role") as raised:
        settings.check(load(FLOW, "flow.yaml", {}, {}))
    for words in ("--workflow-role", "MLCI_WORKFLOW_ROLE", "flow.yaml", "/mlci/small/workflow_role", "mlci config"):
        assert words in str(raised.value)


def test_where_ssm_cannot_be_asked_that_is_told_as_well() -> None:
    def asking(region: str) -> object:
        raise CloudError("GetParameters: AccessDeniedException: no")

    settings = resolve(load(FLOW, "flow.yaml", {}, {}), {}, {}, None, asking)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="SSM can't be read: GetParameters: AccessDeniedException"):
        settings.check(load(FLOW, "flow.yaml", {}, {}))


def test_with_everything_set_nothing_is_wrong() -> None:
    settings = settled()
    settings.check(load(FLOW, "flow.yaml", {}, {}))
    assert settings["workflow_role"] == "ssm-workflow_role"
