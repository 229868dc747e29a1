"""The wheel that builds install: the mlci that runs, byte for byte the same each time, and installable by pip."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from io import BytesIO
from pathlib import Path

from mlci import __version__
from mlci.provision.wheel import own_wheel
from support.project import clean_environment


def test_the_same_files_make_the_same_bytes() -> None:
    wheel = own_wheel()
    own_wheel.cache_clear()
    assert own_wheel() == wheel


def test_it_holds_what_a_package_needs_at_run_time_and_nothing_of_development() -> None:
    names = zipfile.ZipFile(BytesIO(own_wheel().data)).namelist()
    assert {f"mlci/locks/{name}.txt" for name in ("build", "runtime", "sdk", "slim")} <= set(names)
    assert "mlci/stage/sagemaker_images.json" in names
    assert "mlci_emulator/protocol/sagemaker_shapes.json" in names
    assert {"mlci/stage/starter/mlci_start.py", "mlci/stage/starter/mlci_start_aws.py"} <= set(names)
    assert "mlci/locks/all.txt" not in names
    assert not [name for name in names if "__pycache__" in name]


def test_pip_installs_it_and_the_command_runs_from_it(tmp_path: Path) -> None:
    wheel = own_wheel()
    (tmp_path / wheel.name).write_bytes(wheel.data)
    lock = tmp_path / "lock.txt"
    lock.write_text(f"./{wheel.name} --hash=sha256:{wheel.sha256}\n")
    target = tmp_path / "installed"
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--require-hashes"]
    subprocess.run([*command, "--target", str(target), "-r", lock.name], cwd=tmp_path, check=True, capture_output=True)
    run = subprocess.run(
        [
            sys.executable,
            "-c",
            "import mlci, sys; print(mlci.__file__); from mlci.cli import main; main(['--version'])",
        ],
        cwd=tmp_path,
        env=clean_environment({"PYTHONPATH": str(target)}),
        check=True,
        capture_output=True,
        text=True,
    )
    assert run.stdout.splitlines() == [str(target / "mlci" / "__init__.py"), f"mlci, version {__version__}"]
