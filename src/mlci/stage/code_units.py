"""A step's code unit: what `run` names, the files that it needs, and how it starts."""

from __future__ import annotations

import posixpath
import re
import shlex
from pathlib import Path

from mlci.flow.models import Flow, ImageFolder, Json, Step
from mlci.stage.git_files import GitFiles
from mlci.stage.inference_script import InferenceScript
from mlci.stage.models import CodeUnit, Requirements
from mlci.stage.places import places
from mlci.stage.python_imports import Imports, imports_of, imports_of_module
from mlci.stage.repository import Repository, UnusableFile, read_code
from mlci.stage.requirements_files import requirements_of
from mlci.stage.script_package import packaged
from mlci.stage.start_metrics import metrics_feature
from mlci.stage.start_secrets import secrets_feature
from mlci.step_types import STEP_TYPES
from mlci.step_types.base import Container
from mlci.step_types.script_start import MODULE, SHELL_SUFFIX, ScriptStart, shell_of
from mlci_dataclasses import dataclass

PYTHON_SUFFIX = ".py"
_NOTHING = Imports((), ())
#: A first line that runs a script with Python.
_PYTHON_LINE = re.compile(rb"#!.*\bpython[0-9.]*\b")
#: A program of the image: a file name without an ending that makes it a script.
_PROGRAM = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*")


@dataclass(frozen=True)
class _Entry:
    """The way a script starts, in the repository's own paths. `files` are the script and what it imports."""

    run: dict[str, Json]
    files: tuple[Path, ...]
    roots: tuple[Path, ...] = ()
    command: tuple[str, ...] = ()


def code_unit(
    flow: Flow,
    step: Step,
    run: str,
    repository: Repository,
    git_files: GitFiles,
    included: tuple[Path, ...],
    inference: InferenceScript | None = None,
) -> CodeUnit:
    """Return the files that a step's script needs, and how it starts. `included` are those of `include`.

    Raises: OutsideRepository, UnusableFile, FileNotFoundError, SyntaxError.
    """
    root = code_root(step, repository)
    working_dir = root if step.working_dir is None else folder_of(repository, step.working_dir, "working_dir")
    entry = _entry(step, run, repository, root, working_dir)
    locations = {*entry.files, *included, *(inference.files if inference else ())}
    if step.source is not None:
        locations.update(each for each in repository.walk(root) if not git_files.is_ignored(each))
    script = entry.files[0] if "script" in entry.run else None
    requirements = requirements_of(step, script, locations, root, repository)
    locations.update(requirements.locations if requirements else ())
    files = []
    for location in sorted(locations):
        repository.check(location, repository.relative(location))
        files.append(read_code(location, location.relative_to(root).as_posix()))
    container = STEP_TYPES[step.uses].container
    assert container is not None  # a step with a script has one
    features = _features(flow, step, container, requirements)
    if inference is not None:
        features["inference"] = inference.feature(container, root)
    start = ScriptStart(
        run=entry.run,
        import_roots=tuple(_relative(each, root) for each in entry.roots),
        working_dir=_relative(working_dir, root),
        features=features,
        command=entry.command,
    )
    return CodeUnit(start, tuple(files), packaged(files, start, container.package), requirements)


def _features(flow: Flow, step: Step, container: Container, requirements: Requirements | None) -> dict[str, Json]:
    """Return what the starter does beyond starting the script: the value of each feature by its name."""
    features: dict[str, Json] = {}
    if container.has_toolkit and isinstance(step.image, ImageFolder):
        features["toolkit"] = True
    if step.secrets:
        features["secrets"] = secrets_feature(flow, step)
    if requirements is not None:
        features["requirements"] = {"file": requirements.file, "digest": requirements.digest}
    if step.input_paths or step.output_paths:
        features["places"] = places(step, {**flow.left_out, **flow.steps})
    if step.collects_metrics:
        features["metrics"] = metrics_feature(step, container)
    return features


def _relative(location: Path, root: Path) -> str:
    return "" if location == root else location.relative_to(root).as_posix()


def code_root(step: Step, repository: Repository) -> Path:
    """Return the folder of the repository that is the root of a step's code.

    Raises: OutsideRepository, UnusableFile, FileNotFoundError.
    """
    return repository.root if step.source is None else folder_of(repository, step.source, "source")


