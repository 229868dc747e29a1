"""The commands beside `mlci run`, as a user types them."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys

import pytest
import yaml

from mlci.provision.install_files import install_files
from support.project import ROOT, Project, clean_environment


@pytest.mark.slow
def test_init_gives_a_flow_that_runs(project: Project) -> None:
    assert project.mlci("init").stdout.endswith("\nReady. Next: mlci run\n")
    done = project.mlci("run")
    assert done.returncode == 0, done.stdout + done.stderr
    assert project.result()["status"] == "passed"
    assert [(rule["metric"], rule["op"], rule["held"]) for rule in project.result()["rules"]] == [
        ("evaluate.r2", "min", True),
        ("evaluate.rmse", "max_rise", True),
    ]
    assert project.mlci("validate").stdout == "flow.yaml is valid: 3 steps, 2 rules in the gate\n"
    assert (project.root / ".gitignore").read_text() == ".mlci/\n"
    assert (project.root / "buildspec.yaml").read_text() == project.mlci("buildspec").stdout


def test_a_flow_in_a_folder_above_is_named(project: Project) -> None:
    project.write("tools/deep/script.py", "")
    below = Project(project.root / "tools/deep")
    assert below.mlci("validate").stderr.endswith("Make one with `mlci init`, or name another with --flow.\n")
    project.write("flow.yaml", "flow: small\nsteps: {a: {uses: fail}}\n")
    done = below.mlci("validate")
    assert done.returncode == 2
    assert done.stderr == (
        f'mlci: there is no file "flow.yaml". There is one in "{project.root}": go there, since runs are kept '
        "beside it.\n"
    )


def test_a_buildspec_installs_this_very_mlci_by_its_hash_and_runs_the_flow(project: Project) -> None:
    told = yaml.safe_load(project.mlci("buildspec").stdout)
    [install] = told["phases"]["install"]["commands"]
    assert f"sha256={install_files().sha256}\n" in install
    for line in install.splitlines():
        assert "pip install" not in line or "pip install --require-hashes" in line
    assert "://" not in install
    assert told["phases"]["build"]["commands"] == ["mlci run"]


def test_init_leaves_a_buildspec_alone(project: Project) -> None:
    project.write("buildspec.yaml", "mine")
    assert project.mlci("init").returncode == 0
    assert (project.root / "buildspec.yaml").read_text() == "mine"


def test_init_changes_no_file(project: Project) -> None:
    project.write("flow.yaml", "mine")
    refused = project.mlci("init")
    assert refused.returncode == 2
    assert "flow.yaml" in refused.stderr
    assert [path.name for path in project.root.iterdir()] == ["flow.yaml"]


@pytest.mark.slow
def test_init_into_another_folder_keeps_its_gitignore(project: Project) -> None:
    project.write("there/.gitignore", "*.log")
    assert project.mlci("init", "there").returncode == 0
    assert (project.root / "there/.gitignore").read_text() == "*.log\n.mlci/\n"
    assert project.mlci("validate", "--flow", "there/flow.yaml").returncode == 0


@pytest.mark.slow
def test_pipeline_py_is_mlci_run(example: Project) -> None:
    shutil.copy(ROOT / "pipeline.py", example.root)
    command = [sys.executable, "pipeline.py", "--param", "min_auc=0.9999"]
    done = subprocess.run(
        command, cwd=example.root, env=clean_environment({}), capture_output=True, text=True, check=False
    )
    assert done.returncode == 1, done.stdout + done.stderr


def test_validate_says_what_is_there_and_starts_nothing(example: Project) -> None:
    done = example.mlci("validate")
    assert (done.returncode, done.stdout) == (0, "flow.yaml is valid: 3 steps, 3 rules in the gate\n")
    assert example.runs == []


def test_looking_prints_what_it_promises(example: Project) -> None:
    assert json.loads(example.mlci("definition").stdout)["StartAt"] == "preprocess: reused?"
    assert example.mlci("graph").stdout.startswith("flowchart LR\n")
    assert json.loads(example.mlci("schema").stdout)["type"] == "object"


@pytest.mark.parametrize(
    "command",
    [
        "",
        "run",
        "validate",
        "graph",
        "definition",
        "schema",
        "execute",
        "logs",
        "list",
        "show",
        "init",
        "buildspec",
        "serve",
        "plan",
        "config",
        "stop",
        "approve",
        "reject",
        "clean",
        "bootstrap",
        "policy",
    ],
)
def test_help_is_there_for_every_command(project: Project, command: str) -> None:
    done = project.mlci(*command.split(), "--help")
    assert done.returncode == 0
    assert done.stdout.startswith("Usage: mlci")


PARAMETERS = {
    "ProcessingJobName.$": "$.name",
    "RoleArn": "arn:aws:iam::000000000000:role/any-role",
    "AppSpecification": {
        "ImageUri": "any/image:1",
        "ContainerEntrypoint": ["python3", "-c"],
        "ContainerArguments.$": "States.Array($.code)",
    },
    "ProcessingResources": {"ClusterConfig": {"InstanceCount": 1, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 1}},
}
TASK = {
    "Type": "Task",
    "Resource": "arn:aws:states:::sagemaker:createProcessingJob.sync",
    "Parameters": PARAMETERS,
    "ResultSelector": {"status.$": "$.ProcessingJobStatus"},
    "End": True,
}


def execute(project: Project, machine: object, given: object) -> subprocess.CompletedProcess[str]:
    project.write("machine.json", json.dumps(machine))
    project.write("input.json", json.dumps(given))
    return project.mlci("execute", "machine.json", "--input", "input.json", "--store", "store")


def test_execute_runs_any_definition_and_prints_its_output(project: Project) -> None:
    machine = {"StartAt": "a", "States": {"a": TASK}}
    done = execute(project, machine, {"name": "one", "code": "print(6 * 7)"})
    assert (done.returncode, json.loads(done.stdout)) == (0, {"status": "Completed"}), done.stderr
    assert (project.root / "store/.mlci-logs/one.log").read_text() == "42\n"


def test_execute_says_why_it_failed(project: Project) -> None:
    done = execute(project, {"StartAt": "a", "States": {"a": TASK}}, {"name": "one", "code": "raise ValueError('no')"})
    assert (done.returncode, done.stdout) == (3, "")
    assert "ValueError: no" in done.stderr


@pytest.mark.parametrize(
    ("machine", "words"),
    [
        ({"StartAt": "b", "States": {"a": {"Type": "Succeed"}}}, "/StartAt"),
        ({"StartAt": "a", "States": {"a": {**TASK, "Resource": "arn:aws:states:::sqs:sendMessage"}}}, "/States/a"),
    ],
)
def test_execute_refuses_what_cannot_run_with_its_place(project: Project, machine: object, words: str) -> None:
    done = execute(project, machine, {})
    assert done.returncode == 2, done.stdout
    assert words in done.stderr


def test_fifty_executions_in_one_store_leave_nothing_temporary(project: Project) -> None:
    def branch(number: int) -> object:
        name = f"States.Format('{{}}-{number}', $.name)"
        task = {**TASK, "Parameters": {**PARAMETERS, "ProcessingJobName.$": name}}
        return {"StartAt": f"s{number}", "States": {f"s{number}": task}}

    parallel = {"Type": "Parallel", "Branches": [branch(number) for number in range(50)], "End": True}
    done = execute(project, {"StartAt": "p", "States": {"p": parallel}}, {"name": "x", "code": "pass"})
    assert done.returncode == 0, done.stderr
    store = project.root / "store"
    assert {path.name for path in store.rglob("*") if path.is_file()} == {f"x-{n}.log" for n in range(50)}
    assert list((store / ".mlci-work").iterdir()) == []


def test_a_damaged_run_is_listed_and_said_to_be_damaged(project: Project) -> None:
    project.write(".mlci/runs/one/result.json", '{"schema": 2}')
    listed, shown = project.mlci("list"), project.mlci("show")
    assert (listed.returncode, shown.returncode) == (0, 2)
    assert "unreadable" in listed.stdout
    assert "is damaged, or of another version of mlci" in shown.stderr


def test_a_working_directory_that_is_gone_is_an_error_of_the_input(project: Project) -> None:
    leave = "import os, sys; os.mkdir('gone'); os.chdir('gone'); os.rmdir('../gone')"
    done = project.python(f"{leave}\nfrom mlci.cli import main; sys.exit(main(['list']))")
    assert (done.returncode, done.stderr) == (
        2,
        "mlci: the working directory does not exist any more. Change to another one.\n",
    )
