"""Flow → Staged: reads and hashes the files that the steps need from the repository. Deploy uploads them later.

repository.py      the files of the repository, and the border that no path may cross
python_imports.py  the modules that a script imports from the repository
script_package.py  the files of a step's code in the layout of its container, with the starter
start_secrets.py   the secrets of a step, as the starter reads them
starter/           the files that run in the container, and start the script there
image_uris.py      the URIs of SageMaker's container images
cache.py           results that are slow to compute, in the user's cache folder
sdk_imports.py     imports of the SageMaker SDKs without their side effects
models.py          the result: Staged, with its units of code and data
archive.py         code units packed for script mode
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TypeVar

from mlci.errors import InputError, Problem
from mlci.flow.models import Flow, Json, RepositoryPath, Step
from mlci.stage.cache import Cache, cache_folder
from mlci.stage.image_uris import UnknownImage, check_runs_scripts, image_uri, is_framework
from mlci.stage.models import CodeUnit, DataUnit, Staged, StagedFile
from mlci.stage.python_imports import imports_of
from mlci.stage.repository import (
    OutsideRepository,
    Repository,
    UnusableFile,
    find_repository,
    hash_data,
    is_ignored,
    read_code,
)
from mlci.stage.script_package import packaged
from mlci.stage.start_secrets import secrets_feature
from mlci.step_types import STEP_TYPES
from mlci.step_types.script_start import SHELL_SUFFIX, ScriptStart, shell_of

__all__ = [
    "Cache",
    "CodeUnit",
    "DataUnit",
    "Repository",
    "Staged",
    "StagedFile",
    "cache_folder",
    "find_repository",
    "stage",
]

T = TypeVar("T")

#: What `run` may name: SageMaker's training toolkit starts Python programs and shell scripts, and so do we.
SCRIPT_ENDINGS = (".py", ".sh")


def stage(flow: Flow, repository: Repository, region: str, cache: Cache) -> Staged:
    """Reads and hashes all files that the flow's steps need from the repository, and resolves their images.

    Raises: InputError with every problem: files that are missing, unreadable, empty or outside of the repository,
    scripts that do not parse, images that SageMaker does not have.
    """
    problems: list[Problem] = []

    def attempt(step: Step, path: tuple[str, ...], work: Callable[[], T]) -> dict[str, T]:
        """Returns the result of `work` by the step's name; notes a problem at that path in the flow if it fails."""
        try:
            return {step.name: work()}
        except UnknownImage as error:
            inherits = ("steps", step.name, "image") not in flow.positions
            at = flow.position("defaults", "image") if inherits else flow.position("steps", step.name, "image")
            problems.append(Problem(at.file, at.line, at.column, *error.args))
        except _REFUSALS as error:
            at = flow.position("steps", step.name, *path)
            what, hint = _described(error, repository)
            problems.append(Problem(at.file, at.line, at.column, f'step "{step.name}": {what}', hint))
        return {}

    code: dict[str, CodeUnit] = {}
    images: dict[str, str] = {}
    data: dict[str, DataUnit] = {}
    for step in flow.steps.values():
        if step.run is not None:
            code |= attempt(step, ("run",), partial(_code_unit, flow, step, step.run, repository))
        if step.image is not None:
            images |= attempt(step, ("image",), partial(_image, step, step.image, region, cache))
        for name, source in step.inputs.items():
            if isinstance(source, RepositoryPath) and source.path not in data:
                units = attempt(step, ("inputs", name), partial(_data_unit, source.path, repository))
                data |= {unit.path: unit for unit in units.values()}
    if problems:
        raise InputError(problems)
    return Staged(code, data, images)


_REFUSALS = (OutsideRepository, SyntaxError, UnusableFile, OSError)


def _described(error: Exception, repository: Repository) -> tuple[str, str]:
    """Returns the problem and its hint."""
    match error:
        case OutsideRepository():
            return str(error), "Only what lies in the repository can be staged."
        case FileNotFoundError():
            return f'"{error.args[-1]}" does not exist', f"Paths are relative to {repository.base}."
        case SyntaxError():
            return f"{error.filename}:{error.lineno}:{error.offset}: {error.msg}", "The script does not parse."
        case UnusableFile(args=(what, hint)):
            return what, hint
        case OSError():
            return f'"{error.filename}" can\'t be read: {error.strerror}', "Check its permissions."
    raise error


