"""Staging: what is read, hashed and refused."""

from __future__ import annotations

import os
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlci.errors import InputError
from mlci.flow import load
from mlci.flow.models import Flow
from mlci.stage import Cache, CodeUnit, Staged, find_repository, stage
from mlci.stage.models import StagedFile, digest_of
from mlci.stage.starter import mlci_start

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


def git_init(root: Path) -> None:
    subprocess.run(["git", "init", "-q", str(root)], check=True)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    root = tmp_path / "repository"
    (root / "code").mkdir(parents=True)
    git_init(root)
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
    return stage(flow, find_repository(root / "flow.yaml"), "us-east-1", Cache(root.parent / "cache"))


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


def test_a_problem_that_all_cells_of_a_matrix_have_is_told_once(repository: Path) -> None:
    data = 'data/absent.csv}\n    matrix: {fold: [1, 2, 3]}\n    args: ["${{ matrix.fold }}"]\n    env: {A: b'
    assert refusal(repository, data).splitlines() == [
        f'flow.yaml:8:19: step "one": "data/absent.csv" does not exist. Paths are relative to {repository}.',
    ]


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


@pytest.mark.parametrize(
    "path", [".git", ".git/config", "link", "folder/link", "linked-file", ".mlci/store", "nested/.git"]
)
def test_what_git_and_mlci_keep_of_their_own_is_never_staged(repository: Path, path: str) -> None:
    """Neither as an input nor by `include`, nor through a link."""
    (repository / ".git/config").write_text("url = https://x:token@example.com")
    for folder in (".mlci/store", "folder", "nested/.git"):
        (repository / folder).mkdir(parents=True)
        (repository / folder / "file").write_text("secret")
    (repository / "link").symlink_to(".git")
    (repository / "folder/link").symlink_to("../.git")
    (repository / "linked-file").symlink_to(".git/config")
    assert "is never staged" in refusal(repository, data=path)
    assert "in `include` matches no file" in (said := refusal(repository, include=f'"{path}"')) or "never" in said


def test_a_folder_with_a_link_to_git_is_refused_as_input_and_by_include(repository: Path) -> None:
    (repository / "data/link").symlink_to("../.git")
    assert '"data/link" lies in or leads to' in refusal(repository, data="data")
    assert '"data/link" lies in or leads to' in refusal(repository, include="data")


def test_a_git_folder_of_another_name_is_not_staged(repository: Path) -> None:
    (repository / ".git").rename(repository / "real")
    (repository / ".git").symlink_to("real")
    (repository / "real/config").write_text("url = https://x:token@example.com")
    assert "is never staged" in refusal(repository, data="real")


@pytest.mark.parametrize("pattern", [".", "./", "**"])
def test_include_may_name_the_whole_folder(repository: Path, pattern: str) -> None:
    paths = [file.path for file in staged(repository, include=f'"{pattern}"').code["one"].files]
    assert "data/x.csv" in paths
    assert not [path for path in paths if path.startswith(".git")]


@pytest.mark.parametrize("pattern", ["", "/", "..", "a**b", "**a", "[", "data/../..", "\\\\"])
def test_a_pattern_that_is_none_or_matches_nothing_is_refused(repository: Path, pattern: str) -> None:
    assert refusal(repository, include=f'"{pattern}"').startswith("flow.yaml:")


@pytest.mark.parametrize("name", [b"x\xff.csv", b"x\n.csv", b"x\x1b[31m.csv"])
def test_a_file_whose_name_s3_cannot_have_is_refused(repository: Path, name: bytes) -> None:
    (repository / "data" / os.fsdecode(name)).write_text("")
    for said in (refusal(repository, data="data"), refusal(repository, include="data")):
        assert "holds control characters or is not UTF-8" in said
        assert said.isprintable()


def test_links_in_a_circle_are_refused(repository: Path) -> None:
    (repository / "data/a").symlink_to("b")
    (repository / "data/b").symlink_to("a")
    assert "does not exist" in refusal(repository, data="data/a")
    assert [file.path for file in staged(repository, data="data").data["data"].files] == ["x.csv"]


@pytest.mark.parametrize(
    "source", ["from " + "." * 40 + "x import y\n", "from ..... import y\n", "from .. import flow\n"]
)
def test_a_relative_import_with_too_many_dots_is_left_to_python(repository: Path, source: str) -> None:
    (repository / "code/one.py").write_text(source)
    assert [file.path for file in staged(repository).code["one"].files] == ["code/one.py"]


