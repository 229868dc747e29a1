"""The folder that an image is built from: what is hashed, and what is refused."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from mlci.errors import InputError
from mlci.flow import load
from mlci.stage import Cache, Staged, find_repository, stage
from mlci.stage.models import ImageContext

FLOW = """flow: built
defaults:
  image: {build: docker, args: {BASE: "${{ params.base }}"}}
params: {base: debian}
steps:
  one: {uses: processing, run: one.py, outputs: [a]}
  two: {uses: training, run: one.py, image: IMAGE}
"""


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    root = tmp_path / "repository"
    (root / "docker/files").mkdir(parents=True)
    subprocess.run(["git", "init", "-q", str(root)], check=True)
    (root / "one.py").write_text("")
    (root / "docker/Dockerfile").write_text("FROM x\n")
    (root / "docker/files/start.sh").write_text("true\n")
    return root


def staged(root: Path, image: str = "{build: ./docker}") -> Staged:
    text = FLOW.replace("IMAGE", image)
    (root / "flow.yaml").write_text(text)
    flow = load(text.encode(), "flow.yaml", {}, {})
    return stage(flow, find_repository(root / "flow.yaml"), "us-east-1", Cache(root.parent / "cache"))


def context(root: Path) -> ImageContext:
    return staged(root).image_contexts["two"]


def test_an_image_is_known_by_what_it_is_built_from(repository: Path) -> None:
    result = staged(repository)
    one, two = result.image_contexts["one"], result.image_contexts["two"]
    assert [file.path for file in two.files] == ["Dockerfile", "files/start.sh"]
    assert (one.args, two.args) == ({"BASE": "debian"}, {})
    assert one.digest != two.digest
    assert result.images == {}
    assert context(repository).digest == two.digest


@pytest.mark.parametrize(
    "change",
    [
        lambda root: (root / "docker/Dockerfile").write_text("FROM y\n"),
        lambda root: (root / "docker/files/start.sh").rename(root / "docker/start.sh"),
        lambda root: (root / "docker/files/start.sh").chmod(0o755),
        lambda root: (root / "docker/new").write_text("x"),
    ],
)
def test_any_change_of_the_folder_is_another_image(repository: Path, change: Callable[[Path], object]) -> None:
    before = context(repository).digest
    change(repository)
    assert context(repository).digest != before


def test_what_git_ignores_is_no_part_of_it(repository: Path) -> None:
    before = context(repository).digest
    (repository / ".gitignore").write_text("*.log\n")
    (repository / "docker/build.log").write_text("x")
    (repository / "docker/.env").write_text("SECRET=x")
    assert context(repository).digest == before


@pytest.mark.parametrize(
    ("image", "accepted", "problem"),
    [
        ("{build: doker}", "{build: docker}", '"doker" does not exist. Did you mean "docker"?'),
        ("{build: one.py}", "{build: docker}", '"one.py" is a file. `build` names the folder with the Dockerfile.'),
        ("{build: docker/files}", "{build: docker}", 'the folder "docker/files" has no "Dockerfile". Write one'),
        (
            "{build: docker, dockerfile: Dockerfil}",
            "{build: docker, dockerfile: Dockerfile}",
            'the folder "docker" has no "Dockerfil". There is: Dockerfile',
        ),
        ("{build: ../x}", "{build: docker}", '"../x" leaves the repository'),
    ],
)
def test_what_is_no_folder_of_an_image_is_refused(repository: Path, image: str, accepted: str, problem: str) -> None:
    staged(repository, accepted)
    with pytest.raises(InputError) as raised:
        staged(repository, image)
    assert problem in str(raised.value)
    assert "flow.yaml:7:" in str(raised.value)


def test_a_training_step_brings_what_stands_in_for_the_toolkit(repository: Path) -> None:
    result = staged(repository)
    with_toolkit = staged(repository, "mine.example/image:7").code["two"]
    assert result.code["two"].start.features == {"toolkit": True}
    assert "mlci_start_toolkit.py" in [file.path for file in result.code["two"].package]
    assert with_toolkit.start.features == {}
    assert result.code["one"].start.features == {}
