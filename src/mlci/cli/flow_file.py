"""The flow that a command is about, and the folders beside its file."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mlci.errors import InputError

if TYPE_CHECKING:
    from mlci.build_environment.build import Build
    from mlci.flow.models import Flow
    from mlci.runs.run_folder import Runs
    from mlci.stage import Cache, Staged


def load_flow(flow_file: Path, params: Sequence[str] = (), cache: Cache | None = None) -> Flow:
    """The flow of a file, with the values that options and the environment give to its params and variables.

    With a cache, a flow that was loaded before is taken from it. What decides on rights takes none.

    Raises: InputError.
    """
    from mlci.flow import MAX_BYTES, load, param_overrides

    check_regular(flow_file)
    overrides, origins = param_overrides(params, os.environ)
    text = read_file(flow_file, MAX_BYTES + 1)

    def loaded() -> Flow:
        return load(text, str(flow_file), overrides, origins, os.environ)

    if cache is None or b"env." in text:  # the values of variables may be secret: they are written nowhere
        return loaded()
    from mlci import flow, step_types
    from mlci.flow.flow_document import flow_from_text, flow_to_text
    from mlci.stage.cache import code_stamp

    code = code_stamp(Path(folder) for package in (flow, step_types) for folder in package.__path__)
    key = ["flow", code, text.decode("latin-1"), str(flow_file), overrides, origins]
    return flow_from_text(cache.get(key, lambda: flow_to_text(loaded()))) or loaded()


def check_regular(file: Path) -> None:
    """Checks that a file is no pipe, socket or device: to read one may wait for ever.

    Raises: InputError.
    """
    try:
        is_other = not stat.S_ISREG(file.stat().st_mode)
    except OSError:
        return  # `read_file` says what is wrong
    if is_other:
        raise InputError(f'"{file}" is no file', "Name the flow's file with --flow.")


def check_writable(home: Path) -> None:
    """Checks that runs can be kept in the folder `.mlci`.

    Raises: InputError.
    """
    folders = [folder for folder in (home, *(home / name for name in ("runs", "store", "work"))) if _exists(folder)]
    for folder in folders or [home.parent]:
        if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
            hint = "mlci keeps its runs there: check its owner and its permissions, or work in a copy of the checkout."
            raise InputError(f'"{folder}" can\'t be written', hint)


def _exists(folder: Path) -> bool:
    try:
        folder.stat()
    except FileNotFoundError:
        return False
    except OSError:
        return os.access(folder.parent, os.X_OK)  # if its parent is closed, that is named
    return True


def _flow_elsewhere(file: Path) -> str:
    """Returns what to do where a flow's file is not there: often it is in a folder above."""
    above = [folder for folder in file.absolute().parent.parents if (folder / file.name).is_file()]
    if above:
        return f'There is one in "{above[0]}": go there, since runs are kept beside it.'
    return "Make one with `mlci init`, or name another with --flow."


def read_file(file: Path, max_bytes: int = -1) -> bytes:
    """The first `max_bytes` of a file, or all of it.

    Raises: InputError.
    """
    try:
        with file.open("rb") as stream:
            return stream.read(max_bytes)
    except FileNotFoundError as error:
        hint = _flow_elsewhere(file) if file.suffix in (".yaml", ".yml") else ""
        raise InputError(f'there is no file "{file}"', hint) from error
    except OSError as error:
        raise InputError(f'"{file}" can\'t be read: {error.strerror}', "Is it a file, and may you read it?") from error


def runs_of(flow_file: Path) -> Runs:
    """The runs of a flow: the folder `.mlci` beside its file."""
    from mlci.runs.run_folder import Runs

    return Runs(flow_file.resolve().parent / ".mlci")


def own_runs_of(flow_file: Path) -> Runs:
    """The runs of a flow, for a command that takes from them what it acts on.

    Raises: InputError, if they came with the repository.
    """
    from mlci.build_environment.git import check_untracked

    runs = runs_of(flow_file)
    check_untracked(runs.home)
    return runs


def cache_of() -> Cache:
    """The user's cache of compiled definitions and image URIs.

    Raises: InputError, if MLCI_CACHE names a folder that came with a repository.
    """
    from mlci.build_environment.git import check_untracked
    from mlci.stage import Cache, cache_folder

    folder = cache_folder(os.environ, sys.platform)
    if folder and os.environ.get("MLCI_CACHE"):
        check_untracked(folder)
    return Cache(folder)


def stage_flow(flow: Flow, flow_file: Path, region: str) -> Staged:
    """All that the flow's steps need from the repository.

    Nothing is taken from the cache: rights are derived from it.

    Raises: InputError.
    """
    from mlci.stage import Cache, find_repository, stage

    return stage(flow, find_repository(flow_file), region, Cache(None))


def build_of_flow(flow_file: Path) -> Build:
    """The build that runs now, according to CodeBuild's variables and git.

    Raises: InputError, if git can't be run, or if it tracks files of earlier runs.
    """
    from mlci.build_environment.build import build_of
    from mlci.build_environment.git import git_state

    own_runs_of(flow_file)
    return build_of(os.environ, git_state(flow_file.resolve().parent))


def displayed(path: Path) -> str:
    """A path as the user would type it: relative if it lies below the working directory."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)