def _code_unit(flow: Flow, step: Step, path: str, repository: Repository) -> CodeUnit:
    script = repository.find(path)
    if not script.is_file():
        raise UnusableFile(f'"{path}" is a folder', "`run` names one script.")
    if script.suffix not in SCRIPT_ENDINGS:
        raise UnusableFile(f'"{path}" is neither a .py nor a .sh file', "`run` names a Python or a shell script.")
    roots: tuple[Path, ...] = ()
    locations = {script}
    if script.suffix == ".py":
        bases = dict.fromkeys((repository.base, repository.base / "src", repository.root, repository.root / "src"))
        found = imports_of(script, tuple(bases))
        locations.update(found.files)
        roots = found.roots
    locations.update(_included(step, repository))
    files = []
    for location in sorted(locations):
        repository.check(location, repository.relative(location))
        files.append(read_code(location, repository.relative(location)))
    import_roots = tuple("" if root == repository.root else repository.relative(root) for root in roots)
    name = repository.relative(script)
    content = next(file.content for file in files if file.path == name) or b""
    is_shell_script = name.endswith(SHELL_SUFFIX)
    start = ScriptStart(
        run={"script": name},
        # A shell script may start a Python that imports from the code's root, which the toolkits have on PYTHONPATH.
        import_roots=("",) if is_shell_script else import_roots,
        command=(*shell_of(content.partition(b"\n")[0]), f"./{name}") if is_shell_script else (),
        features=_features(flow, step),
    )
    container = STEP_TYPES[step.uses].container
    assert container is not None  # a step with a script has one
    return CodeUnit(start, tuple(files), packaged(files, start, container.package))


def _features(flow: Flow, step: Step) -> dict[str, Json]:
    """Return what the starter does beyond starting the script."""
    return {"secrets": secrets_feature(flow, step)} if step.secrets else {}


def _included(step: Step, repository: Repository) -> Iterator[Path]:
    for pattern in step.include:
        if Path(pattern).is_absolute() or ".." in Path(pattern).parts:
            raise OutsideRepository(f'"{pattern}" in `include` leaves the repository')
        matches = [
            location
            for location in _matches(repository.base, pattern)
            if not is_ignored(location.relative_to(repository.base))
        ]
        if not matches:
            raise UnusableFile(f'"{pattern}" in `include` matches no file', "Patterns are like `src/shared/**/*.json`.")
        for location in matches:
            repository.check(location, repository.relative(location))
            yield from repository.walk(location) if location.is_dir() else (location,)


def _matches(base: Path, pattern: str) -> list[Path]:
    """Returns the files and folders that match a pattern; "." is the flow's own folder."""
    if not Path(pattern).parts:
        return [base]
    try:
        return sorted(base.glob(pattern))
    except (ValueError, IndexError, NotImplementedError) as error:  # such as "a**": Python's versions differ in which
        raise UnusableFile(
            f'"{pattern}" in `include` is not a pattern: {error}', "Patterns are like `src/shared/**/*.json`."
        ) from error


def _data_unit(path: str, repository: Repository) -> DataUnit:
    location = repository.find(path)
    if location.is_dir():
        files = tuple(hash_data(file, file.relative_to(location).as_posix()) for file in repository.walk(location))
        if not files:
            raise UnusableFile(f'the folder "{path}" is empty', "A job needs at least one file of each input.")
        return DataUnit(path, files, is_folder=True)
    if not location.is_file():
        raise UnusableFile(f'"{path}" is neither a file nor a folder', "Sockets, pipes and devices can't be staged.")
    return DataUnit(path, (hash_data(location, location.name),), is_folder=False)


def _image(step: Step, image: str, region: str, cache: Cache) -> str:
    if not is_framework(image):
        return image
    check_runs_scripts(image)
    key = ["image", image, region, step.instance]
    return cache.get(key, lambda: image_uri(image, region, step.instance))
