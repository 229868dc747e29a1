"""The starter installs a requirements file before the script, and not where a local run has done so."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mlci.backends import job_pythons
from mlci.stage.starter import mlci_start_requirements
from mlci.stage.starter.mlci_start import ScriptJob
from support.wheels import index_settings, write_wheel

VALUE = {"file": "sub/requirements.txt", "digest": "d1"}


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[tuple[list[str], dict[str, str], str]]:
    made: list[tuple[list[str], dict[str, str], str]] = []

    def call(line: list[str], cwd: str, env: dict[str, str], stdin: int) -> int:
        made.append((line, env, cwd))
        return int(env.get("FAILS", "0"))

    monkeypatch.setattr(subprocess, "call", call)
    return made


def job(folder: Path, **environment: str) -> ScriptJob:
    return ScriptJob(str(folder), str(folder), ["python"], environment)


def test_pip_runs_beside_the_file_without_the_codes_own_modules(
    tmp_path: Path, calls: list[tuple[list[str], dict[str, str], str]], capsys: pytest.CaptureFixture[str]
) -> None:
    mlci_start_requirements.prepare(VALUE, job(tmp_path, PYTHONPATH="/opt/ml/code", PIP_PRE="1"))
    ((line, environment, folder),) = calls
    assert line == [sys.executable, "-I", "-m", "pip", "install", "-r", "requirements.txt"]
    assert folder == str(tmp_path / "sub")
    assert "PYTHONPATH" not in environment
    assert environment["PIP_PRE"] == "1"
    out = capsys.readouterr().out
    assert out.startswith(f"mlci: installing sub/requirements.txt with {sys.executable}\n")
    assert "mlci: installed sub/requirements.txt in" in out


def test_a_failure_ends_the_job_with_its_reason(
    tmp_path: Path, calls: list[tuple[list[str], dict[str, str], str]]
) -> None:
    with pytest.raises(SystemExit, match=r"sub/requirements\.txt could not be installed: pip ended with exit code 2"):
        mlci_start_requirements.prepare(VALUE, job(tmp_path, FAILS="2"))


def test_secrets_are_masked_in_pips_output(tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "requirements.txt").write_text("--no-such-option=$s3cret-value\n")
    one = job(tmp_path, PATH=os.environ["PATH"])
    one.filters.append(lambda line: line.replace(b"s3cret-value", b"***"))
    with pytest.raises(SystemExit, match=r"pip ended with exit code [12]"):
        mlci_start_requirements.prepare(VALUE, one)
    output = b"".join(capfdbinary.readouterr())
    assert b"no-such-option" in output
    assert b"s3cret-value" not in output


def test_what_a_local_run_has_installed_is_left(
    tmp_path: Path, calls: list[tuple[list[str], dict[str, str], str]]
) -> None:
    there = job(tmp_path, **{job_pythons.INSTALLED: "d1"})
    mlci_start_requirements.prepare(VALUE, there)
    assert calls == []
    assert there.environment == {}
    mlci_start_requirements.prepare(VALUE, job(tmp_path, **{job_pythons.INSTALLED: "another"}))
    assert len(calls) == 1


def test_the_two_names_of_the_variable_are_one() -> None:
    assert mlci_start_requirements.INSTALLED == job_pythons.INSTALLED


@pytest.mark.slow
def test_the_script_has_the_package(tmp_path: Path) -> None:
    """In an environment above this one, as a job has it: nothing is added here."""
    from mlci_emulator.jobs.python_overlay import Interpreter, overlay

    write_wheel(tmp_path / "wheels", "of_the_file")
    (tmp_path / "requirements.txt").write_text("of-the-file\n")
    python = overlay(Interpreter(sys.executable), tmp_path / "python", {"PATH": os.environ["PATH"]})
    (tmp_path / "pip.py").write_text("raise SystemExit('a module of the repository')\n")
    code = (
        "import sys; sys.path.append(sys.argv[1]); import mlci_start_requirements as m, os\n"
        "class Job: folder = os.getcwd(); environment = dict(os.environ); filters = ()\n"
        "m.prepare({'file': 'requirements.txt', 'digest': 'd1'}, Job)\n"
        "import of_the_file; print(of_the_file.VERSION)\n"
    )
    starter = Path(mlci_start_requirements.__file__).parent
    done = subprocess.run(
        [python.executable, "-c", code, str(starter)],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], **index_settings(tmp_path / "wheels")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.endswith("\n1\n"), done.stdout + done.stderr
