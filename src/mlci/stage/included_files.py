"""The files that a step's `include` names: what git does not ignore, and ignored files by their own names."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from mlci.flow.models import Step
from mlci.stage.git_files import GitFiles
from mlci.stage.repository import OutsideRepository, Repository, UnusableFile, is_ignored


def included_files(step: Step, repository: Repository, git_files: GitFiles) -> tuple[Path, ...]:
    """Return the files that a step's `include` names.

    Raises: OutsideRepository, UnusableFile.
    """
    found = tuple(_included(step, repository, git_files))
    source = None if step.source is None else repository.find(step.source)
    for location in found:
        if source is not None and not location.is_relative_to(source):
            what = f'"{repository.relative(location)}" in `include` lies outside of `source`, which is all that is sent'
            raise UnusableFile(what, "Move it there, or leave `source` out.")
    return found


def _included(step: Step, repository: Repository, git_files: GitFiles) -> Iterator[Path]:
    for pattern in step.include:
        if Path(pattern).is_absolute() or ".." in Path(pattern).parts:
            raise OutsideRepository(f'"{pattern}" in `include` leaves the repository')
        named = repository.base / pattern
        if named.is_file():
            repository.check(named, repository.relative(named))
            yield named
            continue
        found = list(_files(repository, pattern))
        if not found:
            raise UnusableFile(f'"{pattern}" in `include` matches no file', "Patterns are like `src/shared/**/*.json`.")
        kept = [location for location in found if not git_files.is_ignored(location)]
        if not kept:
            names = ", ".join(location.relative_to(repository.base).as_posix() for location in found[:3])
            more = f" and {len(found) - 3} more" if len(found) > 3 else ""
            what = f'"{pattern}" in `include` matches only files that git ignores: {names}{more}'
            raise UnusableFile(what, "Name each of them that is needed, without * or ?.")
        yield from kept


def _files(repository: Repository, pattern: str) -> Iterator[Path]:
    for location in _matches(repository.base, pattern):
        if is_ignored(location.relative_to(repository.base)):
            continue
        repository.check(location, repository.relative(location))
        yield from repository.walk(location) if location.is_dir() else (location,)


def _matches(base: Path, pattern: str) -> list[Path]:
    """Return the files and folders that match a pattern; "." is the flow's own folder."""
    if not Path(pattern).parts:
        return [base]
    try:
        if any("**" in part and part != "**" for part in Path(pattern).parts):  # Python 3.13 takes it for "*"
            raise ValueError("** stands for whole folders")
        return sorted(base.glob(pattern))
    except (ValueError, IndexError, NotImplementedError) as error:  # such as "[": Python's versions differ in which
        raise UnusableFile(
            f'"{pattern}" in `include` is not a pattern: {error}', "Patterns are like `src/shared/**/*.json`."
        ) from error
