"""The base branch's run as an input: on this machine, and under the policies that `mlci bootstrap` makes, enforced."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass

import pytest

from mlci.provision.stack_names import Role, logical_id, project_name
from support.aws_account import Account, account
from support.git_repositories import commit, git, repository
from support.iam_decisions import decided
from support.iam_derived import calls_of_the_jobs
from support.iam_enforced import Enforced, documents_of, enforced
from support.project import Project

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

FLOW = """\
flow: versus
params: {level: 5}
defaults: {image: "123456789012.dkr.ecr.us-east-1.amazonaws.com/mine:1", timeout: 1m}
steps:
  train:
    uses: training
    run: train.py
    hyperparameters: {level: "${{ params.level }}"}
    inputs: {previous: "${{ baseline.steps.train.outputs.model }}"}
  compare:
    uses: processing
    run: compare.py
    args: ["${{ inputs.previous }}"]
    inputs: {model: "${{ steps.train.outputs.model }}", previous: "${{ baseline.steps.train.outputs.model }}"}
    outputs: [out]
    metrics: out/metrics.json
gate: [{metric: compare.level, min: 1}]
"""
TRAIN = """\
import glob, json, os
print("seen by train:", sorted(os.listdir("/opt/ml/input/data/previous")), glob.glob("/opt/ml/input/data/previous/*"))
level = json.load(open("/opt/ml/input/config/hyperparameters.json"))["level"]
open("/opt/ml/model/level", "w").write(str(level).strip('"'))
"""
COMPARE = """\
import glob, json, os, sys, tarfile

def level(folder):
    archives = glob.glob(folder + "/**/model.tar.gz", recursive=True)
    return int(tarfile.open(archives[0]).extractfile("level").read()) if archives else None

