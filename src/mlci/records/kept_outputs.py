"""The outputs of merged code's runs, copied to where they outlive these runs: what records and baselines name."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Mapping

from mlci.backends.at_once import at_once
from mlci.backends.protocol import Cloud, ObjectCopy
from mlci.plan.models import Plan, S3Uri
from mlci.plan.names import Names, baseline_outputs

#: What is before the folder of a step in the URI of an output, of this run or of a record.
_RUN_FOLDER = r"s3://.*?/(runs|records/outputs)/[^/]+/"
#: Copies are told from this size on, and then every so many seconds.
_TOLD_BYTES, _EVERY_S = 100_000_000, 10.0


def keep_outputs(
    folders: Mapping[S3Uri, S3Uri], cloud: Cloud, log: Callable[[str], None], most: int | None = None
) -> None:
    """Copy the objects below each URI to below another one; of a URI that has more than `most`, none.

    Raises: CloudError.
    """

    def listed(folder: tuple[S3Uri, S3Uri]) -> list[ObjectCopy]:
        source, target = folder
        versions = cloud.versions(source, most + 1 if most is not None else None)
        if most is not None and len(versions) > most:
            return []
        return [ObjectCopy(uri, target + uri.removeprefix(source), *version) for uri, version in versions.items()]

    copies = {copy.target: copy for each in at_once(listed, list(folders.items()), cloud) for copy in each}
    progress = _Progress(sum(copy.size_bytes for copy in copies.values()), log)
    progress.begin()
    cloud.copy(tuple(copies.values()), progress.add)


class _Progress:
    """Tells how much of a large copy is done. It is used by several threads."""

    def __init__(self, whole_bytes: int, log: Callable[[str], None]) -> None:
        self._whole_bytes, self._log = whole_bytes, log
        self._done_bytes, self._told, self._lock = 0, time.monotonic(), threading.Lock()

    def begin(self) -> None:
        if self._whole_bytes >= _TOLD_BYTES:
            self._log(f"copying {_gigabytes(self._whole_bytes)} GB of outputs, for later builds")

    def add(self, size_bytes: int) -> None:
        with self._lock:
            self._done_bytes += size_bytes
            if time.monotonic() - self._told >= _EVERY_S:
                self._told = time.monotonic()
                self._log(f"copied {_gigabytes(self._done_bytes)} of {_gigabytes(self._whole_bytes)} GB")


def _gigabytes(size_bytes: int) -> str:
    return f"{size_bytes / 1e9:.1f}"


def recorded_uri(uri: S3Uri, planned: Plan) -> S3Uri:
    """Return the URI that a record has for one of the run: that of its copy, where merged code runs."""
    target = planned.target
    names = Names(planned.flow.name, target.is_protected)
    if not target.is_protected:
        return uri
    run, kept = (f"s3://{target.bucket}/{each(target.run_id)}/" for each in (names.run, names.kept_outputs))
    return S3Uri(kept + uri.removeprefix(run)) if uri.startswith(run) else uri


def keep_baseline_outputs(planned: Plan, cloud: Cloud, log: Callable[[str], None]) -> dict[str, dict[str, S3Uri]]:
    """Return the URIs of the outputs that a baseline names, by step and output; where merged code runs on AWS, those of
    copies of them. An output without a file has none.

    Raises: CloudError.
    """
    target = planned.target
    folder = f"s3://{target.bucket}/{baseline_outputs(planned.flow.name, target.run_id)}/"
    named = [(step.name, output, uri) for step in planned.steps.values() for output, uri in step.outputs.items()]
    are_empty = at_once(lambda each: cloud.is_empty(each[2]), named, cloud)
    outputs = [each for each, is_empty in zip(named, are_empty, strict=True) if not is_empty]
    copies = {uri: S3Uri(folder + re.sub(_RUN_FOLDER, "", uri)) for _, _, uri in outputs} if target.is_protected else {}
    keep_outputs(copies, cloud, log)
    found: dict[str, dict[str, S3Uri]] = {}
    for step, output, uri in outputs:
        found.setdefault(step, {})[output] = copies.get(uri, uri)
    return found
