"""Notes about limits of the gate that are finer than the cases of an earlier run can tell."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from mlci.cli.flow_file import cache_of, runs_of
from mlci.errors import CloudError, InputError

if TYPE_CHECKING:
    from mlci.cli.run_context import RunSession
    from mlci.flow.models import Flow
    from mlci.runs.run_folder import RunFolder

#: So many of the newest runs are looked at for the cases of a step.
_RUNS = 5
#: A larger table is not read for a note.
_MAX_BYTES = 16 * 1024 * 1024


def notes_by_runs_here(flow: Flow, flow_file: Path) -> list[str]:
    """The notes by the newest runs on this machine; none where there are none. Asks no cloud."""
    from mlci.s3_uris import split_s3_uri

    runs = runs_of(flow_file)

    def read(uri: str) -> bytes | None:
        bucket, key = split_s3_uri(uri)
        if ".." in (bucket, *key.split("/")):
            return None
        try:
            file = runs.home / "store" / bucket / key
            return file.read_bytes() if file.is_file() and file.stat().st_size <= _MAX_BYTES else None
        except OSError:
            return None

    try:
        return _notes(flow, {}, runs.all(), "local", read)
    except InputError:  # the folder of runs can't be read
        return []


def notes_by_baseline(flow: Flow, baseline: Mapping[str, str], session: RunSession) -> list[str]:
    """The notes by the cases of the baseline, or of the newest runs. `baseline` has the URIs of its files of cases."""

    def read(uri: str) -> bytes | None:
        try:
            data = session.cloud.read(uri, _MAX_BYTES + 1)
        except CloudError:
            return None
        return data if data is not None and len(data) <= _MAX_BYTES else None

    return _notes(flow, baseline, session.context.folder.siblings(), session.cloud.name, read)


def _notes(
    flow: Flow,
    baseline: Mapping[str, str],
    folders: Iterable[RunFolder],
    cloud: str,
    read: Callable[[str], bytes | None],
) -> list[str]:
    if not any(rule.reads_cases for rule in flow.gate):
        return []
    from mlci import gate
    from mlci.gate.weak_limits import is_about_shares
    from mlci.stage.cache import code_stamp

    tables: dict[str, bytes] = {}
    for step in dict.fromkeys(rule.step for rule in flow.gate if is_about_shares(rule)):
        path = flow.steps[step].cases if step in flow.steps else None
        if path is None:
            continue
        known = [baseline[step]] if step in baseline else _uris(flow, step, path, folders, cloud)
        data = next((found for uri in known if (found := read(uri)) is not None), None)
        if data is not None:
            tables[step] = data
    if not tables:
        return []
    has_statistics = find_spec("scipy") is not None
    digests = {step: hashlib.sha256(data).hexdigest() for step, data in tables.items()}
    code = code_stamp(folder for package in gate.__path__ for folder in (Path(package), Path(package, "statistics")))
    # They are remembered: scipy takes longer to import than all else that `mlci validate` does.
    key = ["limit notes", code, repr(flow.gate), digests, has_statistics]
    notes = cache_of().get(key, lambda: json.dumps(_found_notes(flow, tables, has_statistics)))
    return [str(note) for note in json.loads(notes)]


def _found_notes(flow: Flow, tables: Mapping[str, bytes], has_statistics: bool) -> list[str]:
    """The notes by tables of cases, by step. One that can't be read is left out: the run that reads it says so."""
    from mlci.gate.cases_file import Cases, InvalidCases, parse_cases
    from mlci.gate.weak_limits import weak_limits

    parsed: dict[str, Cases] = {}
    for step, data in tables.items():
        with contextlib.suppress(InvalidCases, InputError, ImportError):
            parsed[step] = parse_cases(data, flow.steps[step].cases or "")
    return list(weak_limits(flow.gate, parsed, has_statistics))


def _uris(flow: Flow, step: str, path: str, folders: Iterable[RunFolder], cloud: str) -> list[str]:
    """The URIs of a step's cases in the newest runs."""
    from itertools import islice

    from mlci.runs.earlier_runs import earlier_runs

    output, _, file = path.partition("/")
    found = (run.output(step, output) for run in islice(earlier_runs(folders, flow.name, cloud), _RUNS))
    return [f"{uri}{file}" for uri in found if uri is not None]
