"""The starter of Glue jobs, in a process of its own: S3 is a folder, which a boto3 of this test's copies from."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mlci.stage.starter import mlci_start_glue

BOTO3 = """
import os, pathlib, shutil

class Client:
    root = pathlib.Path(os.environ["FAKE_S3"])
    def get_paginator(self, name):
        assert name == "list_objects_v2"
        return self
    def paginate(self, Bucket, Prefix):
        keys = [p.relative_to(self.root / Bucket).as_posix() for p in (self.root / Bucket).rglob("*") if p.is_file()]
        yield {"Contents": [{"Key": key} for key in keys if key.startswith(Prefix)]}
        yield {}
    def download_file(self, bucket, key, path):
        shutil.copy(self.root / bucket / key, path)

def client(name):
    assert name == "s3"
    return Client()
"""
SCRIPT = """
import os, sys
from words import WORD
print(WORD, os.path.basename(os.getcwd()), __name__, sys.argv[1:])
raise SystemExit(int(sys.argv[-1]))
"""


def started(folder: Path, document: dict[str, Any], *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the starter with code at s3://bucket/code/, as Glue does: from a copy of the one file."""
    code = folder / "s3" / "bucket" / "code"
    for name, text in {
        "src/job.py": SCRIPT,
        "src/words.py": "WORD = 'hello'",
        "mlci_start.json": json.dumps(document),
        "mlci_start_glue.py": "",
    }.items():
        (code / name).parent.mkdir(parents=True, exist_ok=True)
        (code / name).write_text(text)
    (folder / "s3" / "bucket" / "other.py").write_text("raise AssertionError")
    (folder / "boto3.py").write_text(BOTO3)
    starter = folder / "glue.py"
    starter.write_text(Path(mlci_start_glue.__file__).read_text())
    environment = {**os.environ, "PYTHONPATH": str(folder), "FAKE_S3": str(folder / "s3"), "TMPDIR": str(folder)}
    line = [sys.executable, str(starter), *arguments]
    return subprocess.run(line, cwd=folder, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("document", "folder"),
    [
        ({"run": {"script": "src/job.py"}, "import_roots": []}, "mlci-code-"),
        ({"run": {"script": "src/job.py"}, "import_roots": [], "working_dir": "data/in"}, "in"),
        ({"run": {"module": "job"}, "import_roots": ["src"]}, "mlci-code-"),
    ],
)
def test_the_script_runs_with_its_imports_and_its_own_arguments(
    tmp_path: Path, document: dict[str, Any], folder: str
) -> None:
    done = started(tmp_path, document, "--a", "1", "--mlci_code", "s3://bucket/code/", "--exit", "0")
    assert done.returncode == 0, done.stderr
    word, place, name, *arguments = done.stdout.split()
    assert (word, name, "".join(arguments)) == ("hello", "__main__", "['--a','1','--exit','0']")
    assert place.startswith(folder)


def test_the_exit_code_is_the_scripts(tmp_path: Path) -> None:
    document = {"run": {"script": "src/job.py"}, "import_roots": []}
    assert started(tmp_path, document, "--mlci_code=s3://bucket/code/", "--exit", "3").returncode == 3


def test_without_the_argument_that_names_the_code_nothing_runs(tmp_path: Path) -> None:
    done = started(tmp_path, {"run": {"script": "src/job.py"}, "import_roots": []}, "--a", "1")
    assert done.returncode == 1
    assert "the job has no argument --mlci_code" in done.stderr
