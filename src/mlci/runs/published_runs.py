"""The runs of builds on AWS, read from the reports that they left in the bucket.

A build of a pull request writes its own reports, so what they say is not trusted: the newest run is that which started
last, and none starts in the future.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from mlci.backends.concurrent_work import work_on_all
from mlci.backends.protocol import Cloud
from mlci.backends.stop_signal import StopSignal
from mlci.flow.models import Json
from mlci.plan.names import Names
from mlci.report.formatting import size
from mlci.report.result import is_readable
from mlci.reuse.key_document import RunKeys
from mlci.runs.earlier_runs import start_of
from mlci_dataclasses import dataclass

_RESULT, _KEYS = "/result.json", "/keys.json"
_MAX_BYTES, _READ_AT_ONCE = 20_000_000, 16
#: S3 refuses the requests of a machine whose clock differs by more.
#: Source: https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html (RequestTimeTooSkewed)
_MAX_CLOCK_SKEW = timedelta(minutes=15)


@dataclass(frozen=True)
class PublishedRun:
    """The result of a build's run, and the folder of the bucket that it lies in, whose name is the build's id."""

    folder: str
    result: Mapping[str, Json]
    started: datetime

    @property
    def run_id(self) -> str:
        return str(self.result["run_id"])

    @property
    def ids(self) -> tuple[str, str]:
        """The ids of the run and of the build."""
        return self.run_id, self.folder.rpartition("/")[2]


def published_runs(
    flow: str, bucket: str, cloud: Cloud, now: datetime, log: Callable[[str], None]
) -> tuple[PublishedRun, ...]:
    """Return the runs of a flow whose results builds on AWS have left in the bucket, the newest first.

    Raises: CloudError.
    """
    if cloud.name == "local":
        return ()
    prefixes = [f"s3://{bucket}/{Names(flow, protected).reports('')}" for protected in (False, True)]
    uris = [uri for prefix in prefixes for uri in cloud.list(prefix) if uri.endswith(_RESULT)]
    found: list[PublishedRun] = []
    lock = threading.Lock()

    def read(uri: str) -> None:
        result = _document(uri, cloud, log)
        if not (isinstance(result, dict) and is_readable(result) and "run_id" in result and result["flow"] == flow):
            return
        started = start_of(result)
        if started is None or started > now + _MAX_CLOCK_SKEW:
            log(f"{uri} is left out: the start of its run is no time in the past")
            return
        with lock:
            found.append(PublishedRun(uri.removesuffix(_RESULT), result, started))

    work_on_all(read, uris, _READ_AT_ONCE, StopSignal())
    return tuple(sorted(found, key=lambda run: run.started, reverse=True))


def published_keys(run: PublishedRun, cloud: Cloud, log: Callable[[str], None]) -> RunKeys | None:
    """Return the keys of the steps of a build's run; None where they are not there or can't be read."""
    return RunKeys.from_json(_document(f"{run.folder}{_KEYS}", cloud, log))


def _document(uri: str, cloud: Cloud, log: Callable[[str], None]) -> Json:
    """Return a JSON document; None for one that is damaged, gone, or too large, which is told."""
    data = cloud.read(uri, _MAX_BYTES + 1) or b""
    if len(data) > _MAX_BYTES:
        log(f"{uri} is left out: it has more than {size(_MAX_BYTES)}")
        return None
    try:
        document: Json = json.loads(data)
    except (ValueError, RecursionError):
        return None
    return document
