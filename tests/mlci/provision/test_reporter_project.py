"""The reporter in the template: what starts it, what it runs, and what it may know.

`mlci serve` delivers no events to CodeBuild: tests/e2e/test_reporter_chain.py does so in its place.
"""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from moto.cloudformation.parsing import ResourceMap, clean_json

from mlci.provision.access_requirements import AccessRequirements
from mlci.provision.install_files import install_files
from mlci.provision.template import template

TEMPLATE = template(AccessRequirements("iris", frozenset(["processing"])))
RESOURCES: dict[str, Any] = yaml.safe_load(TEMPLATE)["Resources"]
PROJECT, RULE = (RESOURCES[name]["Properties"] for name in ("ReporterProject", "ReporterRule"))
VARIABLES = {each["Name"]: each["Value"] for each in PROJECT["Environment"]["EnvironmentVariables"]}


def test_all_of_it_is_there_with_a_secret_alone() -> None:
    parts = {name for name in RESOURCES if name.startswith("Reporter")}
    assert parts == {
        *("ReporterLog", "ReporterProject", "ReporterRule", "ReporterRole", "ReporterPolicy"),
        *("ReporterEventsRole", "ReporterEventsPolicy", "ReporterNetworkPolicy"),
    }
    assert {RESOURCES[name]["Condition"] for name in parts} == {"HasReporter", "ReportsFromVpc"}
    assert yaml.safe_load(TEMPLATE)["Conditions"]["ReportsFromVpc"]["Fn::And"][0] == {"Condition": "HasReporter"}


def test_each_build_of_a_pull_request_starts_it_with_the_builds_arn_and_nothing_else() -> None:
    assert RULE["EventPattern"] == {
        "source": ["aws.codebuild"],
        "detail-type": ["CodeBuild Build State Change"],
        "detail": {"project-name": ["mlci-iris-pull-request"]},
    }
    [target] = RULE["Targets"]
    transformer = target["InputTransformer"]
    assert transformer["InputPathsMap"] == {"build": "$.detail.build-id"}
    arn = "arn:aws:codebuild:eu-west-1:123456789012:build/mlci-iris-pull-request:8f2c"
    request = json.loads(transformer["InputTemplate"].replace("<build>", json.dumps(arn)))
    assert request == {"environmentVariablesOverride": [{"name": "MLCI_BUILD", "value": arn}]}


def project(**values: str) -> dict[str, Any]:
    """The reporter's project as a stack with these values has it."""
    values = {
        "Repository": "octo/model",
        "GitHubSecret": "arn:…",
        "ConcurrentBuilds": "",
        "VpcId": "",
        "ExistingBucket": "b",
        **values,
    }
    resources = ResourceMap("1", "mlci-iris", values, {}, "eu-west-1", "1", yaml.safe_load(TEMPLATE), {})
    resources.load_parameters()
    resources.load_conditions()
    found: dict[str, Any] = clean_json({**PROJECT, "ServiceRole": "", "Environment": environment()}, resources)
    return found


def environment() -> dict[str, Any]:
    return {name: value for name, value in PROJECT["Environment"].items() if name != "EnvironmentVariables"}


def test_it_runs_on_lambda_compute_which_waits_in_no_queue() -> None:
    for values in ({}, {"GitHubHost": "github.example.com"}, {"VpcId": "vpc-1"}):
        found = project(**values)
        assert found["Environment"]["Type"] == "LINUX_LAMBDA_CONTAINER"
        assert "VpcConfig" not in found
        assert list(yaml.safe_load(found["Source"]["BuildSpec"])["phases"]) == ["build"]


def test_it_reaches_a_github_enterprise_server_from_the_vpc_of_the_builds() -> None:
    network = {"VpcId": "vpc-1", "SubnetIds": "subnet-1,subnet-2", "SecurityGroupIds": "sg-1"}
    found = project(GitHubHost="github.example.com", **network)
    assert (found["Environment"]["Type"], found["Environment"]["Image"]) == (
        "LINUX_CONTAINER",
        "aws/codebuild/standard:7.0",
    )
    assert found["VpcConfig"] == {"VpcId": "vpc-1", "Subnets": ["subnet-1", "subnet-2"], "SecurityGroupIds": ["sg-1"]}
    phases = yaml.safe_load(found["Source"]["BuildSpec"])["phases"]
    assert phases == yaml.safe_load(project()["Source"]["BuildSpec"])["phases"]


