"""`mlci bootstrap` by its command, against `mlci serve`: made, changed, refused, taken down."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from mlci.provision.stack_parameters import PARAMETERS
from support.aws_account import Account, account
from support.project import Project, clean_environment
from support.serving import serving

STACK = "mlci-small"
#: By option, what it does not take.
WRONG = {
    "--repository": "octo",
    "--base-branch": "two words",
    "--connection": "mine",
    "--trigger": "cron",
    "--comment-approval": "NOBODY",
    "--approvers": "read",
    "--repository-id": "octo",
    "--github-host": "https://github.example.com",
    "--github-secret": "token",
    "--github-comment": "sometimes",
    "--changed-files": "(",
    "--concurrent-builds": "0",
    "--build-image": "!",
    "--compute-type": "huge",
    "--build-timeout": "1",
    "--run-retention": "0",
    "--code-retention": "long",
    "--log-retention": "2",
    "--existing-bucket": "A",
    "--kms-key": "key",
    "--permissions-boundary": "policy",
    "--vpc-id": "vpc",
    "--subnet-ids": "subnet",
    "--security-group-ids": "sg-1;sg-2",
    "--ecr-repository": "A",
    "--oidc-provider": "GitHub",
}
FLOW = """
flow: small
defaults: {image: "mine.example/image:7"}
steps:
  train: {uses: training, run: train.py, inputs: {train: data.csv}}
"""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    with account(tmp_path_factory.mktemp("served"), "any") as made:
        yield made


@pytest.fixture
def repository(project: Project) -> Project:
    """A repository whose origin is on GitHub."""
    for path, text in {"flow.yaml": FLOW, "train.py": "", "data.csv": "1", "buildspec.yaml": "version: 0.2"}.items():
        project.write(path, text)
    git = ["git", "-C", str(project.root)]
    subprocess.run([*git, "init", "-q", "-b", "main"], check=True)
    subprocess.run([*git, "remote", "add", "origin", "git@github.com:octo/model.git"], check=True)
    return project


def bootstrap(repository: Project, served: Account, *options: str) -> subprocess.CompletedProcess[str]:
    return repository.mlci("bootstrap", *options, **served.administrator)


def hears_ctrl_c() -> None:
    """A shell starts what it runs in the background with Ctrl-C ignored, and its children inherit that."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@contextmanager