def folder_of(repository: Repository, path: str, key: str) -> Path:
    """Return the folder that a key names.

    Raises: OutsideRepository, UnusableFile, FileNotFoundError.
    """
    folder = repository.find(path)
    if not folder.is_dir():
        raise UnusableFile(f'"{path}" is a file', f"`{key}` names a folder.")
    return folder


def _entry(step: Step, run: str, repository: Repository, root: Path, working_dir: Path) -> _Entry:
    base = root if step.source is not None else repository.base
    bases = tuple(dict.fromkeys((base, base / "src", root, root / "src")))
    if module := MODULE.fullmatch(run):
        return _module(module[1], working_dir, bases)
    path = run if step.source is None else posixpath.join(step.source, run)
    try:
        script = repository.find(path)
    except FileNotFoundError:
        if _is_program(run):
            return _Entry({"command": [run]}, (), (root,), (run,))
        raise _missing(run, path, repository) from None
    if script.is_dir():
        raise UnusableFile(f'"{run}" is a folder', "`run` names one script.")
    return _script(script, run, root, working_dir, bases)


def _is_program(run: str) -> bool:
    return _PROGRAM.fullmatch(run) is not None and Path(run).suffix not in (PYTHON_SUFFIX, SHELL_SUFFIX)


def _missing(run: str, path: str, repository: Repository) -> Exception:
    """Return the error for a script that is not there; `run` may be a whole command."""
    try:
        words = shlex.split(run)
    except ValueError:
        words = []
    interpreters = ("python", "python3", "bash", "sh")
    rest = words[1:] if words and words[0] in interpreters else words
    if len(words) < 2 or not rest:
        return FileNotFoundError(path)
    script, args = (" ".join(rest[:2]), rest[2:]) if rest[0] == "-m" else (rest[0], rest[1:])
    written = f"run: {script}" + (f", args: [{', '.join(args)}]" if args else "")
    return UnusableFile(f'"{run}" is a command, and `run` names one script', f"Write {written}")


def _module(name: str, working_dir: Path, bases: tuple[Path, ...]) -> _Entry:
    try:
        found = imports_of_module(name, working_dir, bases)
    except ModuleNotFoundError as error:
        from difflib import get_close_matches  # only an error needs it

        names = [str(each) for each in error.args]
        near = get_close_matches(name, names, 1)
        hint = f'Did you mean "{near[0]}"?' if near else f"`python -m` can run there: {', '.join(names) or 'nothing'}."
        raise UnusableFile(f'no module "{name}" that `python -m` can run is in the repository', hint) from None
    found = found or _NOTHING  # a module of the image
    return _Entry({"module": name}, found.files, found.roots)


def _script(script: Path, run: str, root: Path, working_dir: Path, bases: tuple[Path, ...]) -> _Entry:
    if not script.is_relative_to(root):
        raise UnusableFile(f'"{run}" lies outside of `source`', "`run` is relative to `source`.")
    with script.open("rb") as stream:
        first = stream.readline(1024)
    entry: dict[str, Json] = {"script": _relative(script, root)}
    if first.startswith(b"#!") and first.endswith(b"\r\n") and script.suffix != PYTHON_SUFFIX:
        raise UnusableFile(
            f'the lines of "{run}" end as on Windows, so its first line names no program', "Save it with LF."
        )
    if script.suffix == PYTHON_SUFFIX or _PYTHON_LINE.match(first):
        found = imports_of(script, bases)
        return _Entry(entry, (script, *found.files), found.roots)
    if script.suffix != SHELL_SUFFIX and not first.startswith(b"#!"):
        what = f'"{run}" is neither a .py nor a .sh file, and has no first line `#!` that names a program'
        raise UnusableFile(what, "`run` names a script, `-m <module>`, or a program of the image.")
    path = posixpath.relpath(_relative(script, root), _relative(working_dir, root) or ".")
    name = path if path.startswith("../") else f"./{path}"
    # A shell script may start a Python that imports from the code's root, which the toolkits have on PYTHONPATH.
    return _Entry(entry, (script,), (root,), (*shell_of(first), name))
