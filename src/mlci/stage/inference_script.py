"""The script that serves a model, and what it imports from the repository: it goes into the model with the training."""

from __future__ import annotations

import posixpath
from pathlib import Path

from mlci.flow.models import Json, Step
from mlci.stage.python_imports import imports_of
from mlci.stage.repository import Repository, UnusableFile
from mlci.step_types.base import Container
from mlci.step_types.sagemaker_models import CODE_FOLDER
from mlci_dataclasses import dataclass


@dataclass(frozen=True)
class InferenceScript:
    """The script and what it imports, in the repository's own paths. `roots` are where imports start, beside its own
    folder."""

    script: Path
    files: tuple[Path, ...]
    roots: tuple[Path, ...]

    def feature(self, container: Container, root: Path) -> dict[str, Json]:
        """Return the value of the starter's feature, for code whose root is a folder."""
        files: list[Json] = [*sorted(file.relative_to(root).as_posix() for file in self.files)]
        roots: list[Json] = [each.relative_to(root).as_posix() for each in self.roots]
        return {
            "folder": posixpath.relpath(CODE_FOLDER, container.code),
            "script": self.script.relative_to(root).as_posix(),
            "files": files,
            "import_roots": roots,
        }


def inference_of(step: Step) -> str | None:
    """Return the path that the step's `inference` gives; None if it gives none."""
    match step.values.get("inference"):
        case str(path) | (str(path),):
            return path
    return None


def inference_script(step: Step, path: str, repository: Repository, root: Path) -> InferenceScript:
    """Return the script at a path, which is relative to `source` or else to the flow file's folder, as `run` is.

    Raises: OutsideRepository, UnusableFile, FileNotFoundError, SyntaxError.
    """
    script = repository.find(path if step.source is None else posixpath.join(step.source, path))
    if script.is_dir() or script.suffix != ".py":
        raise UnusableFile(f'"{path}" is no Python script', "`inference` names one, with model_fn and its like.")
    if not script.is_relative_to(root):
        raise UnusableFile(f'"{path}" lies outside of `source`', "`inference` is relative to `source`.")
    base = root if step.source is not None else repository.base
    found = imports_of(script, tuple(dict.fromkeys((base, base / "src", root, root / "src"))))
    for file in (script, *found.files):
        if not file.is_relative_to(root):
            raise UnusableFile(f'"{path}" imports "{repository.relative(file)}", which lies outside of `source`', "")
    return InferenceScript(script, (script, *found.files), found.roots)
