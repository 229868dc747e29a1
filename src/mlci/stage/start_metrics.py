"""The metrics of a step in its start document: the files and the lines that hold them. Pure."""

from __future__ import annotations

import posixpath

from mlci.flow.metric_sources import CONTAINER_ROOT
from mlci.flow.models import Json, MetricsFiles, Step
from mlci.step_types.base import Container


def metrics_feature(step: Step, container: Container) -> dict[str, Json]:
    """Return the part of the start document that `starter/mlci_start_metrics.py` reads.

    Folders are relative to the code's, wherever that is on the machine that runs the job.
    """
    return {
        "files": [_files(files, step, container) for files in step.metrics],
        "definitions": [{"name": each.name, "regex": each.regex} for each in step.metric_definitions],
        "target": posixpath.relpath(container.metrics_of(step.keeps_checkpoints), container.code),
    }


def _files(files: MetricsFiles, step: Step, container: Container) -> Json:
    entry: dict[str, Json] = {"pattern": files.pattern}
    if files.name:
        entry["name"] = files.name
    match files.root:
        case "container":
            return {**entry, "root": posixpath.relpath(CONTAINER_ROOT, container.code), "prefix": CONTAINER_ROOT}
        case "outputs":
            output, _, rest = files.pattern.partition("/")
            written = step.output_paths.get(output)
            if written is None:
                return {**entry, "root": posixpath.relpath(container.outputs, container.code)}
            is_file = rest == posixpath.basename(written)
            return {**entry, "pattern": written if is_file else f"{written}/{rest}"}
        case "working_dir":
            return entry
