"""Reports the file of the repository that a failed step's script missed, because the job was not sent it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import replace

from mlci.backends.progress import Progress
from mlci.plan.models import Plan
from mlci.stage.repository import OutsideRepository, Repository
from mlci.step_types import STEP_TYPES

#: As Python writes the path (FileNotFoundError), and as programs do (cat: a.txt: No such file or directory).
_MISSING = r"No such file or directory: '([^'\n]+)'|(?:^|[\s:'\"])([^\s:'\"]+)'?: No such file or directory"


def explain_unsent(before: Progress, progress: Progress, planned: Plan, repository: Repository) -> Progress:
    """Return the progress, in which the reason of a step that just failed tells which file it was not sent."""
    explained = {}
    for name in progress.changed:
        step = progress.steps[name]
        if step.status != "failed" or before.steps[name].status == "failed" or not step.reason:
            continue
        unsent = next(_unsent(name, step.reason, planned, repository), None)
        if unsent is not None:
            sentence = (
                f'"{unsent}" is in the repository, and was not sent to the job: name it under "include", or under '
                f'"inputs" with "from" and "path"'
            )
            explained[name] = replace(step, reason=f"{sentence}. {step.reason}")
    return replace(progress, steps={**progress.steps, **explained}) if explained else progress


def _unsent(name: str, reason: str, planned: Plan, repository: Repository) -> Iterator[str]:
    """Yield the paths in a reason that are files or folders of the repository, as the flow would write them."""
    code, container = planned.steps[name].code, STEP_TYPES[planned.flow.steps[name].uses].container
    if code is None or container is None:
        return
    root = repository.base / (planned.flow.steps[name].source or os.path.relpath(repository.root, repository.base))
    for groups in re.findall(_MISSING, reason):
        missing = next(group for group in groups if group)
        inside = os.path.relpath(os.path.join(container.code, code.start.working_dir, missing), container.code)
        if inside == "." or inside.startswith(".."):
            continue
        path = os.path.relpath(root / inside, repository.base)
        try:
            repository.find(path)
        except (OutsideRepository, OSError, ValueError):
            continue
        yield path.replace(os.sep, "/")
