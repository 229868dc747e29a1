"""The folder that an image is built from: the files that the builder gets, hashed."""

from __future__ import annotations

import os

from mlci.flow.models import ImageFolder
from mlci.stage.file_hashes import FileHashes
from mlci.stage.git_files import GitFiles
from mlci.stage.models import ImageContext
from mlci.stage.repository import Repository, UnusableFile, hash_data


def image_context(image: ImageFolder, repository: Repository, git_files: GitFiles, hashes: FileHashes) -> ImageContext:
    """Return what an image is built from: the files of its folder that git does not ignore.

    Raises: OutsideRepository, UnusableFile, FileNotFoundError.
    """
    folder = repository.find(image.path)
    if not folder.is_dir():
        raise UnusableFile(f'"{image.path}" is a file', "`build` names the folder with the Dockerfile.")
    locations = [location for location in repository.walk(folder) if not git_files.is_ignored(location)]
    files = {location.relative_to(folder).as_posix(): location for location in locations}
    if image.dockerfile not in files:
        others = sorted(path for path in files if "dockerfile" in path.lower() and not path.endswith(".dockerignore"))
        hint = f"There is: {', '.join(others)}" if others else "Write one, or name the folder that has it."
        raise UnusableFile(f'the folder "{image.path}" has no "{image.dockerfile}"', hint)
    return ImageContext(
        folder=image.path,
        dockerfile=image.dockerfile,
        args=image.args,
        files=tuple(hash_data(location, path, hashes) for path, location in sorted(files.items())),
        executables=frozenset(path for path, location in files.items() if os.access(location, os.X_OK)),
    )
