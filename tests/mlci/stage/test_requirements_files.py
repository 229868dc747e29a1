"""The requirements files that a step's job installs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from mlci.flow.models import Step
from mlci.stage.models import Requirements
from mlci.stage.repository import Repository
from mlci.stage.requirements_files import UnusableRequirements, requirements_of

PROCESSING = Step("prep", "processing", run="a.py", requirements="requirements.txt")
TRAINING = Step("train", "training", run="src/train.py")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "src").mkdir()
    return tmp_path.resolve()


def found(root: Path, step: Step = PROCESSING, *sent: str) -> Requirements | None:
    return requirements_of(step, root / "src/train.py", [root / each for each in sent], root, Repository(root, root))


def write(root: Path, **files: str) -> None:
    for name, text in files.items():
        (root / f"{name}.txt").write_text(text)


@pytest.mark.parametrize(
    "text",
    [
        "numpy==1.26.4 --hash=sha256:00 \\\n  --hash=sha256:01\n",
        "torch>=2 ; python_version < '3.13'  # a comment\npandas[parquet]\n",
        "--index-url https://example.org/simple\n--extra-index-url=https://u:${TOKEN}@example.org/simple\n--pre\nx\n",
        "-f https://example.org/wheels/\n--no-binary :all:\n",
        "tool @ git+https://example.org/tool@v1\nhttps://example.org/a-1-py3-none-any.whl\n",
        "\ufeffnumpy\n",
        "",
    ],
)
def test_what_pip_can_install_in_a_job_is_taken(root: Path, text: str) -> None:
    write(root, requirements=text)
    requirements = found(root)
    assert requirements is not None
    assert [file.path for file in requirements.files] == ["requirements.txt"]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("-e .", '"-e ." installs from a folder, which the job\'s machine does not have'),
        ("--editable=./lib", "installs from a folder"),
        ("-e git+https://example.org/x", "installs a checkout to be edited"),
        (".", '"." is a path'),
        ("./lib", '"./lib" is a path'),
        ("lib/thing", '"lib/thing" is a path'),
        ("wheels/a-1-py3-none-any.whl", "is a path"),
        ("a-1.tar.gz", "is a path"),
        ("thing @ file:///tmp/x", '"thing @ file:///tmp/x" is a path'),
        ("-f wheels", '"-f wheels" names a folder'),
        ("-r https://example.org/r.txt", "may change from one job to the next"),
        ("-r missing.txt", '"missing.txt" does not exist'),
        ("-r ../outside.txt", "leaves the repository"),
        ("-i https://me:secret@example.org/simple", "a password stands in a URL"),
        ("x @ https://me:secret@example.org/x.whl", "a password stands in a URL"),
    ],
)
def test_what_a_job_can_not_install_is_refused_with_its_line(root: Path, line: str, problem: str) -> None:
    write(root, requirements=f"numpy\n{line}\n")
    with pytest.raises(UnusableRequirements) as raised:
        found(root)
    assert problem in raised.value.args[0]
    assert "secret" not in str(raised.value)
    assert raised.value.args[1]


def test_all_lines_that_are_refused_are_named(root: Path) -> None:
    write(root, requirements="-e .\nnumpy\n./lib\n")
    with pytest.raises(UnusableRequirements, match=r"requirements\.txt:1: .*; requirements\.txt:3: "):
        found(root)


def test_files_that_a_file_includes_go_along(root: Path) -> None:
    write(root, requirements="-r base.txt\n--constraint 'limits.txt'\n-r requirements.txt\n", base="-r limits.txt\nx\n")
    write(root, limits="y<2\n")
    requirements = found(root)
    assert requirements is not None
    assert [file.path for file in requirements.files] == ["requirements.txt", "base.txt", "limits.txt"]
    write(root, limits="y<3\n")
    assert found(root) != requirements
    assert found(root).digest != requirements.digest  # type: ignore[union-attr]


def test_the_digest_is_that_of_the_content_wherever_the_file_lies(root: Path) -> None:
    for folder in (root, root / "src"):
        (folder / "requirements.txt").write_text("-r base.txt\n")
        (folder / "base.txt").write_text("numpy\n")
    one, two = found(root), found(root, replace(PROCESSING, requirements="src/requirements.txt"))
    assert one is not None
    assert two is not None
    assert one.digest == two.digest
    assert two.file == "src/requirements.txt"


def test_a_training_step_takes_the_file_beside_its_script_as_sagemaker_does(root: Path) -> None:
    assert found(root, TRAINING) is None
    write(root, requirements="x\n")
    assert found(root, TRAINING) is None
    assert found(root, TRAINING, "requirements.txt").file == "requirements.txt"  # type: ignore[union-attr]
    (root / "src/requirements.txt").write_text("y\n")
    assert found(root, TRAINING, "requirements.txt").file == "src/requirements.txt"  # type: ignore[union-attr]
    assert found(root, replace(TRAINING, requirements="none")) is None
    assert found(root, replace(PROCESSING, requirements=None)) is None


def test_network_isolation_refuses_an_installation(root: Path) -> None:
    write(root, requirements="x\n")
    isolated = replace(PROCESSING, request={"NetworkConfig": {"EnableNetworkIsolation": True}})
    with pytest.raises(UnusableRequirements, match="EnableNetworkIsolation cuts off"):
        found(root, isolated)
    assert found(root, replace(isolated, requirements="none")) is None
    assert found(root, replace(isolated, request={"NetworkConfig": {"EnableNetworkIsolation": False}}))


def test_a_file_that_is_none_is_refused(root: Path) -> None:
    for name, problem in (("nope.txt", "does not exist"), ("src", "is a folder")):
        with pytest.raises(UnusableRequirements, match=problem):
            found(root, replace(PROCESSING, requirements=name))
    (root / "requirements.txt").write_bytes(b"\xff\xfe")
    with pytest.raises(UnusableRequirements, match="is not UTF-8"):
        found(root)