print("seen by compare:", sorted(os.listdir(sys.argv[1])))
found = {"level": level("/opt/ml/processing/input/model"), "previous": level(sys.argv[1])}
json.dump(found, open("/opt/ml/processing/output/out/metrics.json", "w"))
"""


def made(project: Project) -> Project:
    project.write("flow.yaml", FLOW)
    project.write("train.py", TRAIN)
    project.write("compare.py", COMPARE)
    repository(project.root, **{".gitignore": ".mlci/\n"})
    return project


def metrics(project: Project) -> Mapping[str, object]:
    found: Mapping[str, object] = project.result()["metrics"]["compare"]
    return found


def statuses(project: Project) -> dict[str, str]:
    return {name: step["status"] for name, step in project.result()["steps"].items()}


def ran(project: Project, *arguments: str) -> str:
    done = project.mlci(*arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def with_level(project: Project, level: int) -> None:
    project.write("flow.yaml", FLOW.replace("level: 5", f"level: {level}"))
    commit(project.root)


def test_the_first_run_gets_a_folder_without_files_and_later_ones_the_model_of_the_base(project: Project) -> None:
    made(project)
    planned = ran(project, "plan")
    assert "empty inputs\n  train.previous: there is no baseline yet\n  compare.previous: there is no" in planned
    said = ran(project, "run")
    assert "the input train.previous is empty: there is no baseline yet" in said
    assert metrics(project) == {"level": 5, "previous": None}
    assert project.result()["empty_inputs"]["compare.previous"] == "there is no baseline yet"
    assert "Empty inputs" in project.latest("report.md")
    assert "seen by train: ['.mlci-empty'] []" in project.latest("logs/train.log")
    assert "seen by compare: ['.mlci-empty']" in project.latest("logs/compare.log")
    first = project.result()["run_id"]
    git(project.root, "checkout", "-q", "-b", "feature")
    with_level(project, 6)
    assert "is empty" not in ran(project, "run")
    assert metrics(project) == {"level": 6, "previous": 5}
    assert project.result()["compared_with"]["run_id"] == first
    assert "mlci-empty" not in project.latest("logs/compare.log")
    assert set(statuses(project).values()) == {"succeeded"}
    ran(project, "run")
    assert set(statuses(project).values()) == {"reused"}


def test_a_baseline_with_the_same_content_changes_no_key(project: Project) -> None:
    made(project)
    project.write("train.py", "\n".join(line for line in TRAIN.splitlines() if not line.startswith("print")))
    project.write(
        "flow.yaml", FLOW.replace('    inputs: {previous: "${{ baseline.steps.train.outputs.model }}"}\n', "")
    )
    commit(project.root)
    ran(project, "run")
    ran(project, "run", "--fresh", "compare")  # now it has a baseline
    project.write("notes.md", "nothing that counts")
    commit(project.root)
    ran(project, "run")
    assert (set(statuses(project).values()), metrics(project)["previous"]) == ({"reused"}, 5)
    last = json.loads(ran(project, "baseline", "show", "--json"))["run_id"]
    ran(project, "run")
    assert project.result()["compared_with"]["run_id"] == last
    assert set(statuses(project).values()) == {"reused"}
    file = project.root / "flow.yaml"
    file.write_text(file.read_text().replace("level: 5", "level: 7"))
    commit(project.root)
    ran(project, "run")
    ran(project, "run")  # the same commit again is compared with itself
    why = ran(project, "plan", "--why", "compare")
    assert metrics(project) == {"level": 7, "previous": 7}
    assert "nothing that counts has changed" in why


def test_files_of_the_baseline_that_are_gone_make_an_empty_input(project: Project) -> None:
    made(project)
    ran(project, "run")
    uri = json.loads(ran(project, "baseline", "show", "--json"))["outputs"]["train"]["model"]
    folder = project.root / ".mlci/store" / uri.removeprefix("s3://")
    for file in folder.rglob("*.tar.gz"):
        file.unlink()
    git(project.root, "checkout", "-q", "-b", "feature")
    with_level(project, 6)
    said = ran(project, "run")
    assert f"the files of the baseline's output train.model are gone: {uri}" in said
    assert 'has no output "model" of step "train"' in said
    assert metrics(project) == {"level": 6, "previous": None}


@dataclass
class Stack:
    """A repository whose account is set up, and the addresses at which its roles of builds act."""

    repository: Project
    served: Account
    at: dict[bool, Enforced]

    def build(self, is_base: bool) -> str:
        """A build of one of the two projects, under its role's policy: its output."""
        name = project_name("versus", is_base)
        [project] = self.served.client("codebuild").batch_get_projects(names=[name])["projects"]
        head = "main" if is_base else "better"
        environment = {
            **self.served.administrator,
            "AWS_ENDPOINT_URL": self.at[is_base].endpoint,
            "CODEBUILD_BUILD_ID": f"{name}:1",
            "CODEBUILD_WEBHOOK_TRIGGER": "branch/main" if is_base else "pr/7",
            "CODEBUILD_WEBHOOK_HEAD_REF": f"refs/heads/{head}",
            "CODEBUILD_WEBHOOK_BASE_REF": "refs/heads/main",
            **{each["name"]: each["value"] for each in project["environment"]["environmentVariables"]},
        }
        done = self.repository.mlci("run", **environment)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def check_jobs(self, role: Role) -> None:
        """Hold what the jobs of the last run read and wrote against the policy of their role."""
        resources = self.served.client("cloudformation").list_stack_resources(StackName="mlci-versus")
        names = {each["LogicalResourceId"]: each["PhysicalResourceId"] for each in resources["StackResourceSummaries"]}
        documents = documents_of(self.served, names[logical_id(role)])
        calls = list(calls_of_the_jobs(self.served, self.repository.result()["run_id"]))
        assert any("/baselines/outputs/" in call.resource or ".mlci-empty" in call.resource for call in calls)
        assert [call for call in calls if not any(decided(document, call) for document in documents)] == []


@pytest.fixture
def stack(project: Project, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    made(project)
    project.write("buildspec.yaml", "version: 0.2\n")
    git(project.root, "remote", "add", "origin", "git@github.com:octo/model.git")
    commit(project.root)
    with account(tmp_path_factory.mktemp("served"), "any") as served, ExitStack() as opened:
        done = project.mlci("bootstrap", "--yes", **served.administrator)
        assert done.returncode == 0, done.stdout + done.stderr
        resources = served.client("cloudformation").list_stack_resources(StackName="mlci-versus")
        names = {each["LogicalResourceId"]: each["PhysicalResourceId"] for each in resources["StackResourceSummaries"]}
        builds: dict[bool, Role] = {True: "base_build", False: "pull_request_build"}
        at = {
            is_base: opened.enter_context(enforced(served, names[logical_id(role)])) for is_base, role in builds.items()
        }
        yield Stack(project, served, at)


def test_both_sides_read_what_the_base_branch_keeps_and_nothing_else(stack: Stack) -> None:
    project = stack.repository
    assert "the input compare.previous is empty: there is no baseline yet" in stack.build(is_base=True)
    stack.check_jobs("protected_job")
    git(project.root, "checkout", "-q", "-b", "better")
    with_level(project, 6)
    stack.build(is_base=False)
    assert metrics(project) == {"level": 6, "previous": 5}
    stack.check_jobs("job")
    git(project.root, "checkout", "-q", "main")
    git(project.root, "merge", "-q", "better")
    stack.build(is_base=True)
    assert metrics(project) == {"level": 6, "previous": 5}
    stack.check_jobs("protected_job")
