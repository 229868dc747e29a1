"""Jobs in the project's Python, and in environments of requirements files, with mlci installed apart from them."""

from __future__ import annotations

import json
import subprocess
import venv
from pathlib import Path

import pytest

from support.project import Project
from support.wheels import index_settings, write_wheel

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

FLOW = """\
flow: apart
defaults: {image: "xgboost:1.7-1"}
steps:
  plain:
    uses: processing
    run: plain.py
    outputs: [found]
    args: ["${{ outputs.found }}/found.json"]
  named:
    uses: processing
    run: named.py
    requirements: requirements/named.txt
    outputs: [found]
    args: ["${{ outputs.found }}/found.json"]
  train:
    uses: training
    run: src/train.py
    inputs: {one: "${{ steps.plain.outputs.found }}", two: "${{ steps.named.outputs.found }}"}
"""
SCRIPT = """\
import json, os, sys
import of_the_project{imports}
found = dict(sys.modules["{module}"].__dict__)["VERSION"]
json.dump([found, "MLCI_INSTALLED_REQUIREMENTS" in os.environ, of_the_project.VERSION], open({target}, "w"))
"""


def script(module: str, target: str = "sys.argv[1]") -> str:
    imports = "" if module == "of_the_project" else f", {module}"
    return SCRIPT.format(imports=imports, module=module, target=target)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A repository with a .venv of its own, which has a package and no pip, and files of requirements."""
    root = tmp_path_factory.mktemp("apart")
    project = Project(root / "repository")
    for version in ("1", "2"):
        write_wheel(root / "wheels", "of_the_file", version)
    project.write("flow.yaml", FLOW)
    project.write("plain.py", script("of_the_project"))
    project.write("named.py", script("of_the_file"))
    project.write("src/train.py", script("of_the_file", "os.environ['SM_MODEL_DIR'] + '/found.json'"))
    project.write("requirements/named.txt", "-r more.txt\n")
    project.write("requirements/more.txt", "of-the-file==1  # a comment\n")
    project.write("src/requirements.txt", "of-the-file==2\n")
    subprocess.run(["git", "init", "-q", str(project.root)], check=True)
    venv.create(project.root / ".venv", symlinks=True)
    sites = next((project.root / ".venv").glob("lib/python*/site-packages"))
    (sites / "of_the_project.py").write_text("VERSION = 'project'\n")
    return project


def settings(project: Project) -> dict[str, str]:
    return {**index_settings(project.root.parent / "wheels"), "MLCI_CACHE": str(project.root.parent / "cache")}


@pytest.fixture(scope="module")
def first(project: Project) -> subprocess.CompletedProcess[str]:
    return project.mlci("run", **settings(project))


def found(project: Project, step: str) -> list[object]:
    (file,) = (project.root / ".mlci/store").glob(f"*/mlci/apart/runs/*/{step}/found/found.json")
    value: list[object] = json.loads(file.read_text())
    return value


def test_each_job_runs_with_the_projects_python_and_its_own_requirements(
    project: Project, first: subprocess.CompletedProcess[str]
) -> None:
    assert first.returncode == 0, first.stdout + first.stderr
    assert first.stdout.count(f"python: {project.root}/.venv/bin/python (the repository's .venv)\n") == 1
    assert found(project, "plain") == ["project", False, "project"]
    assert found(project, "named") == ["1", False, "project"]
    assert "requirements/named.txt: making an environment with Python" in first.stdout
    assert "src/requirements.txt: environment made in" in first.stdout
    assert first.stdout.count("warning: sagemaker-xgboost:1.7-1 holds Python 3.8") == 1


def test_the_projects_environment_is_as_it_was(project: Project, first: subprocess.CompletedProcess[str]) -> None:
    sites = next((project.root / ".venv").glob("lib/python*/site-packages"))
    assert {path.name for path in sites.iterdir()} - {"__pycache__"} == {"of_the_project.py"}


def test_a_later_run_makes_nothing(project: Project, first: subprocess.CompletedProcess[str]) -> None:
    again = project.mlci("run", "--fresh", **settings(project))
    assert again.returncode == 0, again.stdout + again.stderr
    assert "environment" not in again.stdout.replace("/environments/", "")


def test_an_active_environment_comes_before_the_repositorys(
    project: Project, first: subprocess.CompletedProcess[str], tmp_path: Path
) -> None:
    venv.create(tmp_path / "active", symlinks=True)
    done = project.mlci("run", "--fresh", VIRTUAL_ENV=str(tmp_path / "active"), **settings(project))
    assert done.returncode == 3
    assert f"python: {tmp_path}/active/bin/python (the active environment, VIRTUAL_ENV)" in done.stdout
    assert "No module named 'of_the_project'" in done.stdout


def test_what_can_not_be_installed_fails_its_step_and_names_its_log(
    project: Project, first: subprocess.CompletedProcess[str], tmp_path: Path
) -> None:
    flow = FLOW.replace("requirements/named.txt", "missing.txt")
    project.write("missing.txt", "no-such-package-anywhere==1\n")
    project.write("broken.yaml", flow)
    done = project.mlci("run", "--flow", "broken.yaml", **settings(project))
    assert done.returncode == 3
    assert "missing.txt could not be installed: see the step's log" in done.stdout
    assert "no-such-package-anywhere" in project.latest("logs/named.log")


def test_lines_that_no_job_can_install_are_told_with_their_place(project: Project) -> None:
    project.write("wrong.txt", "-e .\n./lib\n")
    project.write("wrong.yaml", FLOW.replace("requirements/named.txt", "wrong.txt"))
    project.write("isolated.yaml", FLOW + "    request: {EnableNetworkIsolation: true}\n")
    wrong = project.mlci("validate", "--flow", "wrong.yaml")
    assert wrong.returncode == 2
    assert 'wrong.yaml:12:19: step "named": wrong.txt:1: "-e ." installs from a folder' in wrong.stderr
    assert 'wrong.txt:2: "./lib" is a path' in wrong.stderr
    isolated = project.mlci("validate", "--flow", "isolated.yaml")
    assert isolated.returncode == 2
    assert '"src/requirements.txt" is installed over the network' in isolated.stderr
