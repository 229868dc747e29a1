"""Scripts that know nothing of mlci: relative paths, a package by -m, a command line, a source folder, a program.

One flow has a step for each, and runs on the local cloud and on the aws cloud against `mlci serve`.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.aws_account import Account, account
from support.project import Project

BUCKET = "models"

FLOW = """
flow: ported
defaults: {image: "mine.example/image:1", timeout: 2m}
steps:
  prepare:
    uses: processing
    run: src/prepare.py
    include: [params.yaml]
    inputs: {raw: {from: data/raw.csv, path: data/raw.csv}}
    outputs: {prepared: data/prepared}
  train:
    uses: training
    run: src/train.py
    include: [params.yaml]
    inputs: {prepared: {from: "${{ steps.prepare.outputs.prepared }}", path: data/prepared}}
    outputs: {model: models/model.json}
    args: [fit, "model.depth=[2, 3]", --seed, 7, "${{ inputs.prepared }}", "it's $HOME"]
    hyperparameters: {eta: 0.1}
  evaluate:
    uses: processing
    run: src/evaluate.py
    inputs:
      model: {from: "${{ steps.train.outputs.model }}", path: models/model.json}
      prepared: {from: "${{ steps.prepare.outputs.prepared }}", path: data/prepared}
    outputs: {evaluation: evaluation/metrics.json}
    metrics: evaluation/metrics.json
  package:
    uses: processing
    run: -m forecast.report
    args: [--out, "${{ outputs.report }}"]
    outputs: [report]
  source:
    uses: training
    source: job
    run: entry.py
  folder:
    uses: processing
    working_dir: conf
    run: tools/show.sh
    outputs: {shown: shown.txt}
  program:
    uses: processing
    run: cp
    args: [params.yaml, "${{ outputs.copy }}"]
    include: [params.yaml]
    outputs: [copy]
  perl-like:
    uses: processing
    run: tools/list
    outputs: {listed: out/list.json}
gate: [{metric: evaluate.auc, min: 0.9}]
"""

FILES = {
    "flow.yaml": FLOW,
    ".gitignore": ".mlci/\nsecret.bin\nskipped/\n",
    "params.yaml": "depth: 3\n",
    "data/raw.csv": "a\n1\n2\n",
    "src/prepare.py": (
        "import os, sys\n"
        "assert open('params.yaml').read() == 'depth: 3\\n'\n"
        "rows = open('data/raw.csv').read().split()[1:]\n"
        "os.makedirs('data/prepared/deep', exist_ok=True)\n"
        "open('data/prepared/deep/rows.txt', 'w').write('\\n'.join(rows))\n"
        "open('data/prepared/count.txt', 'w').write(str(len(rows)))\n"
    ),
    "src/train.py": (
        "import json, os, sys\n"
        "found = {'argv': sys.argv[1:], 'count': open('data/prepared/count.txt').read(), 'cwd': os.getcwd()}\n"
        "found['given'] = os.listdir(sys.argv[5])\n"
        "with open('models/model.json', 'w') as file: json.dump(found, file)\n"
    ),
    "src/evaluate.py": (
        "import json, os\n"
        "model = json.load(open('models/model.json'))\n"
        "print('MODEL', json.dumps(model))\n"
        "rows = open('data/prepared/deep/rows.txt').read().split()\n"
        "os.makedirs('evaluation', exist_ok=True)\n"
        "json.dump({'auc': 0.95 if rows == ['1', '2'] else 0}, open('evaluation/metrics.json', 'w'))\n"
    ),
    "src/forecast/__init__.py": "NAME = 'forecast'\n",
    "src/forecast/core.py": "def text(): return 'core'\n",
    "src/forecast/report.py": (
        "import argparse, sys\n"
        "from forecast import NAME\n"
        "from .core import text\n"
        "parser = argparse.ArgumentParser()\n"
        "parser.add_argument('--out')\n"
        "open(parser.parse_args().out + '/report.txt', 'w').write(' '.join([NAME, text(), __name__, __spec__.name]))\n"
    ),
    "job/entry.py": (
        "import json, os\n"
        "from lib import helper\n"
        "found = [os.getcwd(), helper.X, open('conf/a.txt').read(), sorted(os.listdir('.'))]\n"
        "print('SOURCE', json.dumps(found))\n"
        "open(os.environ['SM_MODEL_DIR'] + '/m', 'w').write('')\n"
    ),
    "job/lib/helper.py": "X = 1\n",
    "job/conf/a.txt": "text",
    "job/secret.bin": "ignored",
    "job/skipped/x": "ignored",
    "conf/base.yaml": "",
    "tools/show.sh": 'pwd > shown.txt\necho "$0" >> shown.txt\n',
    "tools/list": "#!/usr/bin/env python3\nimport json, sys\njson.dump(sys.argv, open('out/list.json', 'w'))\n",
}


def ported(root: Path) -> Project:
    project = Project(root)
    for path, text in FILES.items():
        project.write(path, text)
    subprocess.run(["git", "init", "-q", str(root)], check=True)
    return project


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    with account(tmp_path_factory.mktemp("served"), BUCKET) as made:
        yield made


@pytest.fixture(
    scope="module", params=["auto", *(pytest.param(other, marks=pytest.mark.slow) for other in ("paths", "aws"))]
)
def project(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The project after its run."""
    project = ported(tmp_path_factory.mktemp("ported"))
    if request.param != "aws":
        done = project.mlci("run", "--isolation", request.param)
    else:
        made: Account = request.getfixturevalue("served")
        done = project.mlci("run", "--cloud", "aws", **made.environment)
    assert done.returncode == 0, done.stdout + done.stderr
    return project