def at_a_terminal(repository: Project, served: Account, *options: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """The command, and where it reads what is typed."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "mlci", "bootstrap", *options],
        cwd=repository.root,
        env=clean_environment(served.administrator),
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=hears_ctrl_c,
    ) as process:
        try:
            yield process, ours
        finally:
            process.kill()
    os.close(ours)
    os.close(theirs)


def answered(repository: Project, served: Account, answer: str, *options: str) -> tuple[int, str]:
    """The exit code and the output, where somebody answers."""
    with at_a_terminal(repository, served, *options) as (process, keyboard):
        os.write(keyboard, f"{answer}\n".encode())
        out, _ = process.communicate(timeout=60)
    return process.returncode, out


def stacks(served: Account) -> list[dict[str, Any]]:
    found = served.client("cloudformation").describe_stacks()["Stacks"]
    return [stack for stack in found if stack["StackName"] == STACK]


def parameters(served: Account) -> dict[str, str]:
    return {entry["ParameterKey"]: entry["ParameterValue"] for entry in stacks(served)[0]["Parameters"]}


def buckets(served: Account) -> list[str]:
    found = served.client("s3").list_buckets()["Buckets"]
    return [entry["Name"] for entry in found if entry["Name"].startswith(STACK)]


def expirations(served: Account, bucket: str) -> dict[str, int]:
    """After how many days the bucket deletes what, by the names of its rules."""
    rules = served.client("s3").get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]
    return {rule["ID"]: rule["Expiration"].get("Days") for rule in rules}


@pytest.mark.e2e
def test_the_template_is_printed_without_an_account(repository: Project) -> None:
    done = repository.mlci("bootstrap", "--print")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("AWSTemplateFormatVersion")
    assert done.stderr == ""
    assert done.stdout == repository.mlci("bootstrap", "--print", MLCI_REGION="eu-west-1").stdout


@pytest.mark.e2e
@pytest.mark.slow
def test_policies_are_of_the_region_that_is_set_anywhere(repository: Project) -> None:
    repository.write("flow.yaml", FLOW.replace("mine.example/image:7", "xgboost:1.7-1"))
    by_variable = repository.mlci("policy", "job", MLCI_REGION="eu-west-1")
    by_option = repository.mlci("policy", "job", "--region", "eu-west-1")
    assert by_variable.stdout == by_option.stdout
    assert "arn:aws:ecr:eu-west-1:" in by_variable.stdout
    assert "us-east-1" not in by_variable.stdout

    done = repository.mlci("policy", "boss")
    assert (done.returncode, done.stdout) == (2, "")
    assert 'no role "boss". Roles: pull_request_build, base_build' in done.stderr


@pytest.mark.e2e
@pytest.mark.slow
def test_a_whole_life(repository: Project, served: Account) -> None:
    code, out = answered(repository, served, "no")
    assert code == 4, out
    assert "+ Bucket" in out
    assert (stacks(served), buckets(served)) == ([], [])

    done = bootstrap(repository, served)
    assert done.returncode == 2, done.stdout
    assert "--yes" in done.stderr
    assert stacks(served) == []

    code, out = answered(repository, served, "y", "--run-retention", "30")
    assert code == 0, out
    assert "✔ the stack CREATE_COMPLETE" in out
    assert "+ PullRequestProject" in out
    assert "ImageRepository" not in out
    assert 'the status check "mlci/small"' in out
    assert {"Connected": "true", "RunRetention": "30", "Repository": "octo/model"}.items() <= parameters(served).items()
    projects = served.client("codebuild").list_projects()["projects"]
    assert sorted(projects) == ["mlci-small-base", "mlci-small-pull-request"]
    (bucket,) = buckets(served)
    assert served.client("ssm").get_parameter(Name="/mlci/small/bucket")["Parameter"]["Value"] == bucket
    denied = json.loads(served.client("s3").get_bucket_policy(Bucket=bucket)["Policy"])["Statement"]
    sids = ["OnlyWithTls", "OnlyTheBaseBranchWrites", "OnlyBootstrapWrites", "OnlyTheBaseBranchReads", "RecordsStay"]
    assert [statement["Sid"] for statement in denied] == sids
    assert {"Runs": 30, "ProtectedRuns": 30, "Records": 30, "Code": 180}.items() <= expirations(served, bucket).items()
    assert "ProtectedRecords" not in expirations(served, bucket)

    done = bootstrap(repository, served)
    assert done.returncode == 0, done.stderr
    assert "no changes" in done.stdout

    done = bootstrap(repository, served, "--code-retention", "60", "--yes")
    assert done.returncode == 0, done.stderr
    assert "CodeRetention  180 → 60" in done.stdout
    assert {"RunRetention": "30", "CodeRetention": "60"}.items() <= parameters(served).items()
    assert expirations(served, bucket)["Code"] == 60

    served.client("s3").put_object(Bucket=bucket, Key="mlci/small/baselines/main.json", Body=b"{}")
    done = bootstrap(repository, served, "--delete", "--yes")
    assert done.returncode == 0, done.stderr
    assert f"--existing-bucket {bucket}" in done.stdout
    assert (stacks(served), buckets(served)) == ([], [bucket])
    assert served.client("codebuild").list_projects()["projects"] == []

    done = bootstrap(repository, served, "--existing-bucket", bucket, "--yes")
    assert done.returncode == 0, done.stderr
    assert buckets(served) == [bucket]

    done = bootstrap(repository, served, "--delete", "--delete-bucket", "--yes")
    assert done.returncode == 0, done.stderr
    assert (stacks(served), buckets(served)) == ([], [])
    again = bootstrap(repository, served, "--delete", "--delete-bucket", "--yes")
    assert (again.returncode, again.stderr) == (0, "")
    assert "There is nothing to delete" in again.stdout


@pytest.mark.e2e
@pytest.mark.slow
def test_a_flow_of_five_hundred_steps(repository: Project, served: Account) -> None:
    """Its template is over the limit of a request, and its policies are over that of one policy."""
    step = '{{uses: processing, run: train.py, inputs: {{raw: "s3://lake-{0}/of/the/year/{0}/"}}, outputs: [out]}}'
    steps = "".join(f"  step{number}: {step.format(number % 40)}\n" for number in range(500))
    repository.write("flow.yaml", FLOW.replace("flow: small", "flow: large") + steps)
    done = bootstrap(repository, served, "--yes")
    assert done.returncode == 0, done.stderr
    first, _, rest = done.stdout.partition("✔ the stack CREATE_COMPLETE")
    assert "The template has more than 51,200 bytes" in first
    assert "+ Bucket" in first
    assert "+ BucketPolicy" in rest
    assert "+ PullRequestProject" in rest
    iam = served.client("iam")
    policies = [each for each in iam.list_policies(Scope="Local")["Policies"] if "mlci-large" in each["PolicyName"]]
    assert {"JobsPolicy", "JobsPolicy2"} <= {each["PolicyName"].split("-")[2] for each in policies}
    for each in policies:
        version = iam.get_policy_version(PolicyArn=each["Arn"], VersionId=each["DefaultVersionId"])
        assert len(json.dumps(version["PolicyVersion"]["Document"], separators=(",", ":"))) <= 6_144
    assert "no changes" in bootstrap(repository, served).stdout
    done = bootstrap(repository, served, "--delete", "--delete-bucket", "--yes")
    assert done.returncode == 0, done.stderr


@pytest.mark.e2e
@pytest.mark.slow
def test_a_stack_outlives_the_server(repository: Project, tmp_path: Path) -> None:
    data = tmp_path / "kept"
    with serving(data) as server:
        served = Account(server, "none")
        done = bootstrap(repository, served, "--trigger", "actions", "--repository-id", "1", "--yes")
        assert done.returncode == 0, done.stderr
        server.kill()
    with serving(data) as server:
        served = Account(server, "none")
        assert "no changes" in bootstrap(repository, served).stdout
        [provider] = served.client("iam").list_open_id_connect_providers()["OpenIDConnectProviderList"]
        assert provider["Arn"].endswith("/token.actions.githubusercontent.com")
        done = bootstrap(repository, served, "--trigger", "webhook", "--yes")
        assert done.returncode == 0, done.stderr
        assert "- BaseActionsRole" in done.stdout
        assert "~" not in done.stdout
        assert "Actions" not in str(served.client("iam").list_roles()["Roles"])
        done = bootstrap(repository, served, "--delete", "--delete-bucket", "--yes")
        assert done.returncode == 0, done.stderr
        assert (stacks(served), buckets(served)) == ([], [])
        # Another flow's stack may trust it.
        assert served.client("iam").list_open_id_connect_providers()["OpenIDConnectProviderList"] == [provider]
        server.stop()
        assert server.process.stderr is not None
        said = server.process.stderr.read().splitlines()
        assert [line for line in said if not line.startswith("isolation: ")] == []


@pytest.mark.e2e
@pytest.mark.slow
def test_a_reporter_is_refused_here_with_the_reason(repository: Project, served: Account) -> None:
    """The server delivers no events to CodeBuild. tests/e2e/test_reporter_chain.py does it in its place."""
    secret = served.client("secretsmanager").create_secret(Name="github", SecretString="x")["ARN"]
    assert bootstrap(repository, served, "--yes").returncode == 0
    done = bootstrap(repository, served, "--github-secret", secret, "--yes")
    assert done.returncode == 3
    assert "ReporterRule (AWS::Events::Rule): mlci serve delivers no events to arn:aws:codebuild:" in done.stderr
    assert bootstrap(repository, served, "--delete", "--delete-bucket", "--yes").returncode == 0
    assert stacks(served) == []


@pytest.mark.e2e
@pytest.mark.slow
def test_ctrl_c_at_the_question_leaves_nothing(repository: Project, served: Account) -> None:
    with at_a_terminal(repository, served) as (process, _):
        assert process.stdout is not None
        shown = ""
        while not shown.endswith("[y/N] "):
            character = process.stdout.read(1)
            assert character, shown  # it ended, and asked nothing
            shown += character
        assert len(stacks(served)) == 1
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=60)
    assert process.returncode == 4, out
    assert stacks(served) == []


@pytest.mark.e2e
@pytest.mark.slow
def test_every_parameter_wrong_in_turn_is_a_sentence_and_makes_nothing(repository: Project, served: Account) -> None:
    assert set(WRONG) == {parameter.option for parameter in PARAMETERS if parameter.option}
    for option, value in WRONG.items():
        done = bootstrap(repository, served, "--yes", option, value)
        assert (done.returncode, done.stdout) == (2, ""), option
        assert done.stderr.startswith(f'mlci: {option}: "{value}" is '), option
    assert (stacks(served), buckets(served)) == ([], [])


@pytest.mark.e2e
@pytest.mark.slow
def test_what_is_wrong_is_told_in_sentences_and_makes_nothing(repository: Project, served: Account) -> None:
    key = "arn:aws:kms:us-east-1:000000000000:key/00000000-0000-0000-0000-000000000000"
    wrong = {
        "--kms-key": (key, "--kms-key: there is no key"),
        "--existing-bucket": ("there-is-none", 'the bucket "there-is-none" does not exist'),
        "--permissions-boundary": ("arn:aws:iam::000000000000:policy/none", "there is no policy"),
        "--vpc-id": ("vpc-00000000", "Set all three, or none."),
        "--region": ("nowhere", '"nowhere" is no AWS region'),
        "--delete-bucket": (None, "--delete-bucket goes with --delete"),
    }
    for option, (value, words) in wrong.items():
        done = bootstrap(repository, served, "--yes", option, *([value] if value else []))
        assert (done.returncode, done.stdout) == (2, ""), option
        assert words in done.stderr
    assert stacks(served) == []


@pytest.mark.e2e
def test_a_flow_that_is_wrong_asks_aws_nothing(repository: Project) -> None:
    repository.write("flow.yaml", FLOW.replace("training", "trianing"))
    done = repository.mlci("bootstrap", "--yes")
    assert done.returncode == 2
    assert "flow.yaml:5:" in done.stderr
