"""Flow → Staged: reads and hashes the files that the steps need from the repository. Deploy uploads them later.

repository.py          the files of the repository, and the border that no path may cross
git_files.py           the files that git does not ignore
included_files.py      the files that `include` names
code_units.py          the files that a step's script needs, and how it starts
inference_script.py    the script that serves a model, and what it imports
places.py              the inputs and outputs that a script reads and writes by relative paths
nearest_path.py        the path that a wrong one was meant to be
python_imports.py      the modules that a script imports from the repository
script_package.py      the files of a step's code in the layout of its container, with the starter
start_secrets.py       the secrets of a step, as the starter reads them
start_metrics.py       the files and lines that the starter collects a step's metrics from
starter/               the files that run in the container, and start the script there
requirements_files.py  the requirements files that a step's job installs
image_contents.py      what SageMaker's images hold, as far as it is known
image_contexts.py      the folder that an image is built from
image_table.py         those of SageMaker's images that need no SDK
image_uris.py          the URIs of SageMaker's container images
file_hashes.py         hashes of files, remembered from run to run
cache.py               results that are slow to compute, in the user's cache folder
package_install.py     installs packages that a flow turns out to need where a slim install lacks them
sdk_imports.py         imports of the SageMaker SDKs without their side effects
models.py              the result: Staged, with its units of code and data
archive.py             code units packed for script mode
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TypeVar

from mlci.errors import InputError, Problem
from mlci.flow.models import Flow, ImageFolder, RepositoryPath, Step
from mlci.stage.cache import Cache, cache_folder
from mlci.stage.code_units import code_root, code_unit, folder_of
from mlci.stage.file_hashes import FileHashes
from mlci.stage.git_files import GitFiles
from mlci.stage.image_contexts import image_context
from mlci.stage.image_uris import UnknownImage, check_runs_scripts, image_uri, is_framework
from mlci.stage.included_files import included_files
from mlci.stage.inference_script import InferenceScript, inference_of, inference_script
from mlci.stage.models import CodeUnit, DataUnit, ImageContext, Staged, StagedFile
from mlci.stage.nearest_path import nearest_path
from mlci.stage.repository import (
    CheckedRepository,
    OutsideRepository,
    Repository,
    UnusableFile,
    find_repository,
    hash_data,
    hash_folder,
)
from mlci.stage.requirements_files import UnusableRequirements
from mlci.step_types import STEP_TYPES

__all__ = [
    "Cache",
    "CodeUnit",
    "DataUnit",
    "ImageContext",
    "Repository",
    "Staged",
    "StagedFile",
    "cache_folder",
    "find_repository",
    "stage",
]

T = TypeVar("T")


def stage(flow: Flow, repository: Repository, region: str, cache: Cache) -> Staged:
    """Reads and hashes all files that the flow's steps need from the repository, and resolves their images.

    Raises: InputError with every problem: files that are missing, unreadable, empty or outside of the repository,
    scripts that do not parse, images that SageMaker does not have.
    """
    repository = CheckedRepository(repository.root, repository.base)
    hashes = FileHashes(cache, repository.root)
    staging = _Staging(flow, repository, hashes)
    code: dict[str, CodeUnit] = {}
    images: dict[str, str] = {}
    contexts: dict[str, ImageContext] = {}
    data: dict[str, DataUnit] = {}
    for step in flow.steps.values():
        code |= staging.code(step)
        algorithm = step.values.get("algorithm")
        if isinstance(algorithm, str):
            work = partial(_sagemaker_image, step, algorithm, region, cache)
            images |= staging.attempt(step, "algorithm", work)
        elif isinstance(step.image, ImageFolder):
            contexts |= staging.image_context(step, step.image)
        elif step.image is not None:
            images |= staging.attempt(step, "image", partial(_image, step, step.image, region, cache))
        for name, source in step.inputs.items():
            if isinstance(source, RepositoryPath) and source.path not in data:
                path = STEP_TYPES[step.uses].input_path(name)
                units = staging.attempt(step, path[0], partial(_data_unit, source.path, repository, hashes), *path[1:])
                data |= {unit.path: unit for unit in units.values()}
    hashes.save()
    if staging.problems:
        raise InputError(list(dict.fromkeys(staging.problems)))  # cells of a matrix have theirs in common
    return Staged(code, data, images, contexts)


class _Staging:
    """The staging of a flow's steps, with the problems so far."""

    def __init__(self, flow: Flow, repository: Repository, hashes: FileHashes) -> None:
        self.problems: list[Problem] = []
        self._flow, self._repository, self._git_files = flow, repository, GitFiles(repository)
        self._hashes = hashes
        self._contexts: dict[tuple[str, str], ImageContext] = {}

    def attempt(self, step: Step, key: str, work: Callable[[], T], *rest: str) -> dict[str, T]:
        """Returns the result of `work` by the step's name; notes a problem at a key of the flow if it fails."""
        try:
            return {step.name: work()}
        except UnknownImage as error:
            at = self._flow.position(*_written(self._flow, step, key))
            self.problems.append(Problem(at.file, at.line, at.column, *error.args))
        except _REFUSALS as error:
            key = "requirements" if isinstance(error, UnusableRequirements) else key
            at = self._flow.position(*_written(self._flow, step, key), *rest)
            what, hint = _described(error, self._repository)
            name = step.cell.step if step.cell else step.name
            self.problems.append(Problem(at.file, at.line, at.column, f'step "{name}": {what}', hint))
        return {}

    def image_context(self, step: Step, image: ImageFolder) -> dict[str, ImageContext]:
        """Returns what a step's image is built from, by the step's name. Each folder is read once."""
        key = (image.path, image.dockerfile)
        if key not in self._contexts:
            work = partial(image_context, image, self._repository, self._git_files, self._hashes)
            found = self.attempt(step, "image", work)
            if not found:
                return {}
            self._contexts[key] = found[step.name]
        return {step.name: replace(self._contexts[key], args=image.args)}

    def code(self, step: Step) -> dict[str, CodeUnit]:
        """Returns the code of a step's script by the step's name; nothing for a step without one."""
        if step.run is None:
            return {}
        folders = {"source": step.source, "working_dir": step.working_dir}
        found = [
            self.attempt(step, key, partial(folder_of, self._repository, path, key))
            for key, path in folders.items()
            if path is not None
        ]
        if not all(found):
            return {}
        included = self.attempt(step, "include", partial(included_files, step, self._repository, self._git_files))
        inference = self._inference(step)
        if inference is None and inference_of(step) is not None:
            return {}
        files = included.get(step.name, ())
        work = partial(code_unit, self._flow, step, step.run, self._repository, self._git_files, files, inference)
        return self.attempt(step, "run", work)

    def _inference(self, step: Step) -> InferenceScript | None:
        path = inference_of(step)
        if path is None:
            return None
        root = code_root(step, self._repository)
        work = partial(inference_script, step, path, self._repository, root)
        return self.attempt(step, "inference", work).get(step.name)


