"""A repository as `mlci init` finds it: its files, and what of them tells how the model is made."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import field
from functools import cached_property
from pathlib import Path
from typing import Any  # what a YAML or JSON file holds

from mlci_dataclasses import dataclass

_SKIPPED = frozenset({".git", ".mlci", ".venv", "venv", ".dvc", "__pycache__", "node_modules", ".tox", ".github"})
_MAX_FILES = 20_000
_MAX_BYTES = 1_000_000
_CODE = (".py", ".sh")
#: Endings of files with code that no step starts as it is.
_OTHER_CODE = (".ipynb", ".R", ".r", ".jl")
#: Where scripts look for their settings.
_CONFIG_FILES = ("params.yaml", "config.yaml", "config.yml", "config.json", "config.toml")
_CONFIG_FOLDERS = ("conf", "config", "configs")
_IMAGES = (  # the framework among the requirements, and the image of SageMaker that has it
    ("torch", "pytorch:2.3"),
    ("tensorflow", "tensorflow:2.14@py310"),
    ("xgboost", "xgboost:1.7-1"),
)


@dataclass(frozen=True)
class Survey:
    """The files of a repository, relative to its folder, with `/`. Those that git ignores count: data often is."""

    folder: Path
    files: frozenset[str] = field(default_factory=frozenset)

    @cached_property
    def folders(self) -> frozenset[str]:
        return frozenset(
            str(parent) for name in self.files for parent in Path(name).parents if str(parent) not in ("", ".")
        )

    @property
    def has_code(self) -> bool:
        """True if there is anything that a flow could be drafted from."""
        return any(name.endswith((*_CODE, *_OTHER_CODE)) and name not in _NO_STEPS for name in self.files) or any(
            name in self.files for name in ("dvc.yaml", "MLproject")
        )

    @property
    def config(self) -> list[str]:
        """The files that scripts may read their settings from, as globs of `include`."""
        folders = (f"{name}/**" for name in _CONFIG_FOLDERS if name in self.folders)
        return [*(name for name in _CONFIG_FILES if name in self.files), *folders]

    def is_code(self, path: str) -> bool:
        """True for a file with code, and for a folder with nothing but code."""
        if path in self.files:
            return path.endswith(_CODE)
        below = [name for name in self.files if name.startswith(f"{path}/")]
        return bool(below) and all(name.endswith((*_CODE, ".yaml", ".yml", ".toml", ".md")) for name in below)

    def text(self, path: str) -> str:
        """The text of a file; empty if it has none that can be read."""
        try:
            with (self.folder / path).open("rb") as stream:
                return stream.read(_MAX_BYTES).decode("utf-8", "replace")
        except OSError:
            return ""

    def yaml(self, path: str) -> Any:
        """The content of a YAML, JSON or TOML file; None if it is not there, or is none."""
        import yaml

        text = self.text(path)
        try:
            return json.loads(text) if path.endswith(".json") else yaml.safe_load(text) if text else None
        except (ValueError, yaml.YAMLError, RecursionError):
            return None

    def numbers(self, path: str, limit: int = 5) -> Iterator[str]:
        """Yields the names of the numbers in a JSON file of metrics."""
        found = _numbers(self.yaml(path))
        yield from (name for _, name in zip(range(limit), found))  # noqa: B905 - the shorter one ends it

    @property
    def requirements(self) -> tuple[str, ...]:
        """The files that pip installs the project's packages from."""
        for name in ("requirements.txt", "src/requirements.txt"):
            if name in self.files:
                return (name,)
        text = self.text("pyproject.toml")
        return ("pyproject.toml",) if "[project]" in text else ()

    @property
    def image(self) -> str:
        """The image of SageMaker that is likely to fit."""
        text = "\n".join(self.text(name) for name in self.requirements).lower()
        return next((image for word, image in _IMAGES if word in text), "sklearn:1.2-1")


#: Python files of a repository that no step runs.
_NO_STEPS = frozenset({"setup.py", "pipeline.py", "conftest.py", "noxfile.py", "docs/conf.py"})


def survey(folder: Path) -> Survey:
    """Returns the files of a folder; those that git knows and ignores, but not the folders that tools leave behind."""
    return Survey(folder, frozenset(_walk(folder)))


def _walk(folder: Path) -> Iterator[str]:
    count = 0
    for current, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if name not in _SKIPPED and not name.endswith(".egg-info"))
        for name in sorted(files):
            yield (Path(current) / name).relative_to(folder).as_posix()
            count += 1
            if count == _MAX_FILES:
                return


def _numbers(value: Any, prefix: str = "") -> Iterator[str]:
    if isinstance(value, Mapping):
        for name, item in value.items():
            yield from _numbers(item, f"{prefix}.{name}" if prefix else str(name))
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield prefix
