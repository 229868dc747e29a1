"""A job's own Python environment, above the interpreter that it runs with."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from mlci_emulator.jobs.python_overlay import Interpreter, JobPython, bare, overlay, python_facts
from mlci_emulator.jobs.runner import LocalJobs
from support.local_jobs import JobHarness

_ENVIRONMENT = {"PATH": os.environ["PATH"]}


@pytest.fixture(scope="module")
def below(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment without pip that has a package, and one that a .pth file leads to."""
    folder = tmp_path_factory.mktemp("it's below é")
    venv.create(folder / "env", symlinks=True)
    sites = next((folder / "env").glob("lib/python*/site-packages"))
    (sites / "there.py").write_text("VALUE = 'below'\n")
    (folder / "edited").mkdir()
    (folder / "edited" / "editable.py").write_text("")
    (sites / "editable.pth").write_text(f"{folder / 'edited'}\n", encoding="utf-8")
    return folder / "env"


def run(python: JobPython, code: str) -> object:
    command = [python.executable, "-c", f"import json, sys\nprint(json.dumps({code}))"]
    done = subprocess.run(command, env={**_ENVIRONMENT, **python.variables}, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def test_a_job_sees_the_packages_below_and_has_a_prefix_of_its_own(below: Path, tmp_path: Path) -> None:
    python = overlay(Interpreter(str(below / "bin" / "python")), tmp_path / "job", _ENVIRONMENT)
    assert run(python, "[__import__('there').VALUE, __import__('editable').__name__]") == ["below", "editable"]
    assert run(python, "sys.prefix") == str(tmp_path / "job")
    assert run(python, "list(sys.version_info[:3])") == list(sys.version_info[:3])


def test_a_jobs_own_package_comes_first(below: Path, tmp_path: Path) -> None:
    python = overlay(Interpreter(str(below / "bin" / "python")), tmp_path / "job", _ENVIRONMENT)
    sites = next((tmp_path / "job").glob("lib/python*/site-packages"))
    (sites / "there.py").write_text("VALUE = 'own'\n")
    assert run(python, "__import__('there').VALUE") == "own"


def test_an_interpreter_that_does_not_answer_is_left_as_it_is(tmp_path: Path) -> None:
    for python in ("/nowhere/python", "/bin/false"):
        assert overlay(Interpreter(python), tmp_path / "job", _ENVIRONMENT) == bare(Interpreter(python))
    assert not (tmp_path / "job").exists()


def test_facts_of_this_interpreter_are_those_of_a_process_of_it() -> None:
    own = python_facts(sys.executable, _ENVIRONMENT)
    asked = python_facts(os.path.join(sys.prefix, "bin", "..", "bin", "python"), _ENVIRONMENT)
    assert own is not None
    assert own == asked


def test_pip_of_a_job_adds_nothing_to_the_environment_below(harness: JobHarness, jobs: LocalJobs) -> None:
    """The package is made here, so that no index is asked."""
    if jobs.mode() == "paths":
        pytest.skip("needs /opt/ml")
    script = """
import subprocess, sys, tempfile, pathlib, json, zipfile
folder = pathlib.Path(tempfile.mkdtemp())
with zipfile.ZipFile(folder / "of_a_job-1-py3-none-any.whl", "w") as wheel:
    wheel.writestr("of_a_job.py", "")
    wheel.writestr("of_a_job-1.dist-info/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
    wheel.writestr("of_a_job-1.dist-info/METADATA", "Metadata-Version: 2.1\\nName: of-a-job\\nVersion: 1\\n")
    wheel.writestr("of_a_job-1.dist-info/RECORD", "")
pip = ["pip", "install", "--no-index", "--no-deps"]
subprocess.run([*pip, str(folder / "of_a_job-1-py3-none-any.whl")], check=True)
subprocess.run([sys.executable, "-m", *pip, "--upgrade", "--force-reinstall", str(next(folder.iterdir()))], check=True)
kept = subprocess.run(["pip", "uninstall", "-y", "idna"], stdout=subprocess.PIPE, universal_newlines=True).stdout
import of_a_job, idna
json.dump([of_a_job.__file__, sys.prefix, kept], open("/opt/ml/processing/output/out/x.json", "w"))
"""
    harness.process(script, jobs)
    file, prefix, kept = harness.output("x.json")
    assert file.startswith(prefix)
    assert "outside environment" in kept
    done = subprocess.run([sys.executable, "-c", "import idna, of_a_job"], capture_output=True, text=True, check=False)
    assert "No module named 'of_a_job'" in done.stderr
