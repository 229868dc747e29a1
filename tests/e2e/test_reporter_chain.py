"""The reporter as one chain, on a GitHub Enterprise Server: builds run on `mlci serve`, CodeBuild's events meet the
rule of the template, and the commands of the reporter's project post with the rights of its role.

`mlci serve` runs no builds and delivers no events to CodeBuild: the test is EventBridge, and CodeBuild's answers.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
import yaml

from mlci.provision.install_files import install_files
from mlci.pull_request.comment import read_comment
from support.aws_account import Account, account
from support.event_bridge import started_builds, state_change
from support.fake_github import FakeGitHub, self_signed, served
from support.git_repositories import commit, git
from support.iam_calls import ACCOUNT
from support.iam_enforced import Enforced, enforced
from support.measured_flow import FLOW, SCRIPT
from support.project import Project, clean_environment
from support.waiting import wait_for

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

#: What the reporter may ask AWS for, and no more.
READS = {"codebuild:BatchGetBuilds", "s3:GetObject", "s3:ListBucket", "secretsmanager:GetSecretValue"}

STACK, BUILDS = "mlci-iris", "mlci-iris-pull-request"
CONNECTION = f"arn:aws:codeconnections:us-east-1:{ACCOUNT}:connection/{'0' * 36}"
ENTERPRISE = ("--github-host", "github.example.com", "--connection", CONNECTION)
TOKEN = f"ghs_{'t' * 36}"
#: `aws s3 cp --only-show-errors SOURCE TARGET`, with the credentials and the endpoint of the environment.
AWS = """\
import pathlib, sys, urllib.parse
import boto3
source, target = sys.argv[4:]
place = urllib.parse.urlsplit(source)
body = boto3.client("s3").get_object(Bucket=place.netloc, Key=place.path[1:])["Body"].read()
(pathlib.Path(target) / source.rpartition("/")[2]).write_bytes(body)
"""


@dataclass
class Chain:
    """A repository whose builds are reported on. `builds` are those that CodeBuild knows."""

    repository: Project
    served: Account
    github: FakeGitHub
    certificate: Path
    resources: dict[str, Any]
    pull_request: Enforced
    reporter: Enforced
    builds: dict[str, dict[str, Any]] = field(default_factory=dict)
    said: list[str] = field(default_factory=list)

    def begin(self, number: int = 7) -> str:
        """A build of the newest commit, whose event is delivered."""
        name = f"{BUILDS}:{uuid.uuid4()}"
        self.github.head = git(self.repository.root, "rev-parse", "HEAD").strip()
        [project] = self.served.client("codebuild").batch_get_projects(names=[BUILDS])["projects"]
        source = project["source"]
        assert (source["type"], source.get("insecureSsl")) == ("GITHUB_ENTERPRISE", None)
        assert source["location"] == "https://github.example.com/octo/model.git"
        host = self.github.url.removesuffix("/api/v3")
        self.builds[name] = {
            "id": name,
            "buildStatus": "IN_PROGRESS",
            "sourceVersion": f"pr/{number}",
            "resolvedSourceVersion": self.github.head,
            "source": {"type": "GITHUB_ENTERPRISE", "location": f"{host}/octo/model.git"},
            "startTime": datetime.now(timezone.utc).timestamp(),
        }
        self.deliver(name)
        return name

    def run(self, build: str, *options: str) -> subprocess.Popen[str]:
        """The build's own command, with the rights of builds of pull requests."""
        [project] = self.served.client("codebuild").batch_get_projects(names=[BUILDS])["projects"]
        variables = {each["name"]: each["value"] for each in project["environment"]["environmentVariables"]}
        webhook = {
            "CODEBUILD_BUILD_ID": build,
            "CODEBUILD_WEBHOOK_TRIGGER": "pr/7",
            "CODEBUILD_WEBHOOK_HEAD_REF": "refs/heads/better",
            "CODEBUILD_WEBHOOK_BASE_REF": "refs/heads/main",
            "AWS_ENDPOINT_URL": self.pull_request.endpoint,
        }
        return self.repository.start("run", *options, **{**self.served.administrator, **variables, **webhook})

    def end(self, build: str, status: str) -> None:
        """The build ends, and its event is delivered."""
        self.builds[build] |= {"buildStatus": status, "endTime": datetime.now(timezone.utc).timestamp()}
        self.deliver(build)

    def build(self, status: str, *options: str) -> str:
        """A whole build, which ends as its command does."""
        name = self.begin()
        process = self.run(name, *options)
        out, err = process.communicate(timeout=120)
        assert (process.returncode == 0) == (status == "SUCCEEDED"), out + err
        self.end(name, status)
        return name

    def deliver(self, build: str) -> None:
        arn = f"arn:aws:codebuild:us-east-1:{ACCOUNT}:build/{build}"
        rule = self.resources["ReporterRule"]["Properties"]
        event = state_change(arn, build.partition(":")[0], self.builds[build]["buildStatus"])
        for request in started_builds(rule, event):
            self.report({each["name"]: each["value"] for each in request["environmentVariablesOverride"]})

    def report(self, overrides: dict[str, str]) -> None:
        """The commands of the reporter's project. Packages are here already, so pip installs none."""
        [project] = self.served.client("codebuild").batch_get_projects(names=["mlci-iris-reporter"])["projects"]
        variables = {each["name"]: each["value"] for each in project["environment"]["environmentVariables"]}
        work = self.certificate.parent / f"reporter-{len(self.said)}"
        (work / "bin").mkdir(parents=True)
        (work / "aws.py").write_text(AWS)
        scripts = {
            "aws": f'exec {sys.executable} {work}/aws.py "$@"',
            "python3": f"mkdir -p {work}/mlci/bin && cp {work}/bin/pip {work}/bin/mlci {work}/mlci/bin",
            "pip": "",
            "mlci": f'exec {sys.executable} -m mlci "$@"',
        }
        for name, body in scripts.items():
            (work / "bin" / name).write_text(f"#!/bin/sh\n{body}\n")
            (work / "bin" / name).chmod(0o755)
        commands = yaml.safe_load(project["source"]["buildspec"])["phases"]["build"]["commands"]
        environment = {
            **clean_environment(self.served.administrator),
            **variables,
            **overrides,
            "AWS_ENDPOINT_URL": self.reporter.endpoint,
            "REQUESTS_CA_BUNDLE": str(self.certificate),
            "PATH": f"{work}/bin:{os.environ['PATH']}",
        }
        script = "\n".join(commands).replace("/tmp", str(work))
        done = subprocess.run(["bash", "-ec", script], env=environment, capture_output=True, text=True, check=False)
        self.said.append(done.stdout + done.stderr)
        assert done.returncode == 0, self.said[-1]
        assert TOKEN not in self.said[-1]
        assert self.reporter.denied == set()
        assert {call.action for call in self.reporter.allowed} <= READS

    @property
    def states(self) -> list[tuple[str, str | None]]:
        return [(check["status"], check["conclusion"]) for check in self.github.checks]


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chain]:
    """An account with a stack that `mlci bootstrap` made, and with its reporter, but for the rule that `mlci serve`
    refuses."""
    repository = Project(tmp_path_factory.mktemp("repository"))
    for path, text in {"flow.yaml": FLOW, "measure.py": SCRIPT, "buildspec.yaml": "", ".gitignore": ".mlci/"}.items():
        repository.write(path, text)
    git(repository.root, "init", "-q", "-b", "main")
    commit(repository.root)
    git(repository.root, "remote", "add", "origin", "git@github.example.com:octo/model.git")
    certificate = self_signed(tmp_path_factory.mktemp("reporter"))
    github = FakeGitHub(login="mlci[bot]")
    with account(tmp_path_factory.mktemp("served"), "any") as account_, ExitStack() as stack:
        done = repository.mlci("bootstrap", "--yes", *ENTERPRISE, **account_.administrator)
        assert done.returncode == 0, done.stderr
        secret = account_.client("secretsmanager").create_secret(
            Name="mlci-github", SecretString=json.dumps({"token": TOKEN})
        )
        resources = _add_reporter(repository, account_, secret["ARN"])
        stack.enter_context(served(github, certificate))
        roles = account_.client("cloudformation").list_stack_resources(StackName=STACK)["StackResourceSummaries"]
        names = {each["LogicalResourceId"]: each["PhysicalResourceId"] for each in roles}
        build, reporter = (
            stack.enter_context(enforced(account_, names[f"{role}Role"])) for role in ("PullRequestBuild", "Reporter")
        )
        made = Chain(repository, account_, github, certificate, resources, build, reporter)
        made.reporter.answers["BatchGetBuilds"] = lambda request: {
            "builds": [made.builds[each] for each in request["ids"]]
        }
        yield made


