"""Runs of a flow that have reported: what a later run takes from them, or expects by them."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from mlci.errors import InputError
from mlci.gate import Metrics
from mlci_dataclasses import dataclass

if TYPE_CHECKING:
    from mlci.flow.models import Json
    from mlci.reuse.differences import Explanation
    from mlci.reuse.key_document import RunKeys
    from mlci.runs.run_folder import RunFolder


@dataclass(frozen=True)
class EarlierRun:
    """A run that has reported."""

    folder: RunFolder
    result: Mapping[str, Json]
    started: datetime

    @property
    def run_id(self) -> str:
        return self.folder.run_id

    def has(self, step: str) -> bool:
        """Returns True if the step has its outputs from this run."""
        steps = self.result.get("steps")
        state = steps.get(step) if isinstance(steps, dict) else None
        return isinstance(state, dict) and state.get("status") in ("succeeded", "reused")

    def output(self, step: str, output: str) -> str | None:
        """Returns the URI of an output, which is another run's where the step was reused; None if it is not known."""
        steps = self.result.get("steps")
        state = steps.get(step) if isinstance(steps, dict) else None
        outputs = state.get("outputs") if isinstance(state, dict) else None
        uri = outputs.get(output) if isinstance(outputs, dict) else None
        return uri if isinstance(uri, str) else None

    def metrics(self, step: str) -> Metrics | None:
        """Returns the metrics that the step wrote; None if there are none."""
        documents = self.result.get("metrics")
        return Metrics(documents[step]) if isinstance(documents, dict) and step in documents else None

    def seconds(self) -> dict[str, float]:
        """Returns the seconds that each step took that was run and succeeded."""
        steps = self.result.get("steps")
        states = steps.items() if isinstance(steps, dict) else ()
        found = {name: state for name, state in states if isinstance(state, dict)}
        return {name: float(str(state["seconds"])) for name, state in found.items() if state["status"] == "succeeded"}

    def age_s(self, now: datetime) -> float:
        return max(0.0, (now - self.started).total_seconds())


def explain_steps(
    steps: Iterable[str], keys: RunKeys, folders: Iterable[RunFolder], cloud: str, most: int
) -> list[Explanation]:
    """Returns the changes of steps since the nearest earlier runs in which they succeeded, of the `most` newest."""
    from mlci.reuse.differences import explain

    steps = list(steps)
    if not steps:
        return []
    found = ((run, run.folder.keys()) for run in earlier_runs(folders, keys.flow, cloud))
    runs = list(itertools.islice(((run, each) for run, each in found if each is not None), most))
    return [explain(step, keys, [(run.run_id, each) for run, each in runs if run.has(step)]) for step in steps]


def earlier_runs(folders: Iterable[RunFolder], flow: str, cloud: str) -> Iterator[EarlierRun]:
    """Yields the runs of a flow on a cloud that have reported, in the order of the folders."""
    for folder in folders:
        try:
            result = folder.result()
        except InputError:
            continue
        started = start_of(result) if result else None
        if result and started and (result["flow"], result["cloud"]) == (flow, cloud):
            yield EarlierRun(folder, result, started)


def start_of(result: Mapping[str, Json]) -> datetime | None:
    """Returns the time at which the run of a result.json started; None where it is no time."""
    try:
        started = datetime.fromisoformat(str(result["started"]))
    except ValueError:
        return None
    return started if started.tzinfo else None
