"""Images that runs build, under the policies that `mlci bootstrap` makes, enforced: each side pushes to its repository.

A program stands for docker: where it is told to push an image, it puts one into the served ECR, with the build role's
rights.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from mlci.provision.stack_names import Role, logical_id, project_name
from support.aws_account import Account, account
from support.fake_programs import program
from support.iam_calls import Call, arn
from support.iam_enforced import Enforced, enforced
from support.project import Project

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

NAME = "built"
FLOW = f"""
flow: {NAME}
steps:
  show: {{uses: processing, run: show.py, image: {{build: docker}}}}
"""
OWN, PROTECTED = (arn("ecr", f"repository/mlci-{NAME}{end}") for end in ("", "_protected"))
PULL_REQUEST = {"CODEBUILD_WEBHOOK_TRIGGER": "pr/7", "CODEBUILD_WEBHOOK_HEAD_REF": "refs/heads/better"}
PUSH = {"CODEBUILD_WEBHOOK_TRIGGER": "branch/main", "CODEBUILD_WEBHOOK_HEAD_REF": "refs/heads/main"}
MANIFEST = {
    "schemaVersion": 2,
    "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
    "config": {
        "mediaType": "application/vnd.docker.container.image.v1+json",
        "size": 1,
        "digest": "sha256:" + "0" * 64,
    },
    "layers": [],
}
DOCKER = f"""
import json
folder = os.path.dirname(os.path.abspath(sys.argv[0]))
print("docker", *arguments)
if arguments[0] == "image":
    sys.exit(1)
if arguments[0] == "push":
    import boto3
    ecr = boto3.client("ecr", **json.load(open(folder + "/client.json")))
    repository, _, tag = arguments[-1].rpartition("/")[2].partition(":")
    ecr.put_image(repositoryName=repository, imageManifest={json.dumps(json.dumps(MANIFEST))}, imageTag=tag)
"""


@dataclass
class Stack:
    """A repository whose account is set up, and the addresses at which its build roles act."""

    repository: Project
    served: Account
    at: dict[Role, Enforced]
    programs: Path

    def build(self, is_base: bool) -> str:
        """A build of one of the two projects, which succeeds: its output."""
        name, role = project_name(NAME, is_base), self.role(is_base)
        [project] = self.served.client("codebuild").batch_get_projects(names=[name])["projects"]
        assert project["environment"]["privilegedMode"] is True
        client = {
            "endpoint_url": self.at[role].endpoint,
            "region_name": self.served.region,
            "aws_access_key_id": self.served.administrator["AWS_ACCESS_KEY_ID"],
            "aws_secret_access_key": "x",
        }
        (self.programs / "client.json").write_text(json.dumps(client))
        environment = {
            **self.served.administrator,
            "MLCI_FRESH": "1",
            "AWS_ENDPOINT_URL": self.at[role].endpoint,
            "CODEBUILD_BUILD_ID": f"{name}:1",
            "PATH": f"{self.programs}{os.pathsep}{os.environ['PATH']}",
            **(PUSH if is_base else PULL_REQUEST),
            **{each["name"]: each["value"] for each in project["environment"]["environmentVariables"]},
        }
        done = self.repository.mlci("run", **environment)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    @staticmethod
    def role(is_base: bool) -> Role:
        return "base_build" if is_base else "pull_request_build"

    def client(self, service: str, role: Role) -> Any:
        """A client that acts as a role."""
        return boto3.client(
            service,
            endpoint_url=self.at[role].endpoint,
            region_name=self.served.region,
            aws_access_key_id="x",
            aws_secret_access_key="x",
        )


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    repository, programs = Project(tmp_path_factory.mktemp("repository")), tmp_path_factory.mktemp("programs")
    repository.write("flow.yaml", FLOW)
    repository.write("show.py", "print('shown')\n")
    repository.write("docker/Dockerfile", "FROM scratch\n")
    repository.write("buildspec.yaml", "version: 0.2\n")
    program(programs, "docker", DOCKER)
    git = ["git", "-C", str(repository.root)]
    subprocess.run([*git, "init", "-q", "-b", "main"], check=True)
    subprocess.run([*git, "remote", "add", "origin", "git@github.com:octo/model.git"], check=True)
    with account(tmp_path_factory.mktemp("served"), "any") as served, ExitStack() as opened:
        done = repository.mlci("bootstrap", "--yes", **served.administrator)
        assert done.returncode == 0, done.stdout + done.stderr
        resources = served.client("cloudformation").list_stack_resources(StackName=f"mlci-{NAME}")
        names = {each["LogicalResourceId"]: each["PhysicalResourceId"] for each in resources["StackResourceSummaries"]}
        roles: tuple[Role, ...] = ("pull_request_build", "base_build", "job")
        at = {role: opened.enter_context(enforced(served, names[logical_id(role)])) for role in roles}
        yield Stack(repository, served, at, programs)


@pytest.mark.parametrize("is_base", [False, True])
def test_an_image_is_pushed_once_and_named_by_its_digest(stack: Stack, is_base: bool) -> None:
    repository = PROTECTED if is_base else OWN
    output = stack.build(is_base)
    name = repository.rpartition("/")[2]
    [image] = stack.served.client("ecr").describe_images(repositoryName=name)["imageDetails"]
    uri = f"000000000000.dkr.ecr.us-east-1.amazonaws.com/{name}@{image['imageDigest']}"
    assert f"pushed the image of docker: {uri}" in output
    given = json.loads((stack.repository.root / ".mlci/latest/input.json").read_text())
    assert given["steps"]["show"]["request"]["AppSpecification"]["ImageUri"] == uri
    log = (stack.repository.root / ".mlci/latest/logs/show.image.log").read_text()
    assert "docker build --platform linux/amd64" in log
    enforced_role = stack.at[stack.role(is_base)]
    assert {call for call in enforced_role.allowed if call.action.startswith("ecr:")} == {
        Call("ecr:GetAuthorizationToken", "*"),
        Call("ecr:DescribeImages", repository),
        Call("ecr:PutImage", repository),
    }
    assert enforced_role.denied == set()

    again = stack.build(is_base)
    assert f"the image of docker is in ECR: {uri}" in again
    assert "building" not in again


@pytest.mark.parametrize(
    ("role", "repository"),
    [("pull_request_build", "mlci-built_protected"), ("base_build", "mlci-built"), ("job", "mlci-built")],
)
def test_nobody_pushes_what_the_other_side_runs(stack: Stack, role: Role, repository: str) -> None:
    ecr = stack.client("ecr", role)
    attempts: list[Callable[[], object]] = [
        lambda: ecr.put_image(repositoryName=repository, imageManifest=json.dumps(MANIFEST), imageTag="mine"),
        lambda: ecr.initiate_layer_upload(repositoryName=repository),
        lambda: ecr.batch_delete_image(repositoryName=repository, imageIds=[{"imageTag": "x"}]),
        lambda: ecr.put_image_tag_mutability(repositoryName=repository, imageTagMutability="MUTABLE"),
        lambda: ecr.delete_repository(repositoryName=repository, force=True),
    ]
    for attempt in attempts:
        with pytest.raises(ClientError) as refused:
            attempt()
        assert refused.value.response["Error"]["Code"] == "AccessDeniedException"


def test_the_repositories_go_with_the_stack(stack: Stack) -> None:
    """The last one: it takes the stack down."""
    done = stack.repository.mlci("bootstrap", "--delete", "--yes", **stack.served.administrator)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "BuiltImages" in done.stdout
    assert stack.served.client("ecr").describe_repositories()["repositories"] == []
