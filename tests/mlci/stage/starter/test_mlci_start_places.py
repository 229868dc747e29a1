"""Inputs and outputs by relative paths: what the starter links before a script, and moves after it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest

from mlci.plan.models import EMPTY_INPUT_FILE
from mlci.stage.starter import mlci_start

STARTER = Path(mlci_start.__file__).parent


@pytest.fixture
def code(tmp_path: Path) -> Path:
    """A processing job's code folder, with two inputs beside it."""
    base = tmp_path / "processing"  # as in /opt/ml, beside which a job's configuration lies
    code = base / "input/code"
    code.mkdir(parents=True)
    for file in STARTER.glob("mlci_start*.py"):
        shutil.copy(file, code)
    for path in ("input/file/raw.csv", "input/folder/a.csv", "input/folder/b/c.csv"):
        (base / path).parent.mkdir(parents=True, exist_ok=True)
        (base / path).write_text(path)
    return code


def run(code: Path, source: str, working_dir: str = "", **places: Any) -> subprocess.CompletedProcess[str]:
    (code / "x.py").write_text(source)
    document = {"run": {"script": "x.py"}, "import_roots": [], "places": places, "working_dir": working_dir}
    (code / "mlci_start.json").write_text(json.dumps(document))
    command = [sys.executable, str(code / "mlci_start.py")]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def given(path: str, folder: str, *names: str, **more: str) -> dict[str, object]:
    return {"name": "in", "folder": f"../{folder}", "path": path, "names": [Path(path).name, *names], **more}


def written(path: str) -> dict[str, object]:
    return {"name": "out", "folder": "../../output/out", "path": path}


def outputs(code: Path) -> dict[str, str]:
    folder = code.parents[1] / "output/out"
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


def test_an_empty_input_is_not_linked_and_what_the_code_has_there_is_removed(code: Path) -> None:
    (code.parent / "none").mkdir()
    (code.parent / "none" / EMPTY_INPUT_FILE).write_text("")
    (code / "model.bin").write_text("old")
    done = run(code, "import os\nprint(os.path.lexists('model.bin'))", inputs=[given("model.bin", "none")])
    assert (done.returncode, done.stdout) == (0, "False\n"), done.stderr


@pytest.mark.parametrize(
    ("place", "source", "printed"),
    [
        (given("data/raw.csv", "file"), "print(open('data/raw.csv').read())", "input/file/raw.csv"),
        (given("data/in.csv", "file", "raw.csv"), "print(open('data/in.csv').read())", "input/file/raw.csv"),
        (given("data/other", "file"), "print(os.listdir('data/other'))", "['raw.csv']"),
        (given("data/all", "folder"), "print(sorted(os.listdir('data/all')))", "['a.csv', 'b']"),
        (given("all", "folder"), "print([f for _, _, f in os.walk('all')])", "[['a.csv'], ['c.csv']]"),
    ],
)
def test_an_input_is_its_only_file_or_else_its_folder(code: Path, place: Any, source: str, printed: str) -> None:
    done = run(code, f"import os\n{source}", inputs=[place])
    assert (done.returncode, done.stdout) == (0, printed + "\n"), done.stderr


def test_what_the_repository_has_at_an_inputs_path_gives_way(code: Path) -> None:
    (code / "data/all").mkdir(parents=True)
    (code / "data/all/.gitkeep").write_text("")
    done = run(code, "import os; print(sorted(os.listdir('data/all')))", inputs=[given("data/all", "folder")])
    assert done.stdout == "['a.csv', 'b']\n"


@pytest.mark.parametrize("path", ["models/model.pkl", "models"])
def test_a_model_is_unpacked(code: Path, path: str) -> None:
    model = code.parent / "model"
    model.mkdir()
    (code.parent / "model.pkl").write_text("weights")
    with tarfile.open(model / "model.tar.gz", "w:gz") as archive:
        archive.add(code.parent / "model.pkl", "model.pkl")
    source = "print(open('models/model.pkl').read())"
    done = run(code, source, inputs=[given(path, "model", archive="model.tar.gz")])
    assert (done.returncode, done.stdout) == (0, "weights\n"), done.stderr


def test_paths_are_relative_to_the_working_folder(code: Path) -> None:
    source = "import shutil; shutil.copy('data/raw.csv', 'out.csv')"
    done = run(code, source, "sub", inputs=[given("data/raw.csv", "file")], outputs=[written("out.csv")])
    assert (done.returncode, outputs(code)) == (0, {"out.csv": "input/file/raw.csv"}), done.stderr


def test_a_file_lands_under_its_name_and_of_a_folder_its_content(code: Path) -> None:
    file = "open('models/m.pkl', 'w').write('m')"
    assert run(code, file, outputs=[written("models/m.pkl")]).returncode == 0
    assert outputs(code) == {"m.pkl": "m"}
    folder = "import os; os.makedirs('d/p/q'); open('d/p/q/a', 'w').write('a'); os.symlink('q/a', 'd/p/link')"
    assert run(code, folder, outputs=[written("d/p")]).returncode == 0
    assert outputs(code) == {"m.pkl": "m", "q/a": "a", "link": "a"}


def test_what_was_there_before_does_not_count(code: Path) -> None:
    (code / "metrics.json").write_text("old")
    (code / "plots").mkdir()
    (code / "plots/old.png").write_text("old")
    done = run(code, "", outputs=[written("metrics.json")])
    assert (done.returncode, outputs(code)) == (1, {})
    assert run(code, "open('plots/new', 'w').write('n')", outputs=[written("plots")]).returncode == 0
    assert outputs(code) == {"new": "n"}


def test_an_output_that_was_not_written_fails_the_step_and_names_the_nearest(code: Path) -> None:
    done = run(code, "open('models/modle.pkl', 'w').close()", outputs=[written("models/model.pkl")])
    expected = 'mlci: output "out": the script wrote no models/model.pkl; did the script write models/modle.pkl?\n'
    assert (done.returncode, done.stderr) == (1, expected)
    done = run(code, "", outputs=[written("other/file")])
    assert done.stderr == 'mlci: output "out": the script wrote no other/file; other holds nothing\n'


def test_the_outputs_of_a_script_that_fails_are_not_looked_for(code: Path) -> None:
    done = run(code, "raise SystemExit(3)", outputs=[written("model.pkl")])
    assert (done.returncode, done.stderr) == (3, "")


@pytest.mark.parametrize(("host", "returncode"), [("algo-1", 1), ("algo-2", 0)])
def test_only_the_first_host_has_to_write_an_output(code: Path, host: str, returncode: int) -> None:
    config = code.parents[2] / "config/resourceconfig.json"
    config.parent.mkdir()
    config.write_text(json.dumps({"current_host": host, "hosts": ["algo-1", "algo-2"]}))
    assert run(code, "", outputs=[written("missing.txt")]).returncode == returncode