def test_an_image_that_trusts_the_servers_certificate_is_the_reporters_too() -> None:
    """CodeBuild selects no runtime of an image that is not its own: the buildspec asks for none."""
    network = {"VpcId": "vpc-1", "SubnetIds": "subnet-1", "SecurityGroupIds": "sg-1"}
    found = project(GitHubHost="github.example.com", BuildImage="octo/trusts-our-ca:1", **network)
    assert found["Environment"]["Image"] == "octo/trusts-our-ca:1"
    assert "runtime-versions" not in found["Source"]["BuildSpec"]


def test_it_has_no_source_and_no_token_in_its_variables() -> None:
    assert PROJECT["Source"]["Type"] == "NO_SOURCE"
    assert VARIABLES["MLCI_GITHUB_SECRET"] == {"Ref": "GitHubSecret"}
    assert VARIABLES["MLCI_COMMENT"] == {"Ref": "GitHubComment"}
    assert "token" not in json.dumps(PROJECT).lower()


def test_the_status_of_codebuild_links_the_report() -> None:
    [status, base] = (
        RESOURCES[name]["Properties"]["Source"]["BuildStatusConfig"] for name in ("PullRequestProject", "BaseProject")
    )
    assert (status["Context"], base["Context"]) == ("mlci/iris", "mlci/iris/base")
    assert "prefix=mlci/iris/reports/$CODEBUILD_BUILD_ID/report.html" in json.dumps(status["TargetUrl"])
    assert "prefix=mlci/iris/protected/reports/$CODEBUILD_BUILD_ID/report.html" in json.dumps(base["TargetUrl"])


@pytest.mark.parametrize("damaged", [None, "SHA256SUMS", "github.txt"])
def test_it_installs_what_the_stack_names_by_its_hash(damaged: str | None, tmp_path: Path) -> None:
    """The commands, with an `aws` and a Python that write down how they are called."""
    commands = yaml.safe_load(project()["Source"]["BuildSpec"])["phases"]["build"]["commands"]
    files, bucket, work, bin = install_files(), tmp_path / "bucket", tmp_path / "work", tmp_path / "bin"
    for folder in (bucket, work, bin):
        folder.mkdir()
    for name, data in files.files.items():
        (bucket / name).write_bytes(data + (b"\n" if name == damaged else b""))
    fakes = {
        "aws": f'cp "{bucket}/${{4##*/}}" "$5"',  # aws s3 cp --only-show-errors SOURCE TARGET
        "python3": f"mkdir -p {work}/mlci/bin; cp {bin}/done {work}/mlci/bin/pip; cp {bin}/done {work}/mlci/bin/mlci",
        "done": "",
    }
    for name, body in fakes.items():
        (bin / name).write_text(f'#!/bin/sh\necho "$(basename "$0") $*" >> {tmp_path}/called\n{body}\n')
        (bin / name).chmod(0o755)
    script = "\n".join(commands).replace("/tmp", str(work))
    environment = {
        "PATH": f"{bin}:/usr/bin:/bin",
        "MLCI_INSTALL_URI": "s3://bucket/mlci/iris/install/hash",
        "MLCI_INSTALL_SHA256": files.sha256,
    }
    done = subprocess.run(["bash", "-e", "-c", script], env=environment, capture_output=True, text=True, check=False)
    called = (tmp_path / "called").read_text()
    assert (done.returncode == 0) == (damaged is None), done.stderr
    assert ("mlci report" in called) == (damaged is None)
    if damaged is None:
        assert re.search(
            r"pip install -q --require-hashes --no-deps --only-binary :all: -r slim.txt -r github.txt", called
        )
