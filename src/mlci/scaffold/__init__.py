"""The small working flow that `mlci init` puts into another repository; `files/` holds it as it is written there."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

from mlci.errors import InputError
from mlci.flow import schema
from mlci.provision.install_files import install_files

_FILES = Path(__file__).parent / "files"
_IGNORED = ".mlci/"
_BUILDSPEC = "buildspec.yaml"
#: What the first line of the template's flow.yaml points editors to.
SCHEMA = Path(".github/flow.schema.json")


def install(folder: Path) -> Iterator[Path]:
    """Writes the template below a folder, and yields each file that it wrote. No existing file is changed, but for
    a line that is appended to .gitignore. A buildspec.yaml that is there already is the repository's own.

    Raises: InputError, before anything is written, where another file of the template exists already.
    """
    sources = sorted(path for path in _FILES.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    if (folder / _BUILDSPEC).exists():
        sources.remove(_FILES / _BUILDSPEC)
    targets = [folder / source.relative_to(_FILES) for source in sources]
    taken = [str(target) for target in [*targets, folder / SCHEMA] if target.exists()]
    if taken:
        raise InputError(
            f"already there: {', '.join(taken)}",
            "`mlci init` changes no file: name another folder, or move these away.",
        )
    try:
        for source, target in zip(sources, targets, strict=True):
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(_filled(source, folder), encoding="utf-8")
            yield target
        schema_file = folder / SCHEMA
        schema_file.parent.mkdir(exist_ok=True)
        schema_file.write_text(json.dumps(schema(), indent=2) + "\n", encoding="utf-8")
        yield schema_file
        yield from _ignore(folder / ".gitignore")
    except OSError as error:
        raise InputError(
            f'"{error.filename}" can\'t be written: {error.strerror}', "Name a folder that you may write to."
        ) from error


def buildspec() -> str:
    """Return the buildspec.yaml of a repository with a flow: the commands that CodeBuild runs."""
    return _filled(_FILES / _BUILDSPEC, Path())


def _filled(source: Path, folder: Path) -> str:
    text = source.read_text(encoding="utf-8").replace("FLOW_NAME", _flow_name(folder))
    if source.name == _BUILDSPEC:
        files = install_files()
        text = text.replace("INSTALL_SHA256", files.sha256).replace("INSTALL_VERSION", files.version)
    return text


def _ignore(file: Path) -> Iterator[Path]:
    """Writes `.mlci/` to .gitignore, unless it is there."""
    text = file.read_text(encoding="utf-8") if file.exists() else ""
    if _IGNORED not in text.split():
        file.write_text(text + ("" if text.endswith("\n") or not text else "\n") + _IGNORED + "\n", encoding="utf-8")
        yield file


def _flow_name(folder: Path) -> str:
    """Returns the folder's name as the name of a flow."""
    plain = re.sub(r"[^a-zA-Z0-9]+", "-", folder.resolve().name).strip("-")[:40].rstrip("-")
    return plain if re.match(r"[a-zA-Z]", plain) else f"flow-{plain}".rstrip("-")
