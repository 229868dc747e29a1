"""The steps of a run whose results earlier runs made: found in the records, and recorded for later runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

from mlci.backends.progress import Progress
from mlci.backends.protocol import Cloud
from mlci.gate import Metrics
from mlci.plan import Plan
from mlci.records.input_objects import changed_inputs
from mlci.records.step_records import find_records, write_records
from mlci.reuse.decisions import Decisions, recorded_reads, reused_steps, wanted_keys
from mlci.reuse.key_document import RunKeys
from mlci.step_types import STEP_TYPES


def find_reused(planned: Plan, keys: RunKeys, asked: Mapping[str, str], now: datetime, cloud: Cloud) -> Decisions:
    """Returns the steps that are reused, and why the others run. `asked` has steps that are to run, and the reason."""
    wanted = wanted_keys(planned, keys, asked)
    records = find_records(wanted.values(), planned.flow.name, planned.target, cloud) if wanted else {}
    return reused_steps(planned, keys, records, asked, now)


def find_reused_again(planned: Plan, keys: RunKeys, runs: Mapping[str, str], cloud: Cloud) -> Decisions:
    """Returns the same for a run that goes on, whose steps are reused from these runs."""
    asked = {name: "the run that goes on runs it" for name in planned.steps if name not in runs}
    wanted = wanted_keys(planned, keys, asked)
    found = find_records(wanted.values(), planned.flow.name, planned.target, cloud) if wanted else {}
    records = {
        keys.steps[name].key: [each for each in found.get(keys.steps[name].key, ()) if each.run_id == runs[name]]
        for name in wanted
    }
    return reused_steps(planned, keys, records, asked, None)


def record_steps(
    planned: Plan,
    keys: RunKeys,
    progress: Progress,
    metrics: Mapping[str, Metrics],
    made: datetime,
    cloud: Cloud,
    log: Callable[[str], None],
) -> None:
    """Writes a record of each step that this run made, whatever came of the run as a whole.

    A step whose metrics can't be read has none.
    """
    succeeded = [
        name
        for name, step in planned.flow.steps.items()
        if STEP_TYPES[step.uses].is_reusable
        and step.reuse.is_allowed
        and name in keys.steps
        and progress.steps[name].status == "succeeded"
        and (planned.steps[name].metrics is None or (name in metrics and not metrics[name].problem))
    ]
    changed = changed_inputs(keys, succeeded, cloud)
    for name, uri in changed.items():
        log(f'"{name}" can\'t be reused: {uri} changed while the run went on')
    reads = recorded_reads(planned, [name for name in succeeded if name not in changed])
    if reads:
        found = {name: keys.steps[name].key for name in reads}
        seconds = {name: round(progress.steps[name].seconds(made), 3) for name in reads}
        write_records(planned, found, reads, seconds, made, cloud, log)
