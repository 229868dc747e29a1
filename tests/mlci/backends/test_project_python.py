"""The interpreter that local jobs run with."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlci.backends.project_python import project_python, python_of_flow
from mlci.errors import InputError
from mlci.flow.models import Flow

OWN = "/opt/pipx/venvs/mlci/bin/python"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in ("active", "conda", "other", "repository/.venv", "repository/flows/.venv", "system"):
        (tmp_path / name / "bin").mkdir(parents=True)
        (tmp_path / name / "bin" / "python").touch(mode=0o755)
        if name != "system":
            (tmp_path / name / "pyvenv.cfg").touch()
    (tmp_path / "miniconda/condabin").mkdir(parents=True)
    (tmp_path / "miniconda/bin").mkdir()
    (tmp_path / "miniconda/conda-meta").mkdir()
    (tmp_path / "miniconda/bin/python").touch(mode=0o755)
    return tmp_path


FOLDERS = ("repository/flows", "repository")


@pytest.mark.parametrize(
    ("environment", "folders", "expected", "origin"),
    [
        ({"VIRTUAL_ENV": "active", "CONDA_PREFIX": "conda"}, FOLDERS, "active", "VIRTUAL_ENV"),
        ({"CONDA_PREFIX": "conda", "CONDA_DEFAULT_ENV": "mine"}, FOLDERS, "conda", "CONDA_PREFIX"),
        ({"VIRTUAL_ENV": "gone"}, FOLDERS, "repository/flows/.venv", "the repository's .venv"),
        ({"PATH": "other/bin"}, FOLDERS, "other", "on PATH"),
        ({"PATH": "system/bin"}, FOLDERS, "repository/flows/.venv", "the repository's .venv"),
        ({}, ("repository",), "repository/.venv", "the repository's .venv"),
        (
            {"PATH": "miniconda/bin", "CONDA_PREFIX": "miniconda", "CONDA_DEFAULT_ENV": "base"},
            FOLDERS,
            "repository/flows/.venv",
            "the repository's .venv",
        ),
        ({"PATH": "miniconda/bin", "CONDA_PREFIX": "miniconda"}, (), "miniconda", "the base environment of conda"),
    ],
)
def test_the_projects_interpreter_is_the_nearest(
    root: Path, environment: dict[str, str], folders: tuple[str, ...], expected: str, origin: str
) -> None:
    there = {
        name: value if name == "CONDA_DEFAULT_ENV" else str(root / value)
        for name, value in {"PATH": "empty", **environment}.items()
    }
    found = project_python(there, [root / folder for folder in folders], OWN)
    assert found.executable == str(root / expected / "bin" / "python")
    assert origin in found.origin


def test_mlcis_own_is_the_last_and_never_the_one_of_path(root: Path) -> None:
    own = str(root / "other/bin/python")
    found = project_python({"PATH": str(root / "other/bin")}, [root / "repository"], own)
    assert "repository's .venv" in str(found)
    assert project_python({"PATH": "/nowhere"}, [root], OWN).executable == OWN


def flow(root: Path, python: str) -> Flow:
    return Flow("f", str(root / "flow.yaml"), {}, {}, (), python=python)


def test_the_flow_names_an_interpreter_by_path_or_by_name(root: Path) -> None:
    environment = {"VIRTUAL_ENV": str(root / "active"), "PATH": str(root / "system/bin")}
    by_path = python_of_flow(flow(root, "other/bin/python"), environment, [], OWN)
    assert str(by_path) == f"python: {root}/other/bin/python (local: python in the flow)"
    assert python_of_flow(flow(root, "python"), environment, [], OWN).executable == str(root / "system/bin/python")


def test_an_interpreter_that_is_none_is_refused(root: Path) -> None:
    with pytest.raises(InputError, match="is no Python interpreter"):
        python_of_flow(flow(root, "./python"), {"PATH": str(root)}, [], OWN)
