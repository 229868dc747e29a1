"""buildspec.yaml as CodeBuild runs it: from a clean clone, in an account that `mlci bootstrap` has made and with the
rights that it gave, to verdicts."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml

from mlci.provision.stack_names import project_name
from support.aws_account import Account, account
from support.iam_enforced import enforced
from support.project import ROOT, Project, clean_environment

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.network]

REPOSITORY = "https://github.com/octo/model.git"
COMMIT = ("-c", "user.name=A", "-c", "user.email=a@b.example", "commit", "-q", "-a", "-m", "change")
#: Source: https://docs.aws.amazon.com/codebuild/latest/userguide/view-build-details-phases.html
PHASES = ("install", "pre_build", "build", "post_build")


@dataclass(frozen=True)
class CodeBuild:
    """What CodeBuild does with a build project: it clones, sets variables, and runs the commands of the buildspec, each
    phase in a fresh shell. `endpoint` is AWS for the role of the project, and `python` the environment that its image
    comes with."""

    served: Account
    endpoint: str
    python: Path
    project: str

    def build(self, clone: Path, number: int) -> tuple[dict[str, int], str]:
        """The exit codes of the phases that ran, and the log."""
        _git(clone, "clean", "-q", "-f", "-d", "-x")
        spec = yaml.safe_load((clone / "buildspec.yaml").read_text())
        environment = self._environment(clone, number, spec["env"]["variables"])
        codes, log = dict[str, int](), ""
        for phase in PHASES:
            told = spec["phases"].get(phase)
            # A build that failed still goes on to what comes after it; one that could not be installed does not.
            if told is None or any(codes.get(before) for before in ("install", "pre_build")):
                continue
            done = [self._shell(told.get(part, []), clone, environment) for part in ("commands", "finally")]
            codes[phase] = next((each.returncode for each in done if each.returncode), 0)
            log += "".join(each.stdout for each in done)
        return codes, log

    def _shell(
        self, commands: list[str], clone: Path, environment: Mapping[str, str]
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["bash", "--noprofile", "--norc", "-e", "-c", "\n".join(commands)],
            cwd=clone,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=900,
            check=False,
        )

    def _environment(self, clone: Path, number: int, variables: Mapping[str, str]) -> dict[str, str]:
        """The variables of a build that the webhook of a pull request has started, as CodeBuild documents them.

        Source: https://docs.aws.amazon.com/codebuild/latest/userguide/build-env-ref-env-vars.html
        """
        [told] = self.served.client("codebuild").batch_get_projects(names=[self.project])["projects"]
        commit = _git(clone, "rev-parse", "HEAD").strip()
        kept = {
            variable: value
            for variable, value in clean_environment({}).items()
            if variable not in ("VIRTUAL_ENV", "PYTHONPATH", "PYTEST_CURRENT_TEST", "MLCI_CACHE")
        }
        return {
            **kept,
            "PATH": f"{self.python.parent}{os.pathsep}{os.environ['PATH']}",
            **self.served.administrator,
            "AWS_ENDPOINT_URL": self.endpoint,
            "CI": "true",
            "CODEBUILD_BUILD_ID": f"{self.project}:{number}",
            "CODEBUILD_BUILD_ARN": f"arn:aws:codebuild:us-east-1:000000000000:build/{self.project}:{number}",
            "CODEBUILD_BUILD_NUMBER": str(number),
            "CODEBUILD_INITIATOR": "GitHub-Hookshot/1234567",
            "CODEBUILD_RESOLVED_SOURCE_VERSION": commit,
            "CODEBUILD_SOURCE_REPO_URL": REPOSITORY,
            "CODEBUILD_SOURCE_VERSION": f"pr/{number}",
            "CODEBUILD_SRC_DIR": str(clone),
            "CODEBUILD_WEBHOOK_ACTOR_ACCOUNT_ID": "1",
            "CODEBUILD_WEBHOOK_BASE_REF": "refs/heads/main",
            "CODEBUILD_WEBHOOK_EVENT": "PULL_REQUEST_CREATED",
            "CODEBUILD_WEBHOOK_HEAD_REF": "refs/heads/better",
            "CODEBUILD_WEBHOOK_TRIGGER": f"pr/{number}",
            **variables,
            **{each["name"]: each["value"] for each in told["environment"]["environmentVariables"]},
        }


def _git(folder: Path, *words: str) -> str:
    return subprocess.run(["git", *words], cwd=folder, check=True, capture_output=True, text=True).stdout


def cloned(folder: Path) -> Path:
    """A shallow clone of what is committed here, with a commit checked out and no branch, as CodeBuild has it."""
    _git(folder, "clone", "-q", "--depth", "1", ROOT.as_uri(), "clone")
    clone = folder / "clone"
    _git(clone, "remote", "set-url", "origin", REPOSITORY)
    _git(clone, "checkout", "-q", "--detach")
    return clone


def edited(clone: Path, path: str, old: str, new: str) -> None:
    """A commit that changes a file."""
    text = (clone / path).read_text()
    assert old in text
    (clone / path).write_text(text.replace(old, new))
    _git(clone, *COMMIT)


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Account]:
    with account(tmp_path / "served", "any") as made:
        yield made


def test_from_nothing_to_verdicts_and_back(tmp_path: Path, served: Account) -> None:
    clone, python = cloned(tmp_path), image(tmp_path)
    repository, project = Project(clone), project_name("breast-cancer", is_base=False)

    made = repository.mlci("bootstrap", "--yes", **served.administrator)
    assert made.returncode == 0, made.stdout + made.stderr

    with enforced(served, role_of(served, project)) as at:
        check_verdicts(clone, CodeBuild(served, at.endpoint, python, project))
    assert at.denied == set()

    gone = repository.mlci("bootstrap", "--delete", "--delete-bucket", "--yes", **served.administrator)
    assert gone.returncode == 0, gone.stdout + gone.stderr
    assert nothing_is_left(served), gone.stdout


def test_what_init_wrote_installs_mlci_from_the_bucket_and_nothing_else(tmp_path: Path, served: Account) -> None:
    repository, python, project = Project(tmp_path / "plants"), image(tmp_path), project_name("plants", is_base=False)
    repository.root.mkdir()
    assert repository.mlci("init").returncode == 0
    _git(repository.root, "init", "-q", "-b", "main")
    _git(repository.root, "remote", "add", "origin", REPOSITORY)
    _git(repository.root, "add", ".")
    _git(repository.root, *COMMIT)
    made = repository.mlci("bootstrap", "--yes", **served.administrator)
    assert made.returncode == 0, made.stdout + made.stderr
    [uri] = re.findall(r"uploaded mlci \S+ for builds: (s3://\S+)", made.stdout)

    with enforced(served, role_of(served, project)) as at:
        builds = CodeBuild(served, at.endpoint, python, project)
        codes, log = builds.build(repository.root, 1)
        assert codes == {"install": 0, "build": 0}, log
        assert "plants: passed" in log
        site_packages = subprocess.run(
            [python, "-m", "pip", "show", "mlci"], capture_output=True, text=True, check=True
        )
        assert f"Location: {python.parent.parent}" in site_packages.stdout

        bucket, _, folder = uri.removeprefix("s3://").partition("/")
        s3, key = served.client("s3"), f"{folder}slim.txt"
        lock = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        s3.put_object(Bucket=bucket, Key=key, Body=lock.replace(b"boto3==", b"b0to3=="))
        codes, log = builds.build(repository.root, 2)
        assert codes == {"install": 1}, log
        assert "slim.txt: FAILED" in log

        edited(repository.root, "buildspec.yaml", f"sha256={folder.split('/')[-2]}", f"sha256={64 * '0'}")
        codes, log = builds.build(repository.root, 3)
        assert codes == {"install": 1}, log
        assert "is not in the bucket" in log
        assert "Run `mlci bootstrap` and `mlci buildspec > buildspec.yaml` with the same mlci" in log
    assert not [call for call in at.denied if call.action != "s3:GetObject"]


def image(folder: Path) -> Path:
    """The Python of a build's image, with no packages but pip."""
    subprocess.run([sys.executable, "-m", "venv", str(folder / "image")], check=True)
    return folder / "image" / "bin" / "python"


