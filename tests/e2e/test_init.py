"""`mlci init` in repositories that have code: what it drafts runs, and the scripts stay as they are."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from support.git_repositories import git, repository
from support.project import Project, clean_environment

#: The layout of DVC's own example: relative paths in scripts, params.yaml at the root, folders and files as outputs.
FILES = {
    "dvc.yaml": """\
stages:
  prepare:
    cmd: python src/prepare.py data/data.csv
    deps: [data/data.csv, src/prepare.py]
    params: [prepare.split]
    outs: [data/prepared]
  featurize:
    cmd: python src/featurization.py data/prepared data/features
    deps: [data/prepared, src/featurization.py]
    outs: [data/features]
  train:
    cmd: python src/train.py data/features model.json
    deps: [data/features, src/train.py]
    params: [train]
    outs: [model.json]
  evaluate:
    cmd: python src/evaluate.py model.json data/features
    deps: [data/features, model.json, src/evaluate.py]
    outs: [eval]
metrics: [eval/metrics.json]
""",
    "params.yaml": '{"prepare": {"split": 0.5}, "train": {"shift": 0}}\n',
    "data/data.csv": "".join(f"{number},{2 * number}\n" for number in range(20)),
    "src/prepare.py": """\
import json, os, sys
split = json.load(open("params.yaml"))["prepare"]["split"]
lines = open(sys.argv[1]).readlines()
os.makedirs(os.path.join("data", "prepared"), exist_ok=True)
cut = int(len(lines) * split)
open(os.path.join("data", "prepared", "train.csv"), "w").writelines(lines[:cut])
open(os.path.join("data", "prepared", "test.csv"), "w").writelines(lines[cut:])
""",
    "src/featurization.py": """\
import json, os, sys
os.makedirs(sys.argv[2], exist_ok=True)
for name in ("train", "test"):
    rows = [[float(cell) for cell in line.split(",")] for line in open(f"{sys.argv[1]}/{name}.csv")]
    json.dump(rows, open(f"{sys.argv[2]}/{name}.json", "w"))
""",
    "src/train.py": """\
import json, sys
shift = json.load(open("params.yaml"))["train"]["shift"]
rows = json.load(open(f"{sys.argv[1]}/train.json"))
slope = sum(x * y for x, y in rows) / sum(x * x for x, _ in rows) + shift
json.dump({"slope": slope}, open(sys.argv[2], "w"))
""",
    "src/evaluate.py": """\
import json, os, sys
slope = json.load(open(sys.argv[1]))["slope"]
rows = json.load(open(os.path.join(sys.argv[2], "test.json")))
error = sum(abs(slope * x - y) for x, y in rows) / len(rows)
os.makedirs("eval", exist_ok=True)
json.dump({"error": error, "slope": slope}, open("eval/metrics.json", "w"))
""",
}


@pytest.fixture
def ported(project: Project) -> Project:
    """A repository of DVC's, into which `mlci init` went."""
    for name, text in FILES.items():
        project.write(name, text)
    project.write(".gitignore", "/model.json\n/eval\n")
    repository(project.root)
    done = project.mlci("init")
    assert done.returncode == 0, done.stderr
    assert "4 steps: prepare, featurize, train, evaluate" in done.stdout
    assert f"appended to {'.gitignore'}: .mlci/" in done.stdout
    return project


def fingerprints(root: Path) -> dict[str, str]:
    return {name: hashlib.sha256((root / name).read_bytes()).hexdigest() for name in FILES}


@pytest.mark.slow
def test_a_repository_of_dvc_runs_with_its_scripts_as_they_are(ported: Project) -> None:
    before = {name: hashlib.sha256(text.encode()).hexdigest() for name, text in FILES.items()}
    assert fingerprints(ported.root) == before
    assert ported.mlci("validate").returncode == 0
    done = ported.mlci("run")
    assert done.returncode == 0, done.stdout + done.stderr
    assert ported.result()["metrics"] == {"evaluate": {"error": 0.0, "slope": 2.0}}
    assert fingerprints(ported.root) == before
    assert not (ported.root / "model.json").exists()
    assert not (ported.root / "eval").exists()

    flow = (ported.root / "flow.yaml").read_text().partition("# gate:")[0]
    ported.write("flow.yaml", f"{flow}gate:\n  - {{metric: evaluate.error, max: 0.1}}\n")
    ported.write("params.yaml", FILES["params.yaml"].replace('"shift": 0', '"shift": 1'))
    missed = ported.mlci("run")
    assert missed.returncode == 1, missed.stdout + missed.stderr
    assert "evaluate.error" in missed.stdout


def test_a_dry_run_writes_nothing_and_tells_the_same(project: Project) -> None:
    for name, text in FILES.items():
        project.write(name, text)
    repository(project.root)
    dry = project.mlci("init", "--ci", "none", "--dry-run")
    assert dry.returncode == 0, dry.stderr
    assert git(project.root, "status", "--porcelain") == ""
    wet = project.mlci("init", "--ci", "none")
    assert [line.replace("would write", "wrote") for line in dry.stdout.splitlines() if "flow" in line][:1] == [
        line for line in wet.stdout.splitlines() if "flow" in line
    ][:1]


def test_init_twice_is_refused_and_a_ci_system_may_follow(ported: Project) -> None:
    flow = (ported.root / "flow.yaml").read_bytes()
    again = ported.mlci("init")
    assert again.returncode == 2
    assert "already there: flow.yaml" in again.stderr
    added = ported.mlci("init", "--ci", "github")
    assert added.returncode == 0, added.stderr
    assert "wrote .github/workflows/mlci.yml" in added.stdout
    assert "kept pipeline.py, which is there already" in added.stdout
    assert (ported.root / "flow.yaml").read_bytes() == flow


def test_pipeline_py_falls_back_to_the_command_on_path(ported: Project, tmp_path: Path) -> None:
    """As after `pipx install`: the project's own Python can't import mlci."""
    bin_folder = tmp_path / "bin"
    bin_folder.mkdir()
    command = bin_folder / "mlci"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m mlci "$@"\n')
    command.chmod(0o755)

    def run(path: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-I", "-S", "pipeline.py", "--help"],  # -S: without the packages of this environment
            cwd=ported.root,
            env=clean_environment({"PATH": path}),
            capture_output=True,
            text=True,
            check=False,
        )

    found = run(f"{bin_folder}:{os.environ['PATH']}")
    assert found.returncode == 0, found.stderr
    assert "Usage: mlci run" in found.stdout
    missing = run("/nowhere")
    assert missing.returncode == 2
    assert "mlci is not installed" in missing.stderr


def test_scripts_alone_give_a_flow_that_is_valid(project: Project) -> None:
    project.write("train.py", "print(1)\n")
    project.write("evaluate.py", "print(2)\n")
    done = project.mlci("init", "--ci", "none")
    assert done.returncode == 0, done.stderr
    assert "2 steps: train, evaluate" in done.stdout
    assert done.stdout.endswith("\nDrafted. Next: read flow.yaml, then mlci run\n")
    assert "needs your hand" not in done.stdout
    assert project.mlci("validate").returncode == 0
    assert json.loads(project.mlci("definition").stdout)["StartAt"] == "train: reused?"