def _written(flow: Flow, step: Step, key: str) -> tuple[str, ...]:
    """Returns where the flow gives a key of a step: in the step, or in `defaults`."""
    own = ("steps", step.name, key)
    return own if own in flow.positions or ("defaults", key) not in flow.positions else ("defaults", key)


_REFUSALS = (OutsideRepository, SyntaxError, UnusableFile, OSError)


def _described(error: Exception, repository: Repository) -> tuple[str, str]:
    """Returns the problem and its hint."""
    match error:
        case OutsideRepository():
            return str(error), "Only what lies in the repository can be staged."
        case FileNotFoundError():
            path = str(error.args[-1])
            near = nearest_path(repository, path)
            hint = f'Did you mean "{near}"?' if near else f"Paths are relative to {repository.base}."
            return f'"{path}" does not exist', hint
        case SyntaxError():
            return f"{error.filename}:{error.lineno}:{error.offset}: {error.msg}", "The script does not parse."
        case UnusableFile(args=(what, hint)):
            return what, hint
        case OSError():
            return f'"{error.filename}" can\'t be read: {error.strerror}', "Check its permissions."
    raise error


def _data_unit(path: str, repository: Repository, hashes: FileHashes) -> DataUnit:
    location = repository.find(path)
    if location.is_dir():
        files = hash_folder(location, repository, hashes)
        if not files:
            raise UnusableFile(f'the folder "{path}" is empty', "A job needs at least one file of each input.")
        return DataUnit(path, files, is_folder=True)
    if not location.is_file():
        raise UnusableFile(f'"{path}" is neither a file nor a folder', "Sockets, pipes and devices can't be staged.")
    return DataUnit(path, (hash_data(location, location.name, hashes),), is_folder=False)


def _image(step: Step, image: str, region: str, cache: Cache) -> str:
    if not is_framework(image):
        return image
    if STEP_TYPES[step.uses].image_scope != "inference":
        check_runs_scripts(image)
    return _sagemaker_image(step, image, region, cache)


def _sagemaker_image(step: Step, image: str, region: str, cache: Cache) -> str:
    """Returns the URI of an image of SageMaker's: of a framework, or of a built-in algorithm."""
    scope = STEP_TYPES[step.uses].image_scope
    assert scope is not None  # a step with an image has one
    key = ["image", image, region, step.instance, scope]
    return cache.get(key, lambda: image_uri(image, region, step.instance, scope))
