"""Opening, walking and removing files that a script left."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mlci_emulator.jobs.contained_files import NotContainedError, read_file, remove_tree, walk


def names(root: Path, path: list[str], follows_links: bool = False) -> list[str]:
    return [file.name for file in walk(root, path, follows_links)]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A job's folder beside a folder of the user, which no link may lead to."""
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "thesis.txt").write_text("mine")
    (tmp_path / "ml" / "out").mkdir(parents=True)
    return tmp_path / "ml"


@pytest.mark.parametrize("follows_links", [False, True])
@pytest.mark.parametrize("path", [["link"], ["link", "inner"], ["out", "link"]])
def test_no_folder_is_opened_through_a_link(root: Path, path: list[str], follows_links: bool) -> None:
    (root.parent / "precious" / "inner").mkdir()
    (root / "link").symlink_to(root.parent / "precious")
    (root / "out" / "link").symlink_to(root.parent / "precious")
    with pytest.raises(NotContainedError, match="is no folder: a link or a file took its place"):
        names(root, path, follows_links)


def test_links_are_left_out_or_followed_below_the_root(root: Path) -> None:
    (root / "out" / "a").write_text("x")
    (root / "out" / "deep").mkdir()
    (root / "out" / "deep" / "b").write_text("x")
    (root / "out" / "link").symlink_to("a")
    (root / "out" / "link2").symlink_to("/opt/ml/out/link")
    (root / "out" / "tree").symlink_to("/opt/ml/out/deep")
    (root / "out" / "up").symlink_to("..")
    os.mkfifo(root / "out" / "pipe")
    assert names(root, ["out"]) == ["a", "deep/b"]
    assert names(root, ["out"], follows_links=True) == ["a", "deep/b", "link", "link2", "tree/b"]


@pytest.mark.parametrize("target", ["/etc/passwd", "gone", "../../precious/thesis.txt", "loop", "/opt/ml/../x"])
def test_a_link_that_leads_out_or_nowhere_is_an_error_where_links_are_followed(root: Path, target: str) -> None:
    (root / "out" / "loop").symlink_to(target)
    assert names(root, ["out"]) == []
    with pytest.raises(NotContainedError, match="/opt/ml/out/loop is a link to"):
        names(root, ["out"], follows_links=True)


def test_a_folder_that_a_script_closed_is_walked(root: Path) -> None:
    (root / "out" / "closed").mkdir()
    (root / "out" / "closed" / "a").write_text("x")
    (root / "out" / "closed").chmod(0)
    assert names(root, ["out"]) == ["closed/a"]


def test_folders_below_more_folders_than_a_key_can_have_are_an_error(root: Path) -> None:
    nest(root / "out", 300)
    with pytest.raises(NotContainedError, match="nested more than 200 folders deep"):
        names(root, ["out"])
    remove_tree(root)


def test_a_file_is_read_without_following_links(root: Path) -> None:
    (root / "message").write_text("well done")
    (root / "link").symlink_to("../precious/thesis.txt")
    (root / "folder").symlink_to("../precious")
    os.mkfifo(root / "pipe")
    assert read_file(root, ["message"], 4) == b"well"
    for path in (["link"], ["folder", "thesis.txt"], ["out"], ["pipe"], ["missing"]):
        assert read_file(root, path, 100) is None


def nest(folder: Path, depth: int) -> None:
    """Create folders in each other, more than a path could name."""
    current = os.open(folder, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir("d", dir_fd=current)
        inner = os.open("d", os.O_RDONLY, dir_fd=current)
        os.close(current)
        current = inner
    os.close(current)


def test_thousands_of_folders_in_each_other_are_removed(tmp_path: Path) -> None:
    (tmp_path / "job").mkdir()
    nest(tmp_path / "job", 3000)
    remove_tree(tmp_path / "job")
    assert os.listdir(tmp_path) == []


def test_removing_changes_nothing_that_a_link_leads_to(root: Path) -> None:
    precious = root.parent / "precious"
    precious.chmod(0o500)
    (root / "link").symlink_to(precious)
    (root / "out" / "link").symlink_to(precious / "thesis.txt")
    (root / "out").chmod(0)
    remove_tree(root)
    assert not root.exists()
    assert (precious.stat().st_mode & 0o777, (precious / "thesis.txt").read_text()) == (0o500, "mine")
    precious.chmod(0o700)
    root.symlink_to(precious)
    remove_tree(root)  # a link in the folder's own place
    assert (precious / "thesis.txt").read_text() == "mine"


def test_removing_something_that_is_missing_is_no_error(tmp_path: Path) -> None:
    remove_tree(tmp_path / "a" / "b")
