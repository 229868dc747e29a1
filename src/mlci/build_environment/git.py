"""The state of the git repository that a run starts from.

`git_command` runs git. Only plumbing commands run: they start no hook, no filter and no pager, write nothing, and fetch
nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from pathlib import Path

from mlci.errors import InputError
from mlci.git_command import run_git, start_git
from mlci.stage.repository import git_root
from mlci_dataclasses import dataclass

_USUAL_BASE_BRANCHES = ("main", "master")
_LOCAL, _REMOTE = "refs/heads/", "refs/remotes/origin/"
#: Source: https://git-scm.com/docs/git-for-each-ref#_field_names
_REFERENCE = "%(refname) %(objectname) %(symref) %(if)%(HEAD)%(then)*%(end)"


@dataclass(frozen=True)
class GitState:
    """The commit and branch that are checked out, the branch that pull requests go to, and the URL that was cloned.

    Each is None where there is none, and all are outside of a repository. Names that are not UTF-8 hold `\\xff` for
    each such byte; a backslash is in no name of git's, so names stay distinct. `remote_tips` maps the remote's branches
    to their newest commits, as of the last fetch.
    """

    commit: str | None = None
    branch: str | None = None
    base_branch: str | None = None
    remote: str | None = None
    remote_tips: Mapping[str, str] = field(default_factory=dict, compare=False)


def git_state(folder: Path) -> GitState:
    """Returns the state of the repository that holds a folder.

    Raises: InputError, where there is a repository and git can't read it.
    """
    root = git_root(folder)
    if root is None:
        return GitState()
    remote_line = start_git(root, "config", "--get", "remote.origin.url")
    references = _references(root)
    commit, branch = _head(root, references)
    remote = (remote_line() or "").rstrip("\n") or None
    tips = {name.removeprefix(_REMOTE): tip for name, tip, *_ in references if name.startswith(_REMOTE)}
    return GitState(commit, branch, _base_branch(root, references, commit, branch, remote), remote, tips)


def branch_tips(folder: Path, branch: str) -> tuple[str, ...]:
    """Returns the newest commits of a branch, of the remote's and of the local one, as far as there are such.

    Raises: InputError, where there is a repository and git can't read it.
    """
    root = git_root(folder)
    named = (_REMOTE + branch, _LOCAL + branch)
    return tuple(tip for name, tip, *_ in _references(root) if name in named) if root is not None else ()


def branches(folder: Path) -> dict[str, list[str]]:
    """Returns the branches of the repository that holds a folder, each with its newest commits, of the remote's and of
    the local one.

    Raises: InputError, where there is a repository and git can't read it.
    """
    root = git_root(folder)
    found: dict[str, list[str]] = {}
    for name, tip, *_ in _references(root) if root is not None else []:
        if name != f"{_REMOTE}HEAD":
            found.setdefault(name.removeprefix(_LOCAL).removeprefix(_REMOTE), []).append(tip)
    return found


def _head(root: Path, references: list[list[str]]) -> tuple[str | None, str | None]:
    """Returns the commit and the branch that are checked out: one of the branches, unless it is detached or new."""
    for name, commit, _, mark in references:
        if mark == "*":
            return commit, name.removeprefix(_LOCAL)
    head = _line(root, "symbolic-ref", "--quiet", "HEAD")
    return _line(root, "rev-parse", "--verify", "--quiet", "HEAD"), head.removeprefix(_LOCAL) if head else None


def check_untracked(folder: Path) -> None:
    """Checks that nothing in a folder, nor the folder itself, came with the repository.

    Raises: InputError, where git tracks a file there, or can't tell.
    """
    root = git_root(folder.parent)
    if root is None:
        return
    path = folder.parent.resolve().relative_to(root) / folder.name
    tracked = _line(root, "ls-files", "-z", "--", f":(top,literal,icase){path.as_posix()}")
    if tracked:
        first = tracked.split("\0", 1)[0]
        raise InputError(
            f'git tracks "{first}", so the repository decides what earlier runs left there',
            f"Remove it from the repository: git rm -r --cached {path}, and add {folder.name}/ to .gitignore.",
        )


def _references(root: Path) -> list[list[str]]:
    """Returns the local branches and the remote's: the name, the commit, the name that a symbolic one leads to, and "*"
    for the branch that is checked out."""
    listed = run_git(root, "for-each-ref", f"--format={_REFERENCE}", "refs/remotes/origin", _LOCAL)
    return [line.split(" ") for line in (listed or "").splitlines()]


def _base_branch(
    root: Path, references: list[list[str]], commit: str | None, branch: str | None, remote: str | None
) -> str | None:
    """Returns the branch that pull requests go to; None where the repository does not say.

    It is the remote's default branch, else the branch that a detached merge commit, such as GitHub's
    `refs/pull/7/merge`, merges into, else `main` or `master`, else the only branch of a repository without a remote.
    """
    default = next((symref for name, _, symref, _ in references if name == f"{_REMOTE}HEAD" and symref), None)
    if default:
        return default.removeprefix(_REMOTE)
    commits = {name: commit for name, commit, *_ in references}
    if commit and branch is None:
        parents = _parents(root)
        merged_into = (name for name, tip in commits.items() if name.startswith(_REMOTE) and tip in parents[:1])
        base = next(merged_into, None) if len(parents) > 1 else None
        if base:
            return base.removeprefix(_REMOTE)
    for name in _USUAL_BASE_BRANCHES:
        if _LOCAL + name in commits or _REMOTE + name in commits:
            return name
    if remote is not None:
        return None
    local = [name.removeprefix(_LOCAL) for name in commits if name.startswith(_LOCAL)]
    return local[0] if len(local) == 1 else branch if not local else None


def _parents(root: Path) -> list[str]:
    """Returns the parents that the commit itself names: a shallow clone hides them from `HEAD^1`."""
    header = (run_git(root, "cat-file", "commit", "HEAD") or "").partition("\n\n")[0]
    return [line.removeprefix("parent ") for line in header.splitlines() if line.startswith("parent ")]


def _line(root: Path, *arguments: str) -> str | None:
    return (run_git(root, *arguments) or "").rstrip("\n") or None
