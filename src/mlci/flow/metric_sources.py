"""`metrics` and `metric_definitions` of a step: the files and the lines of its output that hold its metrics."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from mlci.flow.models import Json, MetricDefinition, MetricsFiles
from mlci.flow.problems import Candidates, Problems, listed, nearest
from mlci.step_types.keys import Key

if TYPE_CHECKING:
    from mlci.flow.yaml_document import Path

#: The folder in a container that jobs read and write in, and that paths which begin at the top are below.
CONTAINER_ROOT = "/opt/ml/"
#: Files that are no JSON are read by their suffix. The state machine reads JSON alone.
_OTHER_FORMATS = (".yaml", ".yml", ".csv", ".tsv")
_MAX_PATH_CHARS = 1_024
_HINT = "Write <output>/<path of a file in it>, or a path in the script's working folder, such as reports/metrics.json"


def build_metrics_files(
    written: Json, path: Path, outputs: Sequence[str] | None, problems: Problems
) -> tuple[MetricsFiles, ...]:
    """Return the files that `metrics` names. `outputs` are the names of the step's; None if they are not known."""
    if problems.is_suspect(path):
        return ()
    if not written:
        problems.at(path, f'"{path[-1]}" names no file', _HINT)
    found = [_files(text, name, place, outputs, problems) for text, name, place in _entries(written, path)]
    return tuple(files for files in found if files is not None)


def is_read_in_place(files: Sequence[MetricsFiles], definitions: Sequence[MetricDefinition]) -> bool:
    """Return True if the metrics are a single JSON file in an output, which the state machine can read there."""
    if len(files) != 1 or definitions:
        return False
    [only] = files
    is_plain = not only.name and not re.search(r"[*?\[]", only.pattern)
    return only.root == "outputs" and is_plain and not only.pattern.endswith(_OTHER_FORMATS)


def build_definitions(
    written: Sequence[Mapping[str, str]], path: Path, key: Key, problems: Problems
) -> tuple[MetricDefinition, ...]:
    """Return the metrics that `metric_definitions` finds in the step's output."""
    if key.max_items is not None and len(written) > key.max_items:
        problems.at_key(path, f'"{path[-1]}" has {len(written)} items', f"AWS allows {key.max_items}")
    names: list[str] = []
    for index, definition in enumerate(written):
        for field, value in definition.items():
            place = (*path, index, field)
            if not problems.is_suspect(place):
                _check_field(place, field, value, key.max_chars, problems)
        if definition["name"] in names and not problems.is_suspect((*path, index, "name")):
            what = f'the metric "{definition["name"]}" is defined twice'
            problems.at((*path, index, "name"), what, "Remove one, or write one regex for both: a|b")
        names.append(definition["name"])
    return tuple(MetricDefinition(each["name"], each["regex"]) for each in written)


def _check_field(place: Path, field: str, value: str, max_chars: int | None, problems: Problems) -> None:
    """Source: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_MetricDefinition.html"""
    most = 255 if field == "name" else max_chars
    if not value or not value.isprintable():
        problems.at(place, f'"{field}" must be a line of text', "Such as: name: val_loss, regex: 'val_loss=([0-9.]+)'")
    elif most is not None and len(value) > most:
        problems.at(place, f'"{field}" has {len(value)} characters', f"AWS allows {most}")
    elif field == "regex":
        try:
            re.compile(value)
        except (re.error, OverflowError, RecursionError) as error:
            problems.at(
                place, f'"{value[:80]}" is not a regular expression: {error}', "In YAML, put it in single quotes"
            )


def _entries(written: Json, path: Path) -> Iterator[tuple[str, str, Path]]:
    """Yield each path, the name for its metrics, and its place in the file."""
    match written:
        case str():
            yield written, "", path
        case list():
            yield from ((str(text), "", (*path, index)) for index, text in enumerate(written))
        case dict():
            yield from ((str(text), name, (*path, name)) for name, text in written.items())


def _files(text: str, name: str, place: Path, outputs: Sequence[str] | None, problems: Problems) -> MetricsFiles | None:
    if problems.is_suspect(place):
        return None
    if name and (len(name) > 80 or not name.isprintable()):
        problems.at_key(place, f'"{name[:80]}" is no name for metrics', "Such as: train")
    if text.startswith(CONTAINER_ROOT):
        root, pattern = "container", text.removeprefix(CONTAINER_ROOT)
    else:
        root, pattern = "working_dir", text.removeprefix("./")
    parts = pattern.split("/")
    is_path = {"", ".", ".."}.isdisjoint(parts) and text.isprintable() and "\\" not in text
    if not is_path or len(text) > _MAX_PATH_CHARS:
        problems.at(place, f'"{text[:80]}" does not name a file', _HINT)
        return None
    if root == "container":
        return MetricsFiles(pattern, "container", name)
    if text.startswith("./") or outputs is None:
        return MetricsFiles(pattern, "working_dir", name)
    if parts[0] in outputs and len(parts) == 1:
        problems.at(
            place, f'"{text}" is an output, and "metrics" names a file', f"Such as {posixpath.join(text, '*.json')}"
        )
    elif parts[0] in outputs:
        return MetricsFiles(pattern, "outputs", name)
    elif len(parts) > 1 and nearest(parts[0], outputs):
        what = f'"metrics" is in "{parts[0]}", which is no output of step "{place[1]}"'
        hint = f"Its outputs are {listed(outputs)}"
        problems.at(place, what, hint, Candidates(parts[0], tuple(outputs)))
    return MetricsFiles(pattern, "working_dir", name)
