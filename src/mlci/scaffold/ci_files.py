"""The files by which a CI system runs the flow: CodeBuild's buildspec, or a workflow of GitHub Actions."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal, TypeAlias

from mlci.provision.install_files import full_install_files, install_files
from mlci.scaffold.planned_files import PlannedFile

CiSystem: TypeAlias = Literal["codebuild", "github", "none"]

FILES = Path(__file__).parent / "files"
BUILDSPEC, DOCKERFILE = Path("buildspec.yaml"), Path("Dockerfile")
WORKFLOW = Path(".github/workflows/mlci.yml")
#: The wheel of mlci and its locks, for workflows: no package index has mlci.
INSTALL_FOLDER = Path(".github/mlci")


def ci_files(system: CiSystem, base_branch: str, requirements: Sequence[str]) -> Iterator[PlannedFile]:
    """Yields the files of a CI system. `requirements` are the project's own files of pip."""
    if system == "codebuild":
        yield PlannedFile(BUILDSPEC, buildspec().encode())
    elif system == "github":
        yield PlannedFile(WORKFLOW, workflow(base_branch, requirements).encode())
        for name, data in full_install_files().files.items():
            yield PlannedFile(INSTALL_FOLDER / name, data)


def buildspec() -> str:
    """Returns the buildspec.yaml of a repository with a flow: the commands that CodeBuild runs."""
    files = install_files()
    text = (FILES / BUILDSPEC).read_text(encoding="utf-8")
    return text.replace("INSTALL_SHA256", files.sha256).replace("INSTALL_VERSION", files.version)


def image_files() -> Iterator[PlannedFile]:
    """Yields the files that an image for builds is made from: one that holds the mlci that runs here.

    A buildspec of the same mlci finds its own hash in it, and installs nothing.
    """
    files = full_install_files()
    dockerfile = (FILES / DOCKERFILE).read_text(encoding="utf-8").replace("INSTALL_VERSION", files.version)
    yield PlannedFile(DOCKERFILE, dockerfile.encode())
    yield PlannedFile(Path("buildspec.sha256"), f"{install_files().sha256}\n".encode())
    for name, data in files.files.items():
        yield PlannedFile(Path(name), data)


def workflow(base_branch: str, requirements: Sequence[str]) -> str:
    """Returns the workflow that runs a flow on the local cloud, on GitHub's runner."""
    python = '"$RUNNER_TEMP/project/bin/python" -m pip install --quiet --disable-pip-version-check'
    install = [
        f"          {python} {'.' if name == 'pyproject.toml' else f'-r {shlex.quote(name)}'}" for name in requirements
    ] or ["          # Nothing: mlci installs what flow.yaml names as requirements."]
    caches = [f"            {name}" for name in (f"{INSTALL_FOLDER}/runtime.txt", *requirements)]
    text = (FILES / WORKFLOW.name).read_text(encoding="utf-8")
    return (
        text.replace("BASE__BRANCH", json.dumps(base_branch))
        .replace("CACHE_PATHS", "\n".join(["|", *caches]))
        .replace("INSTALL_PROJECT", "\n".join(install))
    )