def _add_reporter(repository: Project, served: Account, secret: str) -> dict[str, Any]:
    """Update the stack to have the reporter. Returns the resources of the template, with the rule."""
    printed = repository.mlci("bootstrap", "--print").stdout
    document = yaml.safe_load(printed)
    resources = dict(document["Resources"])
    del document["Resources"]["ReporterRule"]
    served.client("s3").put_object(Bucket="any", Key="template.json", Body=json.dumps(document))
    cloudformation = served.client("cloudformation")
    [stack] = cloudformation.describe_stacks(StackName=STACK)["Stacks"]
    values = {each["ParameterKey"]: each["ParameterValue"] for each in stack["Parameters"]}
    values |= {"GitHubSecret": secret, "InstallFiles": install_files().sha256}
    cloudformation.create_change_set(
        StackName=STACK,
        ChangeSetName="reporter",
        ChangeSetType="UPDATE",
        TemplateURL=f"{served.server.exports['AWS_ENDPOINT_URL']}/any/template.json",
        Parameters=[{"ParameterKey": name, "ParameterValue": value} for name, value in values.items()],
        Capabilities=["CAPABILITY_IAM"],
    )
    cloudformation.execute_change_set(StackName=STACK, ChangeSetName="reporter")
    return resources


def change(chain: Chain, auc: float) -> None:
    """The next commit of the pull request."""
    chain.repository.write("flow.yaml", FLOW.replace("0.95", str(auc)).replace("max_drop: 0.02", "min: 0.9"))
    commit(chain.repository.root)


