"""The files of a repository that git does not ignore: what globs and whole folders stage."""

from __future__ import annotations

from pathlib import Path

from mlci.git_command import run_git
from mlci.stage.repository import Repository


class GitFiles:
    """The files that git tracks, or would track. Git is asked once, when the first file is looked up.

    Outside of a git repository no file is ignored. All files count of a submodule, or of a repository inside this one.
    """

    def __init__(self, repository: Repository) -> None:
        self._root = repository.root
        self._listed: tuple[frozenset[Path], tuple[Path, ...]] | None = None

    def is_ignored(self, location: Path) -> bool:
        """Return True if git ignores a file.

        Raises: InputError, where git can't tell.
        """
        files, repositories = self._listing()
        if not (self._root / ".git").exists() or location in files:
            return False
        return not any(location.is_relative_to(folder) for folder in repositories)

    def _listing(self) -> tuple[frozenset[Path], tuple[Path, ...]]:
        """Return the files, and the folders that are repositories of their own."""
        if self._listed is None:
            text = ""
            if (self._root / ".git").exists():
                options = ("-z", "--cached", "--others", "--exclude-standard")
                text = run_git(self._root, "ls-files", *options, errors="surrogateescape") or ""
            locations = [self._root / name for name in text.split("\0") if name]
            repositories = tuple(location for location in locations if location.is_dir() and not location.is_symlink())
            self._listed = frozenset(locations), repositories
        return self._listed
