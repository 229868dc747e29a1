"""All that is in use or is kept in a flow's bucket, read from the bucket, the engine and the model registry."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

from mlci.backends.protocol import RegistryApi, RunningExecution, StoredObject, StoredObjects
from mlci.errors import CloudError
from mlci.gc.plan import References
from mlci.gc.units import RUN, Unit, mentioned
from mlci.plan.names import baselines
from mlci.reuse.record import Record, parse_record
from mlci.s3_uris import split_s3_uri

_TOKENS = ("NextToken", "NextToken")
#: So many former baselines of each branch keep their outputs.
FORMER_KEPT = 10
#: Requests at the same time.
_WORKERS = 8
#: The key of a file of requests, which an execution's input has no room for; the flow's name stands in it.
_REQUESTS = r"mlci/{}/(?:protected/)?code/[0-9a-f]+/requests\.json"
#: The description of a version among the outputs of the run that registered it.
_PACKAGE = re.compile(r"/package/(.*/)?package\.json$")


def read_references(
    flow: str,
    objects: Iterable[StoredObject],
    units: Iterable[Unit],
    bucket: str,
    store: StoredObjects,
    registry: RegistryApi,
    running: Iterable[RunningExecution] = (),
    inputs: Iterable[str] = (),
    log: Callable[[str], None] = lambda text: None,
) -> References:
    """Return all that is in use or is kept. `running` are the runs of this machine that go on, and `inputs` those of
    runs that stay.

    Raises: CloudError, where it can't be told what is in use: nothing may be deleted then.
    """
    found, is_closed = running_executions(flow, store, log)
    live = [*running, *found]
    texts = [*used_by(live, flow, bucket, store), *inputs]
    objects = list(objects)
    current = [each.uri for each in objects if _is_baseline(each.uri, flow)]
    documents = [(store.read(uri) or b"").decode(errors="replace") for uri in current]
    former = newest_former((each.uri for each in objects), flow)
    texts += [*documents, *((store.read(uri) or b"").decode(errors="replace") for uri in former)]
    texts += store.model_uris(flow)
    registered = _registered(registry, objects, store, log)
    records = [unit.prefix for unit in units if unit.kind == "records"]
    return References(
        running=frozenset(each.name for each in live),
        runs=frozenset(filter(None, map(_run_of, documents))),
        prefixes=frozenset(prefix for text in (*texts, *registered) for prefix in mentioned(text, flow)),
        records=_read_records(records, bucket, store),
        keeps_protected=is_closed,
    )


def running_executions(
    flow: str, store: StoredObjects, log: Callable[[str], None]
) -> tuple[list[RunningExecution], bool]:
    """Return the executions that run, and whether the base branch's can't be asked: nothing of theirs may be deleted.

    Runs of pull requests also read what the base branch's have made, so that nothing is known without them.

    Raises: CloudError, if the runs of pull requests can't be asked.
    """
    live = list(store.running(flow, is_protected=False))
    try:
        return [*live, *store.running(flow, is_protected=True)], False
    except CloudError as error:
        log(f"nothing of the base branch's runs is deleted, because it can't be told which go on: {error}")
        return live, True


def used_by(executions: Iterable[RunningExecution], flow: str, bucket: str, store: StoredObjects) -> Iterator[str]:
    """Yield the texts that name what executions use: their inputs, and the files of requests that an input names."""
    for execution in executions:
        yield execution.execution_input
        for key in dict.fromkeys(re.findall(_REQUESTS.format(re.escape(flow)), execution.execution_input)):
            yield (store.read(f"s3://{bucket}/{key}") or b"").decode(errors="replace")


def _is_baseline(uri: str, flow: str) -> bool:
    """Return True for the current baseline of a branch. The former ones lie in a folder of the branch's name."""
    key, prefix = split_s3_uri(uri)[1], f"{baselines(flow)}/"
    return key.startswith(prefix) and key.endswith(".json") and "/" not in key.removeprefix(prefix)


def newest_former(uris: Iterable[str], flow: str) -> Iterator[str]:
    """Yield the newest former baselines of each branch, whose outputs stay: runs may be compared with them.

    The documents of the others stay as well, without the outputs.
    """
    former = re.compile(rf"mlci/{re.escape(flow)}/baselines/(?P<branch>[^/]+)/{RUN}\.json")
    found = [(match["branch"], uri) for uri in uris if (match := former.fullmatch(split_s3_uri(uri)[1]))]
    branches: dict[str, list[str]] = {}
    for branch, uri in sorted(found, reverse=True):
        branches.setdefault(branch, []).append(uri)
    for each in branches.values():
        yield from each[:FORMER_KEPT]


def _run_of(document: str) -> str:
    """Return the id of the run that a baseline comes from; empty for a damaged one, which names none."""
    try:
        found = json.loads(document)
    except (ValueError, RecursionError):
        return ""
    run_id = found.get("run_id") if isinstance(found, dict) else None
    return run_id if isinstance(run_id, str) else ""


def _read_records(keys: list[str], bucket: str, store: StoredObjects) -> dict[str, Record]:
    def read(key: str) -> Record | None:
        data = store.read(f"s3://{bucket}/{key}")
        return parse_record(data) if data is not None else None

    with ThreadPoolExecutor(_WORKERS, "records") as pool:
        return {key: record for key, record in zip(keys, pool.map(read, keys), strict=True) if record}


def _registered(
    registry: RegistryApi, objects: Iterable[StoredObject], store: StoredObjects, log: Callable[[str], None]
) -> Iterator[str]:
    """Yield texts that name the files of all registered models; without the right to ask, those of all runs that
    registered some."""
    try:
        packages = list(_packages(registry))
    except CloudError as error:
        log(f"the model registry can't be read, so each run that registered a model stays: {error}")
        for each in objects:
            if _PACKAGE.search(each.uri):
                yield each.uri
                yield (store.read(each.uri) or b"").decode(errors="replace")
        return
    yield from packages


def _packages(registry: RegistryApi) -> Iterator[str]:
    for groups in registry.pages("list_model_package_groups", _TOKENS):
        for group in groups["ModelPackageGroupSummaryList"]:
            name = str(group["ModelPackageGroupName"])
            for page in registry.pages("list_model_packages", _TOKENS, ModelPackageGroupName=name):
                for summary in page["ModelPackageSummaryList"]:
                    package = registry.call("describe_model_package", ModelPackageName=summary["ModelPackageArn"])
                    yield json.dumps(package, default=str)