def test_builds_of_a_pull_request_are_reported_from_the_first_second_to_their_end(chain: Chain) -> None:
    change(chain, 0.95)
    passed = chain.begin()
    assert chain.states == [("in_progress", None)]
    assert chain.github.comments == []
    process = chain.run(passed)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, out + err
    chain.end(passed, "SUCCEEDED")
    assert chain.states == [("completed", "success")]
    [body] = chain.github.bodies
    assert "iris: passed" in body
    first = chain.github.comments[0]["id"]

    older = chain.github.head
    change(chain, 0.5)
    chain.build("FAILED")
    assert chain.states[1:] == [("completed", "failure")]
    [annotation] = chain.github.checks[1]["annotations"]
    assert annotation["path"] == "flow.yaml"
    [comment] = chain.github.comments
    assert comment["id"] == first
    assert "gate missed" in comment["body"]

    newest = chain.github.head
    chain.deliver(passed)  # once more, and late
    shown = read_comment("iris", chain.github.bodies[0])
    assert shown is not None
    assert [entry.commit for entry in shown.entries] == [newest, older]
    assert chain.states == [("completed", "success"), ("completed", "failure")]


def test_a_build_that_is_killed_and_one_that_is_stopped_end_their_checks(chain: Chain) -> None:
    before = len(chain.states)
    sleeping = SCRIPT.replace("import json", "import time; time.sleep(60); import json")
    for number, (how, status) in enumerate(((signal.SIGKILL, "FAILED"), (signal.SIGTERM, "STOPPED"))):
        chain.repository.write("measure.py", f"{sleeping}# {number}")
        commit(chain.repository.root)
        name = chain.begin()
        jobs = _jobs(chain)
        process = chain.run(name)
        wait_for(lambda jobs=jobs: _jobs(chain) > jobs)  # type: ignore[misc]
        process.send_signal(how)
        process.communicate(timeout=60)
        chain.end(name, status)
    assert chain.states[before:] == [("completed", "failure"), ("completed", "cancelled")]
    shown = read_comment("iris", chain.github.bodies[0])
    assert shown is not None
    assert [entry.state for entry in shown.entries[:2]] == ["stopped", "died"]
    assert "and left no valid result" in shown.entries[1].headline


def test_a_result_names_no_other_pull_request_and_no_other_commit(chain: Chain) -> None:
    """A build wrote what it should not: a passed result for a build that failed, and what a report has no place for."""
    name = chain.begin()
    bucket = chain.served.client("ssm").get_parameter(Name="/mlci/iris/bucket")["Parameter"]["Value"]
    forged = {
        "schema": 2,
        "run_id": "20261123-101530-3f9c2a",
        "status": "passed",
        "rules": [],
        "pull_request": 1,
        "commit": "f" * 40,
        "repository": "octo/other",
        "flow": "other",
    }
    for file, data in {
        "result.json": json.dumps(forged),
        "report.md": "@everyone ![x](https://e.example/x.png)",
    }.items():
        key = f"mlci/iris/reports/{name}/{file}"
        chain.served.client("s3").put_object(Bucket=bucket, Key=key, Body=data.encode())
    chain.github.requests.clear()
    chain.end(name, "FAILED")
    assert chain.states[-1] == ("completed", "failure")
    assert chain.github.checks[-1]["head_sha"] == chain.github.head
    assert "though its result says that it passed" in chain.github.checks[-1]["output"]["title"]
    numbers = {each.split("/")[5] for each in chain.github.requests if "/issues/" in each or "/pulls/" in each}
    assert numbers <= {"7", "comments"}
    assert not any("f" * 40 in each or "other" in each for each in chain.github.requests)


def test_builds_of_the_base_branch_start_no_reporter(chain: Chain) -> None:
    rule = chain.resources["ReporterRule"]["Properties"]
    arn = f"arn:aws:codebuild:us-east-1:{ACCOUNT}:build/mlci-iris-base:1"
    assert list(started_builds(rule, state_change(arn, "mlci-iris-base", "SUCCEEDED"))) == []


def _jobs(chain: Chain) -> int:
    jobs = chain.served.client("sagemaker").list_processing_jobs(MaxResults=100)["ProcessingJobSummaries"]
    return len(jobs)