def role_of(served: Account, project: str) -> str:
    """The name of a project's role."""
    [described] = served.client("codebuild").batch_get_projects(names=[project])["projects"]
    return str(described["serviceRole"]).rpartition("/")[2]


def check_verdicts(clone: Path, builds: CodeBuild) -> None:
    """A build that passes, one that misses the gate, and one of a flow that is wrong."""
    codes, log = builds.build(clone, 7)
    assert codes == {"install": 0, "build": 0}, log
    assert "breast-cancer: passed" in log
    spec = yaml.safe_load((clone / "buildspec.yaml").read_text())
    left = clone / spec["artifacts"]["base-directory"]
    assert json.loads((left / "result.json").read_text())["status"] == "passed"
    assert (left / "report.html").is_file()
    reports = spec["reports"]["gate"]
    [junit] = reports["files"]
    suites = ElementTree.parse(clone / reports["base-directory"] / junit).getroot()
    assert int(suites.get("tests", "0")) > 0

    edited(clone, "flow.yaml", "min_auc: 0.97", "min_auc: 0.9999")
    codes, log = builds.build(clone, 8)
    assert codes == {"install": 0, "build": 1}, log
    assert "✘ evaluate.auc" in log
    assert json.loads((left / "result.json").read_text())["exit_code"] == 1

    edited(clone, "flow.yaml", "uses: training", "uses: trianing")
    codes, log = builds.build(clone, 9)
    assert codes == {"install": 0, "build": 2}, log
    assert 'flow.yaml:34:11: "uses" must be' in log
    assert list(left.iterdir()) == []

    edited(clone, "flow.yaml", "uses: trianing", "uses: training")


def nothing_is_left(served: Account) -> bool:
    stacks = served.client("cloudformation").describe_stacks()["Stacks"]
    machines: list[Any] = served.client("stepfunctions").list_state_machines()["stateMachines"]
    buckets = [each["Name"] for each in served.client("s3").list_buckets()["Buckets"]]
    return not stacks and not machines and buckets == [served.bucket]
