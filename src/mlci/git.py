"""The state of the git repository that a run starts from.

The files of a checkout decide nothing about how git is run. Git starts at the folder that holds `.git`, so a folder
that only looks like a bare repository is never read. Only plumbing commands run: they start no hook, no filter, no
pager and no file system monitor, write nothing, and fetch nothing.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mlci.errors import InputError
from mlci.stage.repository import git_root

#: Settings that win over the repository's own. Source: https://git-scm.com/docs/git-config
_SETTINGS = ("safe.bareRepository=explicit", "core.fsmonitor=", "core.hooksPath=/dev/null")
#: Variables that name another repository, as git sets them for a hook that starts mlci.
#: Source: https://git-scm.com/docs/git#_environment_variables
_LOCAL_VARIABLES = frozenset(
    {
        "GIT_ALTERNATE_OBJECT_DIRECTORIES",
        "GIT_COMMON_DIR",
        "GIT_DIR",
        "GIT_INDEX_FILE",
        "GIT_NAMESPACE",
        "GIT_OBJECT_DIRECTORY",
        "GIT_PREFIX",
        "GIT_WORK_TREE",
    }
)
_TIMEOUT_S = 30
_OTHER_OWNER = re.compile("dubious ownership|unsafe repository")
_USUAL_BASE_BRANCHES = ("main", "master")
_LOCAL, _REMOTE = "refs/heads/", "refs/remotes/origin/"


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
    commit = _line(root, "rev-parse", "--verify", "--quiet", "HEAD")
    head = _line(root, "symbolic-ref", "--quiet", "HEAD")
    branch = head.removeprefix(_LOCAL) if head else None
    remote = _line(root, "config", "--get", "remote.origin.url")
    references = _references(root)
    tips = {name.removeprefix(_REMOTE): tip for name, tip, _ in references if name.startswith(_REMOTE)}
    return GitState(commit, branch, _base_branch(root, references, commit, branch, remote), remote, tips)


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
    """Returns the local branches and the remote's: the name, the commit, and the name that a symbolic one leads to."""
    listed = run_git(root, "for-each-ref", "--format=%(refname) %(objectname) %(symref)", "refs/remotes/origin", _LOCAL)
    return [line.split(" ") for line in (listed or "").splitlines()]


def _base_branch(
    root: Path, references: list[list[str]], commit: str | None, branch: str | None, remote: str | None
) -> str | None:
    """Returns the branch that pull requests go to; None where the repository does not say.

    It is the remote's default branch, else the branch that a detached merge commit, such as GitHub's
    `refs/pull/7/merge`, merges into, else `main` or `master`, else the only branch of a repository without a remote.
    """
    default = next((symref for name, _, symref in references if name == f"{_REMOTE}HEAD" and symref), None)
    if default:
        return default.removeprefix(_REMOTE)
    commits = {name: commit for name, commit, _ in references}
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


def run_git(root: Path, *arguments: str, settings: Sequence[str] = ()) -> str | None:
    """Runs git in a work tree's top folder and returns its output; None where git exits with 1, "there is none".

    `settings` are further ones, as `name=value`.

    Raises: InputError, where git is not installed, refuses the repository, or fails otherwise.
    """
    command = [
        "git",
        "--no-optional-locks",
        *(word for setting in (*_SETTINGS, *settings) for word in ("-c", setting)),
        *arguments,
    ]
    try:
        completed = subprocess.run(
            command, cwd=root, env=_environment(os.environ, root), capture_output=True, timeout=_TIMEOUT_S, check=False
        )
    except FileNotFoundError as error:
        raise InputError(f"{root} is a git repository, and git is not installed here", "Install git.") from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise InputError(f"git can't be run in {root}: {error}", "Check the installation of git.") from error
    if completed.returncode == 1 and not completed.stderr:
        return None
    if completed.returncode != 0:
        raise _failure(root, completed.stderr.decode("utf-8", "backslashreplace"))
    return completed.stdout.decode("utf-8", "backslashreplace")


def _environment(environment: Mapping[str, str], root: Path) -> dict[str, str]:
    """Returns the variables that git is run with: messages in English, no prompt, no fetch of a partial clone."""
    return {
        **{name: value for name, value in environment.items() if name not in _LOCAL_VARIABLES},
        "GIT_ALLOW_PROTOCOL": "",
        "GIT_CEILING_DIRECTORIES": str(root.parent),
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "LC_ALL": "C",
    }


def _failure(root: Path, message: str) -> InputError:
    if _OTHER_OWNER.search(message):
        return InputError(
            f"git does not read {root}, because another user owns it",
            f"Tell git that you trust it: git config --global --add safe.directory {root}",
        )
    first = message.strip().partition("\n")[0] or "it gave no reason"
    return InputError(f"git can't read the repository {root}: {first}", f"Try it: git -C {root} rev-parse HEAD")
