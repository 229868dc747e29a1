"""Repositories that have code → the flow that is drafted for them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from mlci.errors import InputError
from mlci.scaffold import plan_scaffold
from mlci.scaffold.drafting import draft
from mlci.scaffold.repository_survey import survey
from mlci.stage.image_uris import image_uri

MAIN = "import sys\nif __name__ == '__main__':\n    print(1)\n"


def drafted(root: Path) -> tuple[dict[str, Any], str, list[str]]:
    text, remarks = draft(survey(root), "iris", "schema.json")
    return yaml.safe_load(text)["steps"], text, remarks


def write_all(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


DVC = """\
stages:
  prepare:
    cmd: python src/prepare.py data/raw.csv
    deps: [data/raw.csv, src/prepare.py, src/lib]
    params: [prepare.seed]
    outs: [data/prepared]
  train:
    cmd: python -m pkg.train data/prepared/train.csv
    deps: [data/prepared/train.csv, data/extra.csv, s3://bucket/prefix/more, https://example.com/x]
    outs: [models/model.pkl]
    metrics: [train.json]
  evaluate:
    cmd: python src/evaluate.py > log.txt
    deps: [models, src/evaluate.py]
    outs: [eval]
metrics: [eval/metrics.json]
"""


@pytest.fixture
def dvc(tmp_path: Path) -> Path:
    write_all(
        tmp_path,
        {
            "dvc.yaml": DVC,
            "params.yaml": "prepare: {seed: 1}\n",
            "data/raw.csv": "1",
            "src/prepare.py": MAIN,
            "src/evaluate.py": MAIN,
            "src/lib/a.py": "",
            "requirements.txt": "xgboost\n",
            "eval/metrics.json": json.dumps({"auc": 0.9, "by": {"a": 1}}),
        },
    )
    return tmp_path


def test_the_stages_of_dvc_become_steps(dvc: Path) -> None:
    steps, text, _ = drafted(dvc)
    assert steps["prepare"] == {
        "uses": "processing",
        "run": "src/prepare.py",
        "args": ["data/raw.csv"],
        "inputs": {"raw": {"from": "data/raw.csv", "path": "data/raw.csv"}},
        "outputs": {"prepared": "data/prepared"},
        "include": ["src/lib/**", "params.yaml"],
    }
    assert steps["train"] == {
        "uses": "processing",
        "run": "-m pkg.train",
        "args": ["data/prepared/train.csv"],
        "inputs": {
            "prepared": {"from": "${{ steps.prepare.outputs.prepared }}", "path": "data/prepared"},
            "extra": {"from": "data/extra.csv", "path": "data/extra.csv"},
            "more": "s3://bucket/prefix/more",
        },
        "outputs": {"model": "models/model.pkl", "train": "train.json"},
        "metrics": "train/train.json",
    }
    assert steps["evaluate"] == {
        "uses": "processing",
        "run": "sh",
        "args": ["-c", "python src/evaluate.py > log.txt"],
        "inputs": {"model": {"from": "${{ steps.train.outputs.model }}", "path": "models/model.pkl"}},
        "outputs": {"eval": "eval"},
        "metrics": "eval/metrics.json",
        "include": ["src/evaluate.py"],
    }
    assert "https://example.com/x: the script has to fetch it itself" in text
    assert '"data/extra.csv" is not here' in text
    assert "#   - metric: evaluate.auc" in text
    defaults = yaml.safe_load(text)["defaults"]
    assert (defaults["image"], defaults["requirements"]) == ("xgboost:1.7-1", "requirements.txt")


def test_a_stage_in_a_folder_of_its_own_keeps_its_relative_paths(tmp_path: Path) -> None:
    write_all(
        tmp_path,
        {
            "dvc.yaml": "stages: {a: {wdir: model, cmd: python train.py, deps: [train.py, ../data.csv], outs: [out]}}",
            "model/train.py": MAIN,
            "data.csv": "",
        },
    )
    steps, _, _ = drafted(tmp_path)
    assert steps["a"] == {
        "uses": "processing",
        "run": "model/train.py",
        "working_dir": "model",
        "outputs": {"out": "out"},
        "include": ["data.csv"],
    }


def test_more_inputs_and_outputs_than_a_job_has_are_told(tmp_path: Path) -> None:
    deps, outs = [f"d{n}.csv" for n in range(12)], [f"o{n}.csv" for n in range(12)]
    stage = {"cmd": "python a.py", "deps": deps, "outs": outs}
    write_all(tmp_path, {"dvc.yaml": json.dumps({"stages": {"a": stage}}), "a.py": MAIN})
    steps, text, _ = drafted(tmp_path)
    assert (len(steps["a"]["inputs"]), len(steps["a"]["outputs"])) == (9, 10)
    assert "the dependency d9.csv: a processing job has 9 inputs" in text
    assert "the output o10.csv: a processing job has 10 outputs" in text


def test_places_that_a_job_can_not_have_are_told(tmp_path: Path) -> None:
    stage = {"cmd": "python a.py", "deps": ["data", "data/a.csv"], "outs": ["data/out", "o", "o/in", "../up"]}
    write_all(tmp_path, {"dvc.yaml": json.dumps({"stages": {"a": stage}}), "a.py": MAIN, "data/a.csv": ""})
    steps, text, remarks = drafted(tmp_path)
    assert steps["a"]["inputs"] == {"a": {"from": "data/a.csv", "path": "data/a.csv"}}
    assert steps["a"]["outputs"] == {"out": "data/out", "o": "o"}
    assert "the dependency data: it lies in another input or output, or around it" in text
    assert "the output o/in: it lies in another output" in text
    assert "the output ../up: it does not lie below the working folder" in text
    assert not any("needs your hand" in remark for remark in remarks)


def test_entry_points_of_mlproject_become_steps(tmp_path: Path) -> None:
    project = """\
name: wine
entry_points:
  main:
    parameters: {alpha: {type: float, default: 0.5}, data_file: path}
    command: "python train.py --alpha {alpha} {data_file}"
  validate:
    parameters: {alpha: {type: float, default: 0.7}}
    command: "R -f check.R {alpha}"
"""
    write_all(tmp_path, {"MLproject": project, "train.py": MAIN})
    steps, text, remarks = drafted(tmp_path)
    assert steps["main"] == {
        "uses": "processing",
        "run": "train.py",
        "args": ["--alpha", "${{ params.alpha }}", "${{ params.data_file }}"],
    }
    assert steps["validate"]["after"] == ["main"]
    assert yaml.safe_load(text)["params"] == {"alpha": 0.5, "data_file": ""}
    assert 'the parameter "data_file" has no default' in text
    assert 'the parameter "alpha" has the default 0.7 here' in text
    assert "some of it has no translation: the comments in flow.yaml say what" in remarks


def test_scripts_become_steps_in_the_order_that_their_names_suggest(tmp_path: Path) -> None:
    sagemaker = "import os\nprint(os.environ['SM_CHANNEL_TRAIN'], os.environ['SM_MODEL_DIR'])\n"
    names = {
        "src/evaluate_model.py": MAIN,
        "src/prepare_data.py": "print(1)\n",
        "src/fit.py": sagemaker,
        "src/features.py": "def a():\n    pass\n",
        "tests/test_train.py": MAIN,
        "setup.py": MAIN,
        "helper.py": MAIN,
    }
    write_all(tmp_path, names)
    steps, text, _ = drafted(tmp_path)
    assert list(steps) == ["prepare-data", "fit", "evaluate-model"]
    assert steps["fit"] == {"uses": "training", "run": "src/fit.py", "after": ["prepare-data"]}
    assert "It reads the channels train" in text


def test_code_without_anything_like_a_step_is_refused(tmp_path: Path) -> None:
    write_all(tmp_path, {"helper.py": "def a():\n    pass\n"})
    with pytest.raises(InputError, match="no script was found that looks like a step"):
        plan_scaffold(tmp_path, None, "main")


def test_a_repository_without_code_gets_the_sample(tmp_path: Path) -> None:
    write_all(tmp_path, {"README.md": "", "LICENSE": ""})
    names = {str(file.path) for file in plan_scaffold(tmp_path, None, "main").files}
    assert {"flow.yaml", "model/train.py", "data/plants.csv", "buildspec.yaml", "pipeline.py"} <= names


def test_a_repository_with_code_gets_no_sample(dvc: Path) -> None:
    scaffold = plan_scaffold(dvc, "github", "trunk")
    assert {str(file.path) for file in scaffold.files} == {
        "flow.yaml",
        "pipeline.py",
        ".gitignore",
        ".github/flow.schema.json",
        ".github/workflows/mlci.yml",
        *(f".github/mlci/{name}" for name in ("SHA256SUMS", "mlci-0.1.0-py3-none-any.whl")),
        *(f".github/mlci/{name}.txt" for name in ("build", "github", "runtime", "slim")),
    }
    [workflow] = [file.data.decode() for file in scaffold.files if file.path.name == "mlci.yml"]
    assert 'branches: ["trunk"]' in workflow
    assert "mlci installs what flow.yaml names as requirements" in workflow
    assert ".github/mlci/runtime.txt\n" in workflow


@pytest.mark.parametrize(
    ("files", "line"),
    [
        ({"requirements.txt": "numpy\n"}, "-m pip install --quiet --disable-pip-version-check -r requirements.txt\n"),
        ({"pyproject.toml": "[project]\n"}, "-m pip install --quiet --disable-pip-version-check .\n"),
        ({}, "# Nothing"),
    ],
)
def test_a_workflow_installs_what_the_flow_does_not_name(tmp_path: Path, files: dict[str, str], line: str) -> None:
    write_all(tmp_path, {"flow.yaml": "flow: iris\n", **files})
    [workflow] = [
        file.data.decode() for file in plan_scaffold(tmp_path, "github", "main").files if "mlci.yml" in file.path.name
    ]
    assert line in workflow
    assert all(f"            {name}\n" in workflow for name in files)


@pytest.mark.parametrize(
    ("system", "name"), [("github", ".github/workflows/mlci.yml"), ("codebuild", "buildspec.yaml")]
)
def test_a_ci_system_is_added_to_a_repository_that_has_a_flow(tmp_path: Path, system: Any, name: str) -> None:
    write_all(tmp_path, {"flow.yaml": "mine"})
    names = {str(file.path) for file in plan_scaffold(tmp_path, system, "main").files}
    assert name in names
    assert "flow.yaml" not in names
    with pytest.raises(InputError, match="already there"):
        plan_scaffold(tmp_path, None, "main")


def test_the_owners_of_everything_own_the_gate_by_name(tmp_path: Path) -> None:
    write_all(tmp_path, {"flow.yaml": "mine", ".github/CODEOWNERS": "# who\n* @octo/ml  # all\ndocs/ @ada\n"})
    files = plan_scaffold(tmp_path, "none", "main").files
    [owners] = [file.data.decode() for file in files if file.path.name == "CODEOWNERS"]
    assert owners == "/flow.yaml @octo/ml\n/buildspec.yaml @octo/ml\n/.github/ @octo/ml\n"


def test_a_module_of_a_package_that_imports_its_neighbours_is_started_by_its_name(tmp_path: Path) -> None:
    files = {"src/pkg/__init__.py": "", "src/pkg/sub/__init__.py": "", "config/a.yaml": "", "params.yaml": ""}
    write_all(tmp_path, {**files, "src/pkg/sub/train.py": f"from . import x\n{MAIN}"})
    steps, text, remarks = drafted(tmp_path)
    assert steps == {"train": {"uses": "processing", "run": "-m pkg.sub.train"}}
    assert yaml.safe_load(text)["defaults"]["include"] == ["params.yaml", "config/**"]
    assert remarks == ["1 step: train"]


def test_notebooks_are_code_and_no_reason_for_a_sample(tmp_path: Path) -> None:
    write_all(tmp_path, {"model.ipynb": "{}"})
    with pytest.raises(InputError, match="notebooks"):
        plan_scaffold(tmp_path, None, "main")


@pytest.mark.slow
@pytest.mark.parametrize("packages", ["torch", "tensorflow", "xgboost", "pandas"])
def test_the_image_that_is_drafted_is_one_of_sagemakers(tmp_path: Path, packages: str) -> None:
    write_all(tmp_path, {"requirements.txt": packages})
    assert image_uri(survey(tmp_path).image, "us-east-1", "ml.m5.large")
