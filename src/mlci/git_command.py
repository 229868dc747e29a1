"""Runs git in a work tree, in a way that the files of the checkout do not decide.

Git starts at the folder that holds `.git`, so a folder that only looks like a bare repository is never read.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from mlci.errors import InputError

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
#: Begins the variables that hold secrets for local runs. `mlci.flow.models` has the same, and a test compares them.
_SECRETS = "MLCI_SECRET_"
_OTHER_OWNER = "dubious ownership|unsafe repository"


def run_git(
    root: Path, *arguments: str, settings: Sequence[str] = (), errors: str = "backslashreplace", lines: str = ""
) -> str | None:
    """Runs git in a work tree's top folder and returns its output; None where git exits with 1, "there is none".

    `settings` are further ones, as `name=value`. `errors` says how bytes that are not UTF-8 are decoded. `lines` are
    what git reads from its standard input.

    Raises: InputError, where git is not installed, refuses the repository, or fails otherwise.
    """
    return start_git(root, *arguments, settings=settings, errors=errors, lines=lines)()


def start_git(
    root: Path, *arguments: str, settings: Sequence[str] = (), errors: str = "backslashreplace", lines: str = ""
) -> Callable[[], str | None]:
    """Starts git as `run_git` does, and returns a function that waits for its output. Both raise InputError."""
    command = [
        "git",
        "--no-optional-locks",
        *(word for setting in (*_SETTINGS, *settings) for word in ("-c", setting)),
        *arguments,
    ]
    pipe, environment = subprocess.PIPE, _environment(os.environ, root)
    try:
        process = subprocess.Popen(command, cwd=root, env=environment, stdin=pipe, stdout=pipe, stderr=pipe)
    except FileNotFoundError as error:
        raise InputError(f"{root} is a git repository, and git is not installed here", "Install git.") from error
    except OSError as error:
        raise _not_run(root, error) from error

    def output() -> str | None:
        with process:
            try:
                out, message = process.communicate(lines.encode(), _TIMEOUT_S)
            except BaseException as error:
                process.kill()
                if isinstance(error, (OSError, subprocess.TimeoutExpired)):
                    raise _not_run(root, error) from error
                raise
        if process.returncode == 1 and not message:
            return None
        if process.returncode != 0:
            raise _failure(root, message.decode("utf-8", "backslashreplace"))
        return out.decode("utf-8", errors)

    return output


def _not_run(root: Path, error: Exception) -> InputError:
    return InputError(f"git can't be run in {root}: {error}", "Check the installation of git.")


def _environment(environment: Mapping[str, str], root: Path) -> dict[str, str]:
    """Returns the variables that git is run with: messages in English, no prompt, no fetch of a partial clone.

    Secrets are not git's business, nor that of the programs which it may start.
    """
    kept = {name: value for name, value in environment.items() if not name.startswith(_SECRETS)}
    return {
        **{name: value for name, value in kept.items() if name not in _LOCAL_VARIABLES},
        "GIT_ALLOW_PROTOCOL": "",
        "GIT_CEILING_DIRECTORIES": str(root.parent),
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "LC_ALL": "C",
    }


def _failure(root: Path, message: str) -> InputError:
    if re.search(_OTHER_OWNER, message):
        return InputError(
            f"git does not read {root}, because another user owns it",
            f"Tell git that you trust it: git config --global --add safe.directory {root}",
        )
    first = message.strip().partition("\n")[0] or "it gave no reason"
    return InputError(f"git can't read the repository {root}: {first}", f"Try it: git -C {root} rev-parse HEAD")
