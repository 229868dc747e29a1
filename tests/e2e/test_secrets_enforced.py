"""Secrets under the policies that `mlci bootstrap` makes, enforced: what a pull request can do to read the base's."""

from __future__ import annotations

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
from support.iam_calls import Call, arn
from support.iam_enforced import Enforced, enforced
from support.project import Project

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

NAME = "secret"
BASE, SHARED = "base-s3cret-4711", "shared-s3cret-0815"
FLOW = f"""
flow: {NAME}
secrets:
  base: ssm:/team/base
  shared: {{from: "secretsmanager:team/shared", pull_request: true}}
defaults:
  image: "mine.example/image:7"
  env: {{AWS_ENDPOINT_URL: "${{{{ env.JOB_ENDPOINT }}}}"}}
steps:
  first: {{uses: processing, run: show.py, env: {{VALUE: "${{{{ secrets.shared }}}}"}}}}
  second: {{uses: processing, run: show.py, env: {{VALUE: "${{{{ secrets.base }}}}"}}, after: first}}
"""
SHOW = "import os\nprint('value', os.environ['VALUE'], len(os.environ['VALUE']))\n"
READS_BASE = Call("ssm:GetParameter", arn("ssm", "parameter/team/base"))
READS_SHARED = Call("secretsmanager:GetSecretValue", arn("secretsmanager", "secret:team/shared-aBcD12"))
PULL_REQUEST = {"CODEBUILD_WEBHOOK_TRIGGER": "pr/7", "CODEBUILD_WEBHOOK_HEAD_REF": "refs/heads/better"}
PUSH = {"CODEBUILD_WEBHOOK_TRIGGER": "branch/main", "CODEBUILD_WEBHOOK_HEAD_REF": "refs/heads/main"}


@dataclass
class Stack:
    """A repository whose account is set up, and the addresses at which its roles act."""

    repository: Project
    served: Account
    at: dict[Role, Enforced]

    def build(self, is_base: bool, **more: str) -> tuple[int, str]:
        """A build of one of the two projects: its exit code and its output."""
        name = project_name(NAME, is_base)
        [project] = self.served.client("codebuild").batch_get_projects(names=[name])["projects"]
        environment = {
            **self.served.administrator,
            "AWS_ENDPOINT_URL": self.at["base_build" if is_base else "pull_request_build"].endpoint,
            "JOB_ENDPOINT": self.at["protected_job" if is_base else "job"].endpoint,
            "CODEBUILD_BUILD_ID": f"{name}:1",
            **(PUSH if is_base else PULL_REQUEST),
            **{each["name"]: each["value"] for each in project["environment"]["environmentVariables"]},
            **more,
        }
        done = self.repository.mlci("run", **environment)
        return done.returncode, done.stdout + done.stderr

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
    repository = Project(tmp_path_factory.mktemp("repository"))
    repository.write("flow.yaml", FLOW)
    repository.write("show.py", SHOW)
    repository.write("buildspec.yaml", "version: 0.2\n")
    git = ["git", "-C", str(repository.root)]
    subprocess.run([*git, "init", "-q", "-b", "main"], check=True)
    subprocess.run([*git, "remote", "add", "origin", "git@github.com:octo/model.git"], check=True)
    with account(tmp_path_factory.mktemp("served"), "any") as served, ExitStack() as opened:
        served.client("ssm").put_parameter(Name="/team/base", Value=BASE, Type="SecureString")
        served.client("secretsmanager").create_secret(Name="team/shared", SecretString=SHARED)
        done = repository.mlci("bootstrap", "--yes", JOB_ENDPOINT="x", **served.administrator)
        assert done.returncode == 0, done.stdout + done.stderr
        resources = served.client("cloudformation").list_stack_resources(StackName=f"mlci-{NAME}")
        names = {each["LogicalResourceId"]: each["PhysicalResourceId"] for each in resources["StackResourceSummaries"]}
        roles: tuple[Role, ...] = ("pull_request_build", "base_build", "workflow", "job", "protected_job")
        at = {role: opened.enter_context(enforced(served, names[logical_id(role)])) for role in roles}
        yield Stack(repository, served, at)


def logs(stack: Stack) -> str:
    return "".join(file.read_text() for file in (stack.repository.root / ".mlci/latest/logs").glob("*.log"))


def assert_no_value_is_in(stack: Stack, output: str) -> None:
    folder: Path = stack.repository.root
    texts = {str(file): file.read_bytes() for file in folder.rglob("*") if file.is_file() and not file.is_symlink()}
    for value in (BASE, SHARED):
        assert value not in output
        assert [name for name, text in texts.items() if value.encode() in text] == []


def test_jobs_of_the_base_branch_read_all_secrets(stack: Stack) -> None:
    code, output = stack.build(is_base=True)
    assert code == 0, output
    assert stack.at["protected_job"].allowed == {READS_BASE, READS_SHARED}
    assert stack.at["protected_job"].denied == set()
    assert f"value *** {len(BASE)}\n" in logs(stack)
    assert f"value *** {len(SHARED)}\n" in logs(stack)
    assert_no_value_is_in(stack, output)


def test_a_pull_request_that_uses_a_secret_of_the_base_branch_starts_nothing(stack: Stack) -> None:
    code, output = stack.build(is_base=False)
    assert code == 2, output
    assert 'flow.yaml:4:9: the secret "base": only jobs of the base branch may read it' in output


def test_a_pull_request_that_allows_itself_a_secret_is_denied_it_by_iam(stack: Stack) -> None:
    flow = FLOW.replace("base: ssm:/team/base", 'base: {from: "ssm:/team/base", pull_request: true}')
    stack.repository.write("flow.yaml", flow)
    try:
        code, output = stack.build(is_base=False)
    finally:
        stack.repository.write("flow.yaml", FLOW)
    assert code == 3, output
    assert "the secret \"base\" (ssm:/team/base) can't be read: the job's role may not read it" in output
    assert READS_BASE in stack.at["job"].denied
    assert stack.at["job"].allowed == {READS_SHARED}
    assert f"value *** {len(SHARED)}\n" in logs(stack)
    assert_no_value_is_in(stack, output)


@pytest.mark.parametrize("role", ["pull_request_build", "base_build", "workflow", "job"])
def test_no_other_role_reads_a_secret_of_the_base_branch(stack: Stack, role: Role) -> None:
    ssm, secrets = stack.client("ssm", role), stack.client("secretsmanager", role)
    attempts: list[Callable[[], object]] = [
        lambda: ssm.get_parameter(Name="/team/base", WithDecryption=True),
        lambda: ssm.get_parameters(Names=["/team/base"], WithDecryption=True),
        lambda: ssm.get_parameters_by_path(Path="/team", WithDecryption=True),
        lambda: ssm.get_parameter_history(Name="/team/base", WithDecryption=True),
        lambda: ssm.put_parameter(Name="/team/base", Value="mine", Overwrite=True),
        lambda: secrets.list_secrets(),
        lambda: secrets.put_secret_value(SecretId="team/shared", SecretString="mine"),
    ]
    if role != "job":
        attempts.append(lambda: secrets.get_secret_value(SecretId="team/shared"))
    for attempt in attempts:
        with pytest.raises(ClientError) as refused:
            attempt()
        assert refused.value.response["Error"]["Code"] == "AccessDeniedException"
