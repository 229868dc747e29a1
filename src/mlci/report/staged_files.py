"""The files that a plan stages for each step, with their sizes: a part of `mlci plan`."""

from __future__ import annotations

from collections.abc import Iterator

from mlci.flow.models import RepositoryPath
from mlci.plan.models import Plan, PlannedStep
from mlci.report.formatting import count, size
from mlci.stage.models import CodeUnit, StagedFile

#: As many files of a step are named one by one, the largest of those that are more.
_NAMED = 20


def staged_files(planned: Plan) -> str:
    """Return a paragraph with the code of each step and the data that it reads from the repository."""
    return "\n".join(["files", *_lines(planned)])


def _lines(planned: Plan) -> Iterator[str]:
    for name in planned.written_steps:
        step = planned.cells(name)[0]
        if step.code is not None:
            yield f"  {name}: {_start(step.code)}, {_total(step.code.files)}"
            yield from _named(step.code.files)
        yield from _data(planned, step)


def _start(code: CodeUnit) -> str:
    """Return what starts, and whose it is where that may be in doubt."""
    run = code.start.run
    if "script" in run:
        return str(run["script"])
    if "module" in run:
        return f"-m {run['module']} of the {'repository' if code.files else 'image'}"
    return f"{' '.join(code.start.command)}, a program of the image"


def _data(planned: Plan, step: PlannedStep) -> Iterator[str]:
    for name, source in planned.flow.steps[step.name].inputs.items():
        if isinstance(source, RepositoryPath) and source.path in planned.data:
            yield f"    input {name}: {source.path}, {_total(planned.data[source.path].files)}"


def _total(files: tuple[StagedFile, ...]) -> str:
    return f"{count(len(files), 'file')}, {size(sum(file.size_bytes for file in files))}"


def _named(files: tuple[StagedFile, ...]) -> Iterator[str]:
    shown = sorted(sorted(files, key=lambda file: -file.size_bytes)[:_NAMED], key=lambda file: file.path)
    width = max((len(file.path) for file in shown), default=0)
    for file in shown:
        yield f"    {file.path:{width}}  {size(file.size_bytes)}"
    if len(files) > len(shown):
        yield f"    … and {len(files) - len(shown)} smaller"
