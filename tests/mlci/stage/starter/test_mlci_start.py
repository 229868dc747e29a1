"""The starter alone, with every Python that this machine has, compared to `python SCRIPT`."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from mlci.stage.starter import mlci_start
from mlci.step_types import script_start

STARTER = Path(mlci_start.__file__)
#: This Python, and in the slow tests each that the machine has.
VERSIONS = [
    "",
    *(
        pytest.param(version, marks=pytest.mark.slow)
        for version in ("3.6", "3.7", "3.8", "3.9", "3.10", "3.11", "3.12", "3.13")
    ),
]

SCRIPT = """
import json, os, sys
print(json.dumps([sys.argv, __name__, os.path.abspath(__file__), os.getcwd(), sys.path[:3], str(__spec__)]))
"""


def python(version: str) -> str:
    """The interpreter of a version, or the running one for ""; skips where the machine has none of that version."""
    if not version:
        return sys.executable
    versions = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    for candidate in (shutil.which(f"python{version}"), *map(str, versions.glob(f"{version}.*/bin/python"))):
        if candidate and subprocess.run([candidate, "-c", ""], check=False, capture_output=True).returncode == 0:
            return candidate
    pytest.skip(f"Python {version} is not on this machine")


def write(folder: Path, files: Mapping[str, str]) -> Path:
    for path, text in {**files, "mlci_start.py": STARTER.read_text()}.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    return folder


def run(
    command: Sequence[str], folder: Path, variables: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "PYTHONDONTWRITEBYTECODE": "1", **(variables or {})}
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=60, errors="replace"
    )


def describe(folder: Path, script: str, roots: Sequence[str] = (), **keys: object) -> None:
    document = {"run": {"script": script}, "import_roots": roots, **keys}
    (folder / "mlci_start.json").write_text(json.dumps(document), encoding="utf-8")


def start(
    folder: Path, script: str, *arguments: str, roots: Sequence[str] = (), python: str = sys.executable
) -> subprocess.CompletedProcess[str]:
    """A processing job's command, from another working folder."""
    describe(folder, script, roots)
    return run([python, str(folder / "mlci_start.py"), *arguments], Path("/"))


