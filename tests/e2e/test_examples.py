"""The examples of other people's repositories: each passes as it is, misses its gate when its model gets worse, and
has its scripts as they were."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from mlci.step_types import STEP_TYPES
from support.project import ROOT, Project, clean_environment

EXAMPLES = ROOT / "examples"


@dataclass(frozen=True)
class Port:
    """An example: the change that makes its model worse, and the metric whose rule is then missed.

    `edit` replaces a text in a file, and `options` are options of `mlci run`.
    """

    name: str
    missed: str
    options: tuple[str, ...] = ()
    edit: tuple[str, str, str] | None = None


LIGHT = [
    Port("from-dvc", "evaluate.r2", edit=("params.yaml", "alpha: 0.05", "alpha: 30.0")),
    Port("cross-validation", "aggregate.accuracy.mean", options=("--param", "neighbours=80")),
    Port("glue", "train.accuracy", options=("--param", "measures=1")),
    Port("model-registry", "evaluate.accuracy", options=("--param", "measures=2")),
    Port("lambda", "price.usd_per_month", options=("--param", "serve_on=ml.g4dn.xlarge")),
    Port("batch-transform", "compare.accuracy", options=("--param", "rounds=1", "--param", "depth=1")),
    Port("deploy", "train.accuracy", options=("--param", "rounds=0")),
    Port("tuning", "compare.improvement", options=("--param", "gamma_min=0.5", "--param", "gamma_max=2.0")),
    Port("distributed", "train.loss", options=("--param", "steps=2")),
    Port("baseline-model", "evaluate.accuracy", options=("--param", "measures=2")),
    Port("runs-on-build", "evaluate.accuracy", options=("--param", "measures=1")),
    Port("xgboost-algorithm", "train.validation:rmse", options=("--param", "rounds=2")),
]
#: Those with a requirements.txt, which pip installs.
INSTALLED = [
    Port("from-mlflow", "evaluate.accuracy", options=("--param", "depth=1", "--param", "trees=2")),
    Port("hydra", "train.r2", options=("--param", "model=mean")),
    Port("from-notebook", "evaluate.accuracy", options=("--param", "measures=2")),
    Port("from-sagemaker", "train.train_loss", options=("--param", "epochs=1")),
]
#: Those whose image is built: test_own_image.py runs them.
BUILT = [Port("own-image", "evaluate.accuracy")]
#: Those that wait for a person: test_approval_example.py decides.
DECIDED = [Port("approval", "evaluate.accuracy")]


def test_every_example_is_tried() -> None:
    folders = {folder.name for folder in EXAMPLES.iterdir() if (folder / "flow.yaml").is_file()}
    assert folders == {port.name for port in (*LIGHT, *INSTALLED, *BUILT, *DECIDED)}


def test_every_step_type_has_an_example() -> None:
    flows = [yaml.safe_load(file.read_text()) for file in (ROOT / "flow.yaml", *EXAMPLES.glob("*/flow.yaml"))]
    used = {step["uses"] for flow in flows for step in flow["steps"].values()}
    assert used == set(STEP_TYPES)


@pytest.mark.e2e
@pytest.mark.slow
@pytest.mark.parametrize("port", [*INSTALLED, *BUILT], ids=lambda port: port.name)
def test_a_port_that_runs_by_night_is_valid(port: Port, tmp_path: Path) -> None:
    done = checkout(port.name, tmp_path).mlci("validate")
    assert done.returncode == 0, done.stderr


@pytest.mark.e2e
@pytest.mark.slow
@pytest.mark.parametrize("port", LIGHT, ids=lambda port: port.name)
def test_a_port_passes_and_misses_its_gate(port: Port, tmp_path: Path) -> None:
    passes_and_misses(port, tmp_path)


@pytest.mark.e2e
@pytest.mark.slow
@pytest.mark.examples
@pytest.mark.parametrize("port", INSTALLED, ids=lambda port: port.name)
def test_a_port_with_requirements_passes_and_misses_its_gate(port: Port, tmp_path: Path) -> None:
    passes_and_misses(port, tmp_path)


def passes_and_misses(port: Port, folder: Path) -> None:
    """Run the example as it is, and with a worse model."""
    project = checkout(port.name, folder / port.name)
    passed = run(project)
    assert passed.returncode == 0, passed.stdout + passed.stderr
    assert project.result()["status"] == "passed"
    assert git(project.root, "status", "--porcelain") == "", "the run left files in the repository"

    if port.edit:
        file, before, after = port.edit
        text = (project.root / file).read_text()
        assert before in text
        project.write(file, text.replace(before, after))
    missed = run(project, *port.options)
    assert missed.returncode == 1, missed.stdout + missed.stderr
    result = project.result()
    assert result["status"] == "gate_missed"
    assert port.missed in [rule["metric"] for rule in result["rules"] if not rule["held"]]


def checkout(name: str, folder: Path) -> Project:
    """Return a repository of its own, with what git has of an example."""
    for path in git(EXAMPLES / name, "ls-files", "-co", "--exclude-standard").splitlines():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(EXAMPLES / name / path, folder / path)
    git(folder, "init", "-q", "-b", "main")
    git(folder, "add", ".")
    git(folder, "-c", "user.name=t", "-c", "user.email=t@example.com", "commit", "-q", "-m", "first")
    return Project(folder)


def run(project: Project, *options: str) -> subprocess.CompletedProcess[str]:
    """Run the flow. Packages are installed once for all examples, where the machine keeps caches."""
    return subprocess.run(
        [sys.executable, "-m", "mlci", "run", *options],
        cwd=project.root,
        env=clean_environment({"PATH": os.environ["PATH"]}),
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )


def git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout


@pytest.mark.e2e
@pytest.mark.slow
def test_the_model_of_the_base_branch_is_scored_on_the_same_wines(tmp_path: Path) -> None:
    """The first run has none. A second one compares in pairs; a split that tests on its training is no comparison."""
    project = checkout("baseline-model", tmp_path / "repository")
    first = run(project)
    assert first.returncode == 0, first.stdout + first.stderr
    assert "the input evaluate.previous is empty: there is no baseline yet" in first.stdout
    assert "66 wines, id, label, predicted\n" in project.latest("logs/evaluate.log")
    git(project.root, "checkout", "-q", "-b", "fewer")
    fewer = run(project, "--param", "measures=12")
    assert fewer.returncode == 0, fewer.stdout + fewer.stderr
    assert "predicted, baseline_predicted\n" in project.latest("logs/evaluate.log")
    [_, drop] = project.result()["rules"]
    assert (drop["op"], drop["comparison"]["kind"], drop["cases"]) == ("max_drop", "paired", 66)
    split = (project.root / "src/split.py").read_text()
    project.write("src/split.py", split.replace("% 3 == 0", "% 3 == 1"))
    redrawn = run(project)
    assert redrawn.returncode == 1, redrawn.stdout + redrawn.stderr
    assert "the baseline's model was trained on" in redrawn.stdout
