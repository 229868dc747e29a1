"""Repositories to run in: an empty one, a copy of the example, and one made of scripts."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from support.project import ROOT, Project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


@pytest.fixture
def example(project: Project) -> Project:
    """A copy of this repository's own example."""
    for name in ("flow.yaml", "data", "src/breast_cancer"):
        source, target = ROOT / name, project.root / name
        target.parent.mkdir(parents=True, exist_ok=True)
        (shutil.copytree if source.is_dir() else shutil.copy)(source, target)
    return project


@pytest.fixture
def script_flow(project: Project) -> Callable[..., Project]:
    """A flow of processing steps, each of which is the script given for it; more YAML may follow a step."""

    def make(scripts: Mapping[str, str], more: Mapping[str, str] | None = None, tail: str = "") -> Project:
        lines = ["flow: scripts", "defaults: {image: 'mine.example/image:1', timeout: 1m}", "steps:"]
        for name, script in scripts.items():
            project.write(f"{name}.py", script)
            lines += [f"  {name}:", "    uses: processing", f"    run: {name}.py"]
            lines += [f"    {line}" for line in (more or {}).get(name, "").splitlines()]
        project.write("flow.yaml", "\n".join([*lines, tail]))
        return project

    return make