@pytest.mark.parametrize("source", ["x = 1\0", "(" * 5_000, "-" * 100_000 + "1", "# coding: nonsense\n", "\ufeff\xff("])
def test_a_script_that_no_parser_takes_is_refused(repository: Path, source: str) -> None:
    (repository / "code/one.py").write_text(source)
    assert "code/one.py" in refusal(repository)


TRAINING_FLOW = """
flow: small
steps:
  one: {uses: USES, run: RUN, image: "123456789012.dkr.ecr.us-east-1.amazonaws.com/mine:7", include: ["**"]}
"""


def code_of(root: Path, uses: str, run: str) -> CodeUnit:
    text = TRAINING_FLOW.replace("USES", uses).replace("RUN", run)
    (root / "flow.yaml").write_text(text)
    flow: Flow = load(text.encode(), "flow.yaml", {}, {})
    return stage(flow, find_repository(root / "flow.yaml"), "us-east-1", Cache(root.parent / "cache")).code["one"]


def paths_of(unit: CodeUnit) -> set[str]:
    return {file.path for file in unit.package} - {"flow.yaml", "mlci_code/flow.yaml"}


@pytest.fixture
def code(tmp_path: Path) -> Path:
    """Returns a repository of code with all that training toolkits and pip act on."""
    root = tmp_path / "repository"
    root.mkdir()
    git_init(root)
    for name in ("src/one.py", "src/one.sh", "setup.py", "json.py", "requirements.txt"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("#!/bin/sh -e\n" if name.endswith(".sh") else "")
    return root


def test_an_archive_shows_a_toolkit_nothing_but_the_starter(code: Path) -> None:
    moved = {f"mlci_code/{name}" for name in ("src/one.py", "src/one.sh", "setup.py", "json.py", "requirements.txt")}
    unit = code_of(code, "training", "src/one.py")
    names = {f"mlci_start{name}" for name in (".py", ".json", "_requirements.py", "_supervise.py")}
    assert paths_of(unit) == {*names, *moved}
    assert unit.requirements is not None
    assert unit.start.features["requirements"] == {"file": "requirements.txt", "digest": unit.requirements.digest}
    assert {file.path for file in unit.files} >= {"src/one.py", "setup.py", "requirements.txt"}
    starter = next(file for file in unit.package if file.path == "mlci_start.py")
    assert starter.content == Path(mlci_start.__file__).read_bytes()


def test_a_python_script_of_a_processing_step_gets_the_starter_beside_it_and_a_shell_script_needs_none(
    code: Path,
) -> None:
    files = {"src/one.py", "src/one.sh", "setup.py", "json.py", "requirements.txt"}
    assert paths_of(code_of(code, "processing", "src/one.py")) == {"mlci_start.py", "mlci_start.json", *files}
    unit = code_of(code, "processing", "src/one.sh")
    assert (paths_of(unit), unit.start.command) == (files, ("/bin/sh", "-e", "./src/one.sh"))


@pytest.mark.parametrize("uses", ["processing", "training"])
def test_the_starter_counts_in_the_digest(code: Path, uses: str) -> None:
    unit = code_of(code, uses, "src/one.py")
    other = tuple(replace(file, sha256="0") if file.path == "mlci_start.py" else file for file in unit.package)
    assert unit.digest != replace(unit, package=other).digest


def test_a_file_with_the_starter_s_name_is_refused_where_both_would_lie_in_one_folder(code: Path) -> None:
    (code / "mlci_start.py").write_text("")
    with pytest.raises(InputError, match=r'"mlci_start\.py" at the repository\'s root has the name of a file'):
        code_of(code, "processing", "src/one.py")
    assert "mlci_start.py" in paths_of(code_of(code, "processing", "src/one.sh"))
    assert "mlci_code/mlci_start.py" in paths_of(code_of(code, "training", "src/one.py"))
    (code / "mlci_start.py").rename(code / "src/mlci_start.py")
    assert "src/mlci_start.py" in paths_of(code_of(code, "processing", "src/one.py"))


@pytest.mark.parametrize("image", ["kmeans:1", "seq2seq:1", "linear-learner:1"])
def test_an_algorithm_whose_image_runs_no_script_is_refused(repository: Path, image: str) -> None:
    what = f'"{image}" is a built-in algorithm of SageMaker, and its image runs no script'
    assert refusal(repository, image=image).startswith(f"flow.yaml:3:19: {what}")
