"""Staging: what is read, hashed and refused."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlci.errors import InputError
from mlci.flow import load
from mlci.flow.models import Flow
from mlci.stage import Cache, Staged, repository_around, stage
from mlci.stage.models import StagedFile, digest_of

FLOW = """
flow: small
defaults: {image: "IMAGE"}
steps:
  one:
    uses: processing
    run: code/one.py
    inputs: {raw: DATA}
    INCLUDE
"""


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    root = tmp_path / "repository"
    (root / ".git").mkdir(parents=True)
    (root / "code").mkdir()
    (root / "data").mkdir()
    (root / "code/one.py").write_text("import two\n")
    (root / "code/two.py").write_text("")
    (root / "data/x.csv").write_text("a\n1\n")
    return root


OWN_IMAGE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/mine:7"


def staged(root: Path, data: str = "data/x.csv", include: str = "", image: str = OWN_IMAGE) -> Staged:
    line = f"include: [{include}]" if include else ""
    text = FLOW.replace("DATA", data).replace("INCLUDE", line).replace("IMAGE", image)
    (root / "flow.yaml").write_text(text)
    flow: Flow = load(text.encode(), "flow.yaml", {}, {})
    return stage(flow, repository_around(root / "flow.yaml"), "us-east-1", Cache(root.parent / "cache"))


def refusal(root: Path, data: str = "data/x.csv", include: str = "", image: str = OWN_IMAGE) -> str:
    with pytest.raises(InputError) as caught:
        staged(root, data, include, image)
    return str(caught.value)


def test_a_code_unit_is_the_script_its_imports_and_what_include_adds(repository: Path) -> None:
    (repository / "code/table.json").write_text("{}")
    unit = staged(repository, include='"code/*.json"').code["one"]
    assert [file.path for file in unit.files] == ["code/one.py", "code/table.json", "code/two.py"]


def test_the_same_content_has_the_same_digest_whatever_its_times_and_modes(repository: Path) -> None:
    before = staged(repository)
    os.utime(repository / "code/two.py", (1, 1))
    (repository / "code/two.py").chmod(0o755)
    after = staged(repository)
    assert after.code["one"].digest == before.code["one"].digest
    assert after.data["data/x.csv"].digest == before.data["data/x.csv"].digest


def test_changed_bytes_and_changed_names_change_the_digest(repository: Path) -> None:
    before = staged(repository, "data").data["data"].digest
    (repository / "data/x.csv").rename(repository / "data/y.csv")
    renamed = staged(repository, "data").data["data"].digest
    (repository / "data/y.csv").write_text("a\n2\n")
    assert len({before, renamed, staged(repository, "data").data["data"].digest}) == 3


def test_all_problems_are_told_at_once_and_with_their_place(repository: Path) -> None:
    (repository / "code/one.py").unlink()
    assert refusal(repository, "data/absent.csv").splitlines() == [
        f'flow.yaml:7:10: step "one": "code/one.py" does not exist. Paths are relative to {repository}.',
        f'flow.yaml:8:19: step "one": "data/absent.csv" does not exist. Paths are relative to {repository}.',
    ]


@pytest.mark.parametrize("path", ["../outside.csv", "data/../../outside.csv"])
def test_a_path_that_leaves_the_repository_is_refused(repository: Path, path: str) -> None:
    (repository.parent / "outside.csv").write_text("secret")
    assert "leaves the repository" in refusal(repository, path)


def test_a_path_that_comes_back_is_accepted(repository: Path) -> None:
    assert list(staged(repository, "data/../data/x.csv").data)


def test_a_link_that_leaves_the_repository_is_refused_wherever_it_stands(repository: Path) -> None:
    (repository.parent / "outside.csv").write_text("secret")
    (repository / "data/link.csv").symlink_to(repository.parent / "outside.csv")
    assert "symbolic link" in refusal(repository, "data/link.csv")
    assert "symbolic link" in refusal(repository, "data")
    assert "symbolic link" in refusal(repository, include='"data/*.csv"')


def test_a_link_within_the_repository_is_followed(repository: Path) -> None:
    (repository / "data/link.csv").symlink_to("x.csv")
    unit = staged(repository, "data").data["data"]
    assert [file.path for file in unit.files] == ["link.csv", "x.csv"]


def test_a_link_to_a_folder_around_it_ends(repository: Path) -> None:
    (repository / "data/loop").symlink_to(".")
    assert len(staged(repository, "data").data["data"].files) == 1


def test_an_empty_folder_and_an_unmatched_glob_are_refused(repository: Path) -> None:
    (repository / "empty").mkdir()
    assert "is empty" in refusal(repository, "empty")
    assert "matches no file" in refusal(repository, include='"code/*.txt"')


@given(st.lists(st.tuples(st.text("abc/", min_size=1), st.binary()), unique_by=lambda pair: pair[0]), st.randoms())
def test_the_digest_of_a_unit_does_not_depend_on_order(pairs: list[tuple[str, bytes]], random: object) -> None:
    files = [StagedFile(path, content.hex(), len(content), Path(path)) for path, content in pairs]
    assert digest_of(files) == digest_of(reversed(files))


@pytest.mark.parametrize(
    ("image", "problem"),
    [
        ("sklaern:1.2-1", 'SageMaker has no framework "sklaern". Did you mean "sklearn"?'),
        (
            "xgboost:0.1",
            'SageMaker has no image "xgboost:0.1" for ml.m5.xlarge in us-east-1. Supported xgboost version',
        ),
    ],
)
def test_an_image_that_sagemaker_does_not_have_is_told_where_it_stands(
    repository: Path, image: str, problem: str
) -> None:
    assert refusal(repository, image=image).startswith(f"flow.yaml:3:19: {problem}")


def test_a_framework_becomes_the_uri_of_sagemaker_s_own_image(repository: Path) -> None:
    expected = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:1.7-1"
    assert staged(repository, image="xgboost:1.7-1").images["one"] == expected
