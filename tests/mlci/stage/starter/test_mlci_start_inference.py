"""The script that serves a model: what the starter puts into the model, and what a toolkit then imports."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from mlci.stage.starter import mlci_start, mlci_start_inference
from mlci.step_types import sagemaker_models

STARTER = Path(mlci_start.__file__).parent
SERVE = """
import near
from pkg.rows import rows


def model_fn(folder):
    return float(open(folder + "/weights.txt").read())


def transform_fn(model, data, content_type, accept):
    return [near.scaled(row, model) for row in rows(data)]
"""
FILES = {
    "src/app/inference.py": SERVE,
    "src/app/near.py": "def scaled(row, model):\n    return row * model\n",
    "src/pkg/__init__.py": "",
    "src/pkg/rows.py": "def rows(text):\n    return [float(line) for line in text.split()]\n",
}


def train(folder: Path, script: str, files: Sequence[str] = tuple(FILES)) -> subprocess.CompletedProcess[str]:
    """Run a training script by the starter, as it is in `/opt/ml/code`; the model is beside it."""
    code = folder / "code"
    for path, text in {**FILES, "train.py": script}.items():
        (code / path).parent.mkdir(parents=True, exist_ok=True)
        (code / path).write_text(text)
    for file in STARTER.glob("mlci_start*.py"):
        shutil.copy(file, code)
    (folder / "model").mkdir()
    inference = {
        "folder": "../model/code",
        "script": "src/app/inference.py",
        "files": list(files),
        "import_roots": ["src"],
    }
    document = {"run": {"script": "train.py"}, "import_roots": [], "inference": inference}
    (code / "mlci_start.json").write_text(json.dumps(document))
    command = [sys.executable, str(code / "mlci_start.py")]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def served(folder: Path, code: Path, *before: str) -> str:
    """Return the answer of the model to a toolkit, which imports the program by its name."""
    statements = [
        "import importlib, sys",
        f"sys.path[:0] = [{str(code)!r}]",
        *before,
        "script = importlib.import_module('inference')",
        f"print(script.transform_fn(script.model_fn({str(folder / 'model')!r}), '1 2', '', ''))",
    ]
    done = subprocess.run([sys.executable, "-c", "\n".join(statements)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


WRITES = "open('../model/weights.txt', 'w').write('3')\n"


def test_the_model_holds_the_script_and_what_it_imports(tmp_path: Path) -> None:
    done = train(tmp_path, WRITES)
    assert done.returncode == 0, done.stderr
    code = tmp_path / "model" / "code"
    assert {str(file.relative_to(code)) for file in code.rglob("*") if file.is_file()} == {
        "inference.py",
        *(f"mlci_code/{path}" for path in FILES),
    }
    assert served(tmp_path, code) == "[3.0, 6.0]"


def test_a_toolkit_may_read_the_program_again(tmp_path: Path) -> None:
    """sagemaker-containers does so: its import_module reloads the module."""
    train(tmp_path, WRITES)
    code = tmp_path / "model" / "code"
    assert served(tmp_path, code, "importlib.reload(importlib.import_module('inference'))") == "[3.0, 6.0]"


def test_a_toolkit_may_copy_the_folder(tmp_path: Path) -> None:
    """sagemaker-containers copies it to /opt/ml/code, and installs it from there."""
    train(tmp_path, WRITES)
    shutil.move(tmp_path / "model" / "code", tmp_path / "elsewhere")
    assert served(tmp_path, tmp_path / "elsewhere") == "[3.0, 6.0]"


def test_a_failed_training_leaves_no_code(tmp_path: Path) -> None:
    assert train(tmp_path, "raise SystemExit(3)\n").returncode == 3
    assert list((tmp_path / "model").iterdir()) == []


def test_what_the_training_does_to_the_code_changes_nothing(tmp_path: Path) -> None:
    train(tmp_path, WRITES + "open('src/app/near.py', 'w').write('broken')\n")
    assert served(tmp_path, tmp_path / "model" / "code") == "[3.0, 6.0]"


@pytest.mark.parametrize("path", ["inference.py", "mlci_code/src/pkg/rows.py"])
def test_a_file_of_the_training_script_is_not_overwritten(tmp_path: Path, path: str) -> None:
    writes = f"import os\nos.makedirs(os.path.dirname('../model/code/{path}'))\nopen('../model/code/{path}', 'w')\n"
    done = train(tmp_path, writes)
    assert done.returncode == 1
    assert f"the script wrote code/{path} there itself; leave one out" in done.stderr
    assert (tmp_path / "model" / "code" / path).read_text() == ""


def test_other_code_of_the_training_script_stays(tmp_path: Path) -> None:
    writes = "import os\nos.makedirs('../model/code')\nopen('../model/code/requirements.txt', 'w').write('six')\n"
    assert train(tmp_path, WRITES + writes).returncode == 0
    assert (tmp_path / "model" / "code" / "requirements.txt").read_text() == "six"


def test_the_image_starts_the_program_that_the_starter_writes() -> None:
    assert mlci_start_inference.PROGRAM == sagemaker_models.PROGRAM_FILE
