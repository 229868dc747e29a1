"""The interpreter of each local job, and the warning where its image holds other versions."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from mlci.backends.job_pythons import (
    INSTALLED,
    JobPythons,
    PythonDescription,
    image_differences,
    installed_versions,
)
from mlci.backends.project_python import ProjectPython
from mlci.backends.requirements_environments import EnvironmentBase, EnvironmentStore
from mlci.errors import InputError
from mlci.plan.models import PlannedStep
from mlci.stage.image_contents import ImageContents, image_contents
from mlci.stage.models import CodeUnit, Requirements, StagedFile
from mlci.step_types.script_start import ScriptStart
from support.compiled_flows import planned

PROJECT = "/project/.venv/bin/python"
XGBOOST = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:1.7-1"
REQUIREMENTS = Requirements("r.txt", (StagedFile("r.txt", hashlib.sha256(b"").hexdigest(), 0, Path("/r"), b""),))


class RecordedStore(EnvironmentStore):
    """Notes what an environment would be made from, and makes none."""

    def __init__(self) -> None:
        self.bases: list[EnvironmentBase] = []

    def get(self, requirements: Requirements, base: EnvironmentBase, log_file: Path, is_stopped: object) -> Path:
        self.bases.append(base)
        return Path("/cache/environment/bin/python")

    def close(self) -> None:
        pass


@pytest.fixture
def there() -> dict[str, PythonDescription]:
    return {PROJECT: PythonDescription("3.11.2", ("/project/.venv/lib/python3.11/site-packages",))}


@pytest.fixture
def store() -> RecordedStore:
    return RecordedStore()


def step(image: str = "", requirements: Requirements | None = REQUIREMENTS) -> PlannedStep:
    code = CodeUnit(ScriptStart({"script": "a.py"}), (), (), requirements)
    return PlannedStep("train", "job", {}, {}, {}, "", code=code, image=image)


def pythons(
    store: RecordedStore,
    there: dict[str, PythonDescription],
    project: ProjectPython | None = None,
    path: str = "",
    told: list[str] | None = None,
) -> JobPythons:
    log = (told if told is not None else []).append
    return JobPythons(project or ProjectPython(PROJECT, "active"), store, path, there.get, log)


def test_a_step_without_requirements_runs_with_the_projects(
    store: RecordedStore, there: dict[str, PythonDescription]
) -> None:
    assert pythons(store, there).of(step(requirements=None), Path("/log"), lambda: False) is None
    assert store.bases == []


def test_an_environment_lies_above_the_projects_packages(
    store: RecordedStore, there: dict[str, PythonDescription]
) -> None:
    found = pythons(store, there).of(step(), Path("/log"), lambda: False)
    assert found is not None
    assert found.executable == "/cache/environment/bin/python"
    assert found.variables == {INSTALLED: REQUIREMENTS.digest}
    assert found.folders == ("/project/.venv/bin",)
    assert store.bases[0].sites == there[PROJECT].sites


def test_mlcis_own_packages_are_no_part_of_an_environment(
    store: RecordedStore, there: dict[str, PythonDescription]
) -> None:
    found = pythons(store, there, ProjectPython(PROJECT, "own", is_own=True)).of(step(), Path("/log"), lambda: False)
    assert store.bases[0].sites == ()
    assert found is not None
    assert found.folders == ()


@pytest.mark.parametrize("is_fixed", [False, True])
def test_the_images_python_is_taken_where_it_is_here_unless_the_flow_names_another(
    store: RecordedStore, there: dict[str, PythonDescription], tmp_path: Path, is_fixed: bool
) -> None:
    (tmp_path / "python3.8").touch(mode=0o755)
    there[str(tmp_path / "python3.8")] = PythonDescription("3.8.13", ())
    project = ProjectPython(PROJECT, "active", is_fixed=is_fixed)
    pythons(store, there, project, str(tmp_path)).of(step(XGBOOST), Path("/log"), lambda: False)
    assert store.bases[0].version == ("3.11.2" if is_fixed else "3.8.13")
    assert bool(store.bases[0].sites) == is_fixed


def test_a_warning_names_what_differs_once(store: RecordedStore, there: dict[str, PythonDescription]) -> None:
    told: list[str] = []
    chosen = pythons(store, there, told=told)
    for _ in range(2):
        chosen.of(step(XGBOOST, requirements=None), Path("/log"), lambda: False)
    assert told == ["warning: sagemaker-xgboost:1.7-1 holds Python 3.8; the job runs here with Python 3.11"]
    chosen.of(step("123456789012.dkr.ecr.eu-west-1.amazonaws.com/mine:1", None), Path("/log"), lambda: False)
    assert len(told) == 1


def test_packages_are_compared_by_major_and_minor_version(tmp_path: Path) -> None:
    for name in ("xgboost_cpu-3.1.2.dist-info", "numpy-1.26.4.dist-info", "Pandas-2.2.1.egg-info", "x.txt", "numpy"):
        (tmp_path / name).mkdir()
    here = PythonDescription("3.10.1", (str(tmp_path), "/nowhere"))
    packages = {"xgboost": "3.0.5", "numpy": "1.26.0", "pandas": "2.2.3", "scikit-learn": "1.5.2"}
    contents = ImageContents("x:1", "3.10", packages)
    assert image_differences(contents, here) == "x:1 holds xgboost 3.0.5; the job runs here with xgboost 3.1.2"
    assert image_differences(ImageContents("x:1", "3.10", {"numpy": "1.26.0"}), here) == ""
    assert installed_versions(here.sites, ["pandas"]) == {"pandas": "2.2.1"}


def test_the_software_is_the_projects_python_with_all_of_its_packages(
    store: RecordedStore, there: dict[str, PythonDescription], tmp_path: Path
) -> None:
    (tmp_path / "numpy-1.26.4.dist-info").mkdir()
    (tmp_path / "Pandas_x-2.2.1-py3.11.egg-info").mkdir()
    there[PROJECT] = PythonDescription("3.11.2", (str(tmp_path),))
    found = {"python": "3.11.2", "numpy": "1.26.4", "pandas-x": "2.2.1"}
    assert pythons(store, there).software() == found
    assert pythons(store, {}).software() == {}


@pytest.mark.parametrize(
    ("image", "python", "package"),
    [
        ("sagemaker-xgboost:1.7-1", "3.8", ("xgboost", "1.7.4")),
        ("sagemaker-xgboost:3.0-5", "3.10", ("xgboost", "3.0.5")),
        ("sagemaker-scikit-learn:1.4-2-cpu-py3", "3.12", ("scikit-learn", "1.4.2")),
        ("pytorch-training:2.8.0-cpu-py312", "3.12", ("torch", "2.8.0")),
        ("tensorflow-training:2.19.0-gpu-py312-cu125", "3.12", ("tensorflow", "2.19.0")),
        (
            "huggingface-pytorch-training:2.1.0-transformers4.36.0-gpu-py310-cu121-ubuntu20.04",
            "3.10",
            ("transformers", "4.36.0"),
        ),
    ],
)
def test_the_contents_of_sagemakers_images(image: str, python: str, package: tuple[str, str]) -> None:
    contents = image_contents(f"763104351884.dkr.ecr.us-east-1.amazonaws.com/{image}")
    assert contents is not None
    assert contents.python == python
    assert contents.packages[package[0]] == package[1]


@pytest.mark.parametrize("image", ["", "mine:1.7-1", "sagemaker-xgboost:9.9-9", "pytorch-training"])
def test_an_image_that_is_not_known(image: str) -> None:
    assert image_contents(f"x.dkr.ecr.us-east-1.amazonaws.com/{image}") is None


ALGORITHM = """flow: algorithm
steps:
  train:
    uses: training
    algorithm: xgboost:1.7-1
    inputs: {train: "s3://bucket/train/"}
    hyperparameters: {num_round: 2}
"""


@pytest.mark.parametrize(
    ("algorithm", "package", "is_there"),
    [
        ("xgboost:1.7-1", "xgboost-3.2.0", True),
        ("xgboost:1.7-1", "xgboost_cpu-3.2.0", True),
        ("xgboost:1.7-1", "numpy-2.4.6", False),
        ("kmeans:1", "numpy-2.4.6", True),
    ],
)
def test_an_algorithm_needs_its_package(
    store: RecordedStore, tmp_path: Path, algorithm: str, package: str, is_there: bool
) -> None:
    (tmp_path / f"{package}.dist-info").mkdir()
    found = pythons(store, {PROJECT: PythonDescription("3.11.2", (str(tmp_path),))})
    text = ALGORITHM.replace("xgboost:1.7-1", algorithm)
    if is_there:
        found.check(planned(text))
        return
    with pytest.raises(InputError) as raised:
        found.check(planned(text))
    [problem] = raised.value.problems
    assert (problem.line, problem.column) == (5, 16)
    assert f"{PROJECT} lacks" in problem.what
    assert problem.hint == f"Install it: {PROJECT} -m pip install xgboost"
