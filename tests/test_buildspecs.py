"""The buildspecs, as YAML reads them: a command that holds a colon is still a command."""

from __future__ import annotations

import json
import subprocess
from hashlib import sha256
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from mlci.cli.buildspec import command
from mlci.errors import InputError
from mlci.provision.install_files import install_files
from mlci.scaffold import buildspec

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("path", ["buildspec.yaml", "src/mlci/scaffold/files/buildspec.yaml"])
def test_each_command_is_a_text(path: str) -> None:
    phases = yaml.safe_load((ROOT / path).read_text())["phases"].values()
    commands = [command for phase in phases for part in ("commands", "finally") for command in phase.get(part, ())]
    assert len(commands) > 3
    assert [command for command in commands if not isinstance(command, str)] == []


@pytest.mark.parametrize("path", ["buildspec.yaml", "src/mlci/scaffold/files/buildspec.yaml"])
@pytest.mark.parametrize(
    ("result", "told"),
    [
        (None, " "),
        ({"status": "gate_missed", "run_id": "20261123-101530-3f9c2a"}, "gate_missed 20261123-101530-3f9c2a"),
    ],
)
def test_a_build_exports_its_status_and_its_run(
    path: str, result: dict[str, str] | None, told: str, tmp_path: Path
) -> None:
    """All commands of a build share a shell, and exported variables are those that it has at its end."""
    spec = yaml.safe_load((ROOT / path).read_text())
    assert spec["env"]["exported-variables"] == ["MLCI_STATUS", "MLCI_RUN_ID"]
    if result:
        run = tmp_path / ".mlci" / "runs" / "r1"
        run.mkdir(parents=True)
        (run / "result.json").write_text(json.dumps(result))
        (tmp_path / ".mlci" / "latest").symlink_to("runs/r1")
    script = "\n".join(
        [*spec["phases"]["build"]["finally"], 'env | grep -c "^MLCI_" ; echo "$MLCI_STATUS $MLCI_RUN_ID"']
    )
    done = subprocess.run(["bash", "-e", "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == told
    assert int(done.stdout.splitlines()[-2]) >= 2


def _image(folder: Path) -> Path:
    """The folder that an image for builds is made from, as the command writes it."""
    done = CliRunner().invoke(command, ["--image", str(folder)], standalone_mode=False)
    assert done.exception is None, done.output
    return folder


def test_an_image_is_made_from_files_that_it_checks(tmp_path: Path) -> None:
    folder = _image(tmp_path / "image")
    lines = [line.split("  ") for line in (folder / "SHA256SUMS").read_text().splitlines()]
    sums = {name: digest for digest, name in lines}
    assert {name: sha256((folder / name).read_bytes()).hexdigest() for name in sums} == sums
    assert {"build.txt", "runtime.txt"} < set(sums)
    dockerfile = (folder / "Dockerfile").read_text()
    assert "INSTALL_VERSION" not in dockerfile
    assert "://" not in dockerfile  # no registry and no index
    for line in dockerfile.splitlines():
        assert "pip install" not in line or "--require-hashes" in line


def test_an_image_is_not_made_from_what_else_a_folder_holds(tmp_path: Path) -> None:
    (tmp_path / "secret").touch()
    refused = CliRunner().invoke(command, ["--image", str(tmp_path)], standalone_mode=False)
    assert isinstance(refused.exception, InputError)
    assert "is not empty" in str(refused.exception)


@pytest.mark.parametrize(("is_same", "expected"), [(True, 0), (False, 1)])
def test_a_build_installs_nothing_in_an_image_of_the_same_mlci(tmp_path: Path, is_same: bool, expected: int) -> None:
    """With no bucket to install from, a build in another image ends."""
    folder = _image(tmp_path / "image")
    if not is_same:
        (folder / "buildspec.sha256").write_text(f"{'0' * 64}\n")
    [install] = yaml.safe_load(buildspec())["phases"]["install"]["commands"]
    assert install_files().sha256 in install
    command_text = install.replace("/opt/mlci/", f"{folder}/")
    assert command_text != install
    done = subprocess.run(
        ["bash", "-c", command_text], capture_output=True, text=True, check=False, env={"PATH": "/usr/bin:/bin"}
    )
    assert done.returncode == expected, done.stderr
    assert ("is not in the bucket" in done.stderr) is not is_same
