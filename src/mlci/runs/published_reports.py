"""The reports of a build, in the bucket of its run: the reporter posts them, and people open them in the S3 console."""

from __future__ import annotations

from collections.abc import Callable

from mlci.backends.concurrent_work import work_on_all
from mlci.backends.protocol import Cloud
from mlci.backends.stop_signal import StopSignal
from mlci.errors import CloudError
from mlci.plan import Target
from mlci.plan.names import Names
from mlci.runs.run_folder import RunFolder

#: The reports, with the types by which browsers show them.
_TYPES = {
    "report.html": "text/html; charset=utf-8",
    "report.md": "text/markdown; charset=utf-8",
    "result.json": "application/json",
}
#: What `mlci diff` tells changes of code and data by, on any machine.
_KEYS = "keys.json"


def publish_reports(
    flow: str, target: Target, folder: RunFolder, cloud: Cloud, log: Callable[[str], None]
) -> str | None:
    """Write the reports of a build's run into its bucket, and return the key of the page. None for a run on the local
    cloud or outside of a build, and where they can't be written, which is said: the verdict stands."""
    if cloud.name == "local" or target.build is None:
        return None
    names = Names(flow, target.is_protected)
    folder_uri = f"s3://{target.bucket}/{names.reports(target.build)}"
    types = {**_TYPES, **({_KEYS: "application/json"} if (folder.path / _KEYS).exists() else {})}

    def write(name: str) -> None:
        cloud.write(f"{folder_uri}/{name}", (folder.path / name).read_bytes(), types[name])

    try:
        work_on_all(write, types, len(types), StopSignal())
    except (CloudError, OSError) as error:
        log(f"the reports were not written to the bucket: {error}")
        return None
    return names.report_page(target.build)
