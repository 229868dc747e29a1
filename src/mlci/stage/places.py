"""The places of a step's inputs and outputs that its script reads and writes by relative paths, for the starter."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping

from mlci.flow.models import BaselineOutput, Json, RepositoryPath, S3Location, Source, Step, StepOutput
from mlci.step_types import STEP_TYPES


def places(step: Step, steps: Mapping[str, Step]) -> dict[str, Json]:
    """Return the value of the starter's feature: the places of a step that runs a script."""
    container = STEP_TYPES[step.uses].container
    assert container is not None
    inputs: list[Json] = [
        {**_place(name, container.input(name), path, container.code), **_content(path, step.inputs[name], steps)}
        for name, path in step.input_paths.items()
        if name in step.inputs
    ]
    outputs: list[Json] = [
        _place(name, container.output(name), path, container.code) for name, path in step.output_paths.items()
    ]
    return {key: found for key, found in (("inputs", inputs), ("outputs", outputs)) if found}


def _place(name: str, folder: str, path: str, code: str) -> dict[str, Json]:
    return {"name": name, "folder": posixpath.relpath(folder, code), "path": path}


def _content(path: str, source: Source, steps: Mapping[str, Step]) -> dict[str, Json]:
    """Return the names that the input's only file may have, and the archive in which it may be."""
    names = [posixpath.basename(path)]
    archive: dict[str, Json] = {}
    match source:
        case RepositoryPath(inner):
            names.append(posixpath.basename(inner))
        case S3Location(uri):
            names.append(posixpath.basename(uri))
        case StepOutput() | BaselineOutput():
            writer = steps[source.steps[0] if isinstance(source, StepOutput) else source.step]
            container = STEP_TYPES[writer.uses].container
            names.append(posixpath.basename(writer.output_paths.get(source.output, "")))
            if container and container.archive and container.archive not in names:
                archive = {"archive": container.archive}
    named: list[Json] = [name for name in dict.fromkeys(names) if name]
    return {"names": named, **archive}
