"""Scripts with names, layouts and values that break SageMaker's toolkits run as `python SCRIPT` does."""

from __future__ import annotations

import json

import pytest

from support.project import Project

TRAIN = """
import shelve, json, os, sys
import features, lib.deep
from pathlib import Path
Path(os.environ["SM_MODEL_DIR"], "seen.json").write_text(json.dumps({
    "argv": sys.argv, "cwd": os.getcwd(), "file": os.path.abspath(__file__), "hps": json.loads(os.environ["SM_HPS"]),
    "config": json.loads(Path(os.environ["SM_INPUT_CONFIG_DIR"], "hyperparameters.json").read_text()),
}))
"""
SHOW = """
import json, os, sys, tarfile
folder, output, *rest = sys.argv[1:]
with tarfile.open(folder + "/model.tar.gz") as archive:
    print(archive.extractfile("seen.json").read().decode())
print(json.dumps({"rest": rest, "cwd": os.getcwd(), "script": sys.argv[0]}))
"""
FLOW = """
flow: odd
defaults: {image: "mine.example/image:1", timeout: 1m}
steps:
  train:
    uses: training
    run: src/my model/train (1).py
    include: [setup.py, shelve.py]
    hyperparameters:
      words: "a  b; touch PWNED"
      data: /opt/ml/input/data
      spaced: /opt/ml/input/data x
  show:
    uses: processing
    run: tools/show.py
    inputs: {model: "${{ steps.train.outputs.model }}"}
    outputs: [out]
    args: ["${{ inputs.model }}", "${{ outputs.out }}", "", "x; y", "--import-root=z"]
  shell:
    uses: processing
    run: tools/list.sh
    args: [a b]
    outputs: [out]
"""


@pytest.mark.slow
@pytest.mark.parametrize("isolation", ["auto", "paths"])
def test_scripts_see_what_they_see_on_sagemaker(project: Project, isolation: str) -> None:
    project.write("flow.yaml", FLOW)
    project.write("src/my model/train (1).py", TRAIN)
    project.write("src/my model/features.py", "")
    project.write("src/lib/deep.py", "")
    for name in ("setup.py", "shelve.py"):
        project.write(name, "raise SystemExit('not to be run')")
    project.write("tools/show.py", SHOW)
    project.write("tools/list.sh", 'echo "$0|$1|$PWD|${BASH_VERSION:+bash}"')
    done = project.mlci("run", "--isolation", isolation)
    assert done.returncode == 0, done.stdout + done.stderr
    seen, shown = map(json.loads, project.latest("logs/show.log").splitlines()[-2:])
    base = seen["cwd"].removesuffix("/code")
    values = {"words": "a  b; touch PWNED", "data": f"{base}/input/data", "spaced": f"{base}/input/data x"}
    arguments = [text for name in sorted(values) for text in (f"--{name}", values[name])]
    assert seen["argv"] == ["src/my model/train (1).py", *arguments]
    assert seen["file"] == f"{base}/code/src/my model/train (1).py"
    assert seen["hps"] == values
    assert json.loads(seen["config"]["words"]) == values["words"]
    assert seen["config"]["sagemaker_program"] == '"src/my model/train (1).py"'
    assert shown["rest"] == ["", "x; y", "--import-root=z"]
    assert (shown["script"], shown["cwd"].endswith("/processing/input/code")) == ("tools/show.py", True)
    name, argument, folder, shell = project.latest("logs/shell.log").splitlines()[-1].split("|")
    assert (name, argument, shell) == ("./tools/list.sh", "a b", "bash")
    assert folder.endswith("/processing/input/code")
    if isolation == "auto":
        assert base == "/opt/ml"


def test_several_processes_are_refused_before_anything_is_staged(project: Project) -> None:
    flow = (
        "flow: odd\nsteps:\n  train:\n    uses: training\n    run: train.py\n    image: mine.example/image:1\n"
        '    request: {HyperParameters: {sagemaker_mpi_enabled: "true"}}\n'
    )
    project.write("flow.yaml", flow)
    project.write("train.py", "")
    done = project.mlci("run")
    assert done.returncode == 2
    assert 'flow.yaml:7:56: hyperparameter "sagemaker_mpi_enabled": several processes' in done.stderr
    assert not (project.root / ".mlci").exists()