def train(
    folder: Path, script: str, values: Mapping[str, object], variables: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """A toolkit's command, with the variables that it sets."""
    describe(folder, script)
    parameters = {mlci_start.START: {"args": []}, **values}
    given = {"SM_FRAMEWORK_PARAMS": json.dumps(parameters), "SM_HPS": "{}", **(variables or {})}
    return run([sys.executable, "mlci_start.py", "--ignored", "x"], folder, given)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("script", ["train.py", "a b/train $(x).py", "src/json.py/train.py"])
def test_a_script_sees_what_it_sees_without_the_starter(version: str, script: str, tmp_path: Path) -> None:
    folder = write(tmp_path, {script: SCRIPT})
    arguments = ["--eta", "0.1", "", "a b", "--", "-x", "ü$(touch x)"]
    plain = run([python(version), script, *arguments], folder)
    assert plain.returncode == 0, plain.stderr
    assert start(folder, script, *arguments, python=python(version)).stdout == plain.stdout


@pytest.mark.parametrize("version", VERSIONS)
def test_modules_of_the_repository_are_not_taken_for_pythons(version: str, tmp_path: Path) -> None:
    names = ("json", "os", "re", "shutil", "signal", "typing", "posixpath", "encodings", "enum", "random")
    folder = write(tmp_path, {"src/x.py": "import random\nprint('ran')", **{f"{name}.py": "1 / 0" for name in names}})
    assert start(folder, "src/x.py", python=python(version)).stdout == "ran\n"


def test_imports_start_at_the_roots_in_their_order(tmp_path: Path) -> None:
    files = {"src/m/x.py": "import a, b\nprint(a.X, b.X)", "src/a.py": "X = 1", "a.py": "X = 2", "b.py": "X = 3"}
    folder = write(tmp_path, files)
    assert start(folder, "src/m/x.py", roots=["src", ""]).stdout == "1 3\n"
    assert "No module named 'a'" in start(folder, "src/m/x.py").stderr


@pytest.mark.parametrize(
    ("source", "code"),
    [
        ("import sys; sys.exit(7)", 7),
        ("import sys; sys.exit('text')", 1),
        ("raise ValueError('bad')", 1),
        ("import os; os._exit(9)", 9),
        ("raise KeyboardInterrupt", -signal.SIGINT),
        ("import os, signal; os.kill(os.getpid(), signal.SIGTERM)", -signal.SIGTERM),
        ("def f(:", 1),
    ],
)
def test_a_script_ends_as_it_does_without_the_starter(source: str, code: int, tmp_path: Path) -> None:
    folder = write(tmp_path, {"src/x.py": source})
    plain, started = run([sys.executable, "src/x.py"], folder), start(folder, "src/x.py")
    assert (plain.returncode, plain.stdout) == (code, "")
    assert (started.returncode, started.stderr) == (code, plain.stderr)


def test_a_script_that_is_not_there_is_reported_as_python_does(tmp_path: Path) -> None:
    started = start(write(tmp_path, {}), "absent.py")
    assert started.returncode == 2
    assert "absent.py" in started.stderr


def test_a_signal_to_the_starters_process_reaches_the_script(tmp_path: Path) -> None:
    source = (
        "import signal, sys\nsignal.signal(signal.SIGTERM, lambda *_: sys.exit(5))\n"
        "print('up', flush=True)\nsignal.pause()"
    )
    folder = write(tmp_path, {"x.py": source})
    describe(folder, "x.py")
    with subprocess.Popen([sys.executable, folder / "mlci_start.py"], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"up\n"
        process.terminate()
        assert process.wait(30) == 5


SHELL = 'printf "%s|" "$0" "$@" "$PWD" "${BASH_VERSION:+bash}"'


@pytest.mark.parametrize(
    ("first_line", "shell"),
    [
        ("#!/bin/bash\n", "bash"),
        ("#!/bin/sh\n", ""),
        ("#! \t/usr/bin/env bash \n", "bash"),
        ("", "bash"),
        ("#!\n", "bash"),
    ],
)
def test_a_shell_script_runs_with_what_its_first_line_names(first_line: str, shell: str, tmp_path: Path) -> None:
    folder = write(tmp_path, {"a/x y.sh": first_line + SHELL})
    expected = f"./a/x y.sh|a b||{os.path.realpath(folder)}|{shell}|"
    assert start(folder, "a/x y.sh", "a b", "").stdout == expected
    command = [*script_start.shell_of(first_line.encode()), "./a/x y.sh"]
    entrypoint = script_start.processing_entrypoint(str(folder), "", command)
    assert run([*entrypoint, "a b", ""], Path("/")).stdout == expected


def test_a_first_line_may_have_one_argument(tmp_path: Path) -> None:
    folder = write(tmp_path, {"x.sh": "#!/bin/sh -ex\nfalse\necho on"})
    started = start(folder, "x.sh")
    assert (started.returncode, started.stdout, started.stderr) == (1, "", "+ false\n")


def test_a_shell_that_is_not_there_is_reported(tmp_path: Path) -> None:
    started = start(write(tmp_path, {"x.sh": "#!/absent/sh\n"}), "x.sh")
    assert (started.returncode, started.stderr) == (127, "/absent/sh: No such file or directory\n")


def test_a_broken_pipe_kills_a_shells_command_as_without_the_starter(tmp_path: Path) -> None:
    folder = write(tmp_path, {"x.sh": "#!/bin/bash\nyes | head -1 >/dev/null\necho ${PIPESTATUS[0]}"})
    assert start(folder, "x.sh").stdout == f"{128 + signal.SIGPIPE}\n"


def test_a_training_jobs_code_is_moved_to_the_root_over_what_an_image_brought(tmp_path: Path) -> None:
    packed = {
        "train.py": "import lib.a\nprint(lib.a.X)",
        "lib/a.py": "X = 2",
        "mlci_code/b": "",
        "mlci_start.py": "theirs",
    }
    image = {"lib/a.py": "X = 1", "lib/kept.py": "", "requirements.txt": ""}
    folder = write(tmp_path, {**{f"mlci_code/{path}": text for path, text in packed.items()}, **image})
    assert train(folder, "train.py", {}).stdout == "2\n"
    left = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    starter = {"mlci_start.py", "mlci_start.json"}
    assert left == {"train.py", "lib/a.py", "lib/kept.py", "mlci_code/b", "requirements.txt", *starter}


def test_arguments_of_a_toolkit_do_not_count(tmp_path: Path) -> None:
    folder = write(tmp_path, {"x.py": "import sys; print(sys.argv)"})
    values = {f"{mlci_start.VALUE}a b": "c  d", f"{mlci_start.VALUE}z": None}
    done = train(folder, "x.py", values, {"SM_HPS": '{"eta": 0.1}'})
    assert done.stdout == "['x.py', '--a b', 'c  d', '--eta', '0.1', '-z', '']\n"


def test_the_toolkits_paths_stay_but_for_the_codes_folder(tmp_path: Path) -> None:
    folder = write(tmp_path, {"src/x.py": "import os; print(os.environ.get('PYTHONPATH'))"})
    path = f"{folder}:/image/lib::/usr/lib"
    assert train(folder, "src/x.py", {}, {"PYTHONPATH": path}).stdout == "/image/lib:/usr/lib\n"
    assert train(folder, "src/x.py", {}, {"PYTHONPATH": str(folder)}).stdout == "None\n"


def test_hyperparameters_json_gets_its_names_back_if_it_can_be_written(tmp_path: Path) -> None:
    folder = write(tmp_path / "code", {"x.py": ""})
    file = tmp_path / "config" / "hyperparameters.json"
    file.parent.mkdir()
    sent = {
        "eta": "0.1",
        f"{mlci_start.VALUE}a b": '"c d"',
        mlci_start.START: "{}",
        "sagemaker_program": '"mlci_start.py"',
    }
    file.write_text(json.dumps(sent))
    assert train(folder, "x.py", {}, {"SM_INPUT_CONFIG_DIR": str(file.parent)}).returncode == 0
    assert json.loads(file.read_text()) == {"eta": "0.1", "a b": '"c d"', "sagemaker_program": '"x.py"'}
    assert os.listdir(file.parent) == ["hyperparameters.json"]


@pytest.mark.parametrize("text", [None, "no json"])
def test_hyperparameters_json_that_cannot_be_read_stays_as_it_is(text: str | None, tmp_path: Path) -> None:
    folder = write(tmp_path / "code", {"x.py": "print('ran')"})
    config = tmp_path / "config"
    config.mkdir()
    if text is not None:
        (config / "hyperparameters.json").write_text(text)
    assert train(folder, "x.py", {}, {"SM_INPUT_CONFIG_DIR": str(config)}).stdout == "ran\n"
    assert [file.read_text() for file in config.iterdir()] == ([text] if text is not None else [])


@pytest.mark.parametrize("version", VERSIONS)
def test_text_is_utf_8_in_any_locale(version: str, tmp_path: Path) -> None:
    source = (
        "import os, sys\n"
        "print(os.fsencode(sys.argv[2]).decode('utf-8') == chr(252), os.fsencode(os.environ['SM_HP_X']))"
    )
    folder = write(tmp_path, {"x.py": source})
    describe(folder, "x.py")
    parameters = {mlci_start.START: {"args": []}, f"{mlci_start.VALUE}x": "ü"}
    variables = {"SM_FRAMEWORK_PARAMS": json.dumps(parameters), "LANG": "C", "LC_ALL": "C"}
    done = run([python(version), "mlci_start.py"], folder, variables)
    assert done.stdout == "True b'\\xc3\\xbc'\n", done.stderr


def test_without_a_script_the_starter_says_so(tmp_path: Path) -> None:
    started = run([sys.executable, "mlci_start.py"], write(tmp_path, {}))
    assert started.returncode == 1
    assert started.stderr.startswith("mlci_start.py: no script to run")