def logged(project: Project, step: str, word: str) -> object:
    line = next(line for line in project.latest(f"logs/{step}.log").splitlines() if line.startswith(word))
    return json.loads(line.removeprefix(word))


def test_scripts_with_relative_paths_run_as_they_are(project: Project) -> None:
    assert project.result()["metrics"] == {"evaluate": {"auc": 0.95}}


def test_arguments_of_a_training_script_arrive_exact_before_its_hyperparameters(project: Project) -> None:
    model = logged(project, "evaluate", "MODEL ")
    assert isinstance(model, dict)
    base = model["cwd"].removesuffix("/code")
    folder = f"{base}/input/data/prepared"
    expected = ["fit", "model.depth=[2, 3]", "--seed", "7", folder, "it's $HOME", "--eta", "0.1"]
    assert model["argv"] == expected
    assert sorted(model["given"]) == ["count.txt", "deep"]
    assert (model["count"], base.endswith("/ml")) == ("2", True)


def test_a_source_folder_is_the_working_folder_and_holds_what_git_does_not_ignore(project: Project) -> None:
    found = logged(project, "source", "SOURCE ")
    assert isinstance(found, list)
    assert found[0].endswith("/ml/code")
    assert found[1:3] == [1, "text"]
    assert {"conf", "entry.py", "lib"} <= set(found[3])
    assert not {"secret.bin", "skipped"} & set(found[3])


def test_everything_that_cannot_start_is_said_at_once_and_nothing_is_staged(tmp_path: Path) -> None:
    project = ported(tmp_path)
    wrong = FLOW.replace("run: src/train.py", "run: python src/train.py --fast").replace("t.report", "t.repotr")
    wrong = wrong.replace("data/raw.csv, path", "data/rwa.csv, path").replace("source: job", "source: jbo")
    project.write("flow.yaml", wrong)
    done = project.mlci("run")
    assert done.returncode == 2
    lines = done.stderr.splitlines()
    assert [line.partition(": step ")[2] for line in lines if "flow.yaml:" in line] == [
        '"prepare": "data/rwa.csv" does not exist. Did you mean "data/raw.csv"?',
        (
            '"train": "python src/train.py --fast" is a command, and `run` names one script. '
            "Write run: src/train.py, args: [--fast]"
        ),
        (
            '"package": no module "forecast.repotr" that `python -m` can run is in the repository. '
            'Did you mean "forecast.report"?'
        ),
        '"source": "jbo" does not exist. Did you mean "job"?',
    ]
    assert not (tmp_path / ".mlci").exists()
    project.write("flow.yaml", FLOW.replace("outputs: {model: models/model.json}", "outputs: {model: ../model.json}"))
    done = project.mlci("validate")
    assert (done.returncode, '"../model.json" is not a path below the working folder' in done.stderr) == (2, True)


def test_a_plan_shows_the_files_of_each_step(project: Project) -> None:
    planned = project.mlci("plan", "--cloud", "local")
    assert planned.returncode == 0, planned.stderr
    assert "  package: -m forecast.report of the repository, 3 files" in planned.stdout
    assert "  program: cp, a program of the image, 1 file, 9 bytes" in planned.stdout
