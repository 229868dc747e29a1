"""Approvals under the policies that `mlci bootstrap` makes, enforced: who may read a token, and who may decide."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from werkzeug.serving import make_server

from mlci.provision.stack_names import Role, logical_id, project_name
from support.aws_account import Account, account
from support.iam_enforced import Enforced, Quiet, enforced
from support.project import Project
from support.waiting_runs import WaitingRun

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

NAME = "release"
FLOW = f"""flow: {NAME}
steps:
  before: {{uses: wait, seconds: 1}}
  approve: {{uses: approval, message: "go on?", timeout: 10m, after: before}}
"""
PULL_REQUEST = {"CODEBUILD_WEBHOOK_TRIGGER": "pr/7", "CODEBUILD_WEBHOOK_HEAD_REF": "refs/heads/better"}
PUSH = {"CODEBUILD_WEBHOOK_TRIGGER": "branch/main", "CODEBUILD_WEBHOOK_HEAD_REF": "refs/heads/main"}
ROLES: tuple[Role, ...] = ("pull_request_build", "base_build", "workflow", "protected_workflow", "job", "protected_job")


@dataclass
class Stack:
    """A repository whose account is set up, and the addresses at which its roles act."""

    repository: Project
    served: Account
    at: dict[Role, Enforced]

    def environment(self, is_base: bool) -> dict[str, str]:
        """The variables of a build of one of the two projects."""
        name = project_name(NAME, is_base)
        [project] = self.served.client("codebuild").batch_get_projects(names=[name])["projects"]
        return {
            **self.served.administrator,
            "AWS_ENDPOINT_URL": self.at["base_build" if is_base else "pull_request_build"].endpoint,
            "CODEBUILD_BUILD_ID": f"{name}:1",
            **(PUSH if is_base else PULL_REQUEST),
            **{each["name"]: each["value"] for each in project["environment"]["environmentVariables"]},
        }

    def client(self, service: str, role: Role) -> Any:
        """A client that acts as a role."""
        return boto3.client(
            service,
            endpoint_url=self.at[role].endpoint,
            region_name=self.served.region,
            aws_access_key_id="x",
            aws_secret_access_key="x",
        )

    def token(self, run: str, is_base: bool) -> Mapping[str, str]:
        """The place of the token of a run."""
        [bucket] = self.served.client("s3").list_buckets()["Buckets"][-1:]
        prefix = f"mlci/{NAME}/protected" if is_base else f"mlci/{NAME}"
        return {"Bucket": bucket["Name"], "Key": f"{prefix}/tokens/{run}/approve.json"}


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    repository = Project(tmp_path_factory.mktemp("repository"))
    repository.write("flow.yaml", FLOW)
    repository.write("buildspec.yaml", "version: 0.2\n")
    git = ["git", "-C", str(repository.root)]
    subprocess.run([*git, "init", "-q", "-b", "main"], check=True)
    subprocess.run([*git, "remote", "add", "origin", "git@github.com:octo/model.git"], check=True)
    with account(tmp_path_factory.mktemp("served"), "any") as served, ExitStack() as opened:
        done = repository.mlci("bootstrap", "--yes", **served.administrator)
        assert done.returncode == 0, done.stdout + done.stderr
        resources = served.client("cloudformation").list_stack_resources(StackName=f"mlci-{NAME}")
        names = {each["LogicalResourceId"]: each["PhysicalResourceId"] for each in resources["StackResourceSummaries"]}
        at = {role: opened.enter_context(enforced(served, names[logical_id(role)])) for role in ROLES}
        yield Stack(repository, served, at)


@contextmanager
def person(stack: Stack, policy: str) -> Iterator[dict[str, str]]:
    """The variables of a person who has a policy that `mlci policy` prints, and nothing else."""
    printed = stack.repository.mlci("policy", policy)
    assert printed.returncode == 0, printed.stderr
    made = Enforced("person", [json.loads(printed.stdout)], stack.served.server.exports["AWS_ENDPOINT_URL"])
    listening = make_server("127.0.0.1", 0, made, threaded=True, request_handler=Quiet)
    thread = threading.Thread(target=listening.serve_forever)
    thread.start()
    try:
        yield {**stack.served.administrator, "AWS_ENDPOINT_URL": f"http://127.0.0.1:{listening.port}"}
        assert made.denied == set()
    finally:
        listening.shutdown()
        thread.join()
        listening.server_close()


def code_of(error: ClientError) -> str:
    return str(error.response["Error"]["Code"])


def test_only_the_base_branch_decides_about_its_runs(stack: Stack) -> None:
    environment = stack.environment(is_base=True)
    run = WaitingRun(stack.repository, **environment)
    token = stack.token(run.run_id, is_base=True)
    for role in ROLES:
        if role == "base_build":
            continue
        with pytest.raises(ClientError) as refused:
            stack.client("s3", role).get_object(**token)
        assert code_of(refused.value) == "AccessDenied", role
    machine = f"arn:aws:states:{stack.served.region}:000000000000:execution:mlci-{NAME}_protected:{run.run_id}"
    with pytest.raises(ClientError) as refused:
        stack.client("stepfunctions", "pull_request_build").get_execution_history(executionArn=machine)
    assert code_of(refused.value) == "AccessDeniedException"
    outsider = stack.repository.mlci(
        "approve", run.run_id, "approve", "--protected", **{**stack.environment(False), "MLCI_CLOUD": "aws"}
    )
    assert outsider.returncode != 0
    approved = stack.repository.mlci("approve", run.run_id, "approve", "--reason", "fine", **environment)
    assert approved.returncode == 0, approved.stderr
    code, output = run.end()
    assert code == 0, output
    assert stack.at["base_build"].denied == set()


@pytest.mark.parametrize(("policy", "is_base"), [("approver", False), ("protected_approver", True)])
def test_a_person_decides_with_the_policy_for_it(stack: Stack, tmp_path: Path, policy: str, is_base: bool) -> None:
    run = WaitingRun(stack.repository, **stack.environment(is_base))
    elsewhere = Project(tmp_path)
    elsewhere.write("flow.yaml", FLOW)
    side = ["--protected"] if is_base else []
    with person(stack, policy) as environment:
        done = elsewhere.mlci(
            "reject", run.run_id, "approve", "--reason", "not now", "--cloud", "aws", *side, **environment
        )
    assert done.returncode == 0, done.stderr
    code, output = run.end()
    assert code == 1, output
    assert "was rejected by arn:aws:" in output
