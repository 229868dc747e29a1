"""The example whose image is built: its jobs run in it, and leave no container."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlci.backends.container_runtime import ContainerRuntime, find_runtime
from mlci.errors import InputError
from support.project import ROOT, Project, clean_environment

#: No registry of images need be reachable: the base of the example's image is made of Debian's packages.
BASE = "localhost/mlci-test-debian:bookworm"

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.examples]


@pytest.fixture(scope="module")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ContainerRuntime]:
    """A runtime that has the base image."""
    try:
        runtime = find_runtime(os.environ)
    except InputError as error:
        pytest.skip(str(error))
    if os.geteuid() != 0 or shutil.which("debootstrap") is None:
        pytest.skip("the base image is made by debootstrap, which only root can use")
    root = tmp_path_factory.mktemp("debian")
    subprocess.run(["debootstrap", "--variant=minbase", "bookworm", str(root)], check=True, stdout=subprocess.DEVNULL)
    if runtime.name == "buildah":
        container = call(runtime, "from", "scratch").strip()
        call(runtime, "copy", container, str(root), "/")
        call(runtime, "commit", container, BASE)
        call(runtime, "rm", container)
    else:
        archive = root.with_suffix(".tar")
        subprocess.run(["tar", "-C", str(root), "-cf", str(archive), "."], check=True)
        call(runtime, "import", str(archive), BASE)
    shutil.rmtree(root)
    yield runtime
    call(runtime, "rmi", BASE)


def call(runtime: ContainerRuntime, *arguments: str) -> str:
    done = subprocess.run(
        [runtime.program, *arguments], env=dict(runtime.environment), capture_output=True, text=True, check=True
    )
    return done.stdout


def run(project: Project, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "mlci", "run", "--param", f"base={BASE}", *options],
        cwd=project.root,
        env=clean_environment({name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}),
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )


def test_the_jobs_run_in_the_image(runtime: ContainerRuntime, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "examples/own-image", tmp_path / "flow")
    project = Project(tmp_path / "flow")
    passed = run(project)
    assert passed.returncode == 0, passed.stdout + passed.stderr
    assert "building the image of docker" in passed.stdout
    assert f"train and evaluate run in the image of docker ({runtime.name})" in passed.stdout
    image = passed.stdout.rpartition(f"({runtime.name}): ")[2].split()[0]
    try:
        missed = run(project, "--param", "cost=0.0001")  # the image is there, and not built again
        assert missed.returncode == 1, missed.stdout + missed.stderr
        assert "building" not in missed.stdout
        assert image in missed.stdout
        assert project.result()["rules"][0]["metric"] == "evaluate.accuracy"
    finally:
        call(runtime, "rmi", image)
    listing = ("containers",) if runtime.name == "buildah" else ("ps", "--all")
    assert "mlci-job-" not in call(runtime, *listing)
