"""Keys and records → the steps of a run that are reused, and why each of the others runs. Pure.

A step is reused only with all that it reads, and from the runs that its record names: a report then never mixes the
metrics of one model with the file of another.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import field, replace
from datetime import datetime
from graphlib import TopologicalSorter

from mlci.flow.dependencies import dependencies, outputs_read, read_by
from mlci.flow.durations import format_duration
from mlci.flow.models import Flow, Json, Step
from mlci.flow.names import written_name
from mlci.plan.models import Plan, ReusedResult
from mlci.reuse.key_document import RunKeys
from mlci.reuse.record import Record
from mlci.step_types import STEP_TYPES
from mlci_dataclasses import dataclass


@dataclass(frozen=True)
class Decisions:
    """The record of each step that is reused, and why each other step of a reusable type runs.

    The reason is empty where no record has the step's key: what has changed of it is then to be found.
    """

    reused: Mapping[str, Record] = field(default_factory=dict)
    reasons: Mapping[str, str] = field(default_factory=dict)

    @property
    def results(self) -> dict[str, ReusedResult]:
        """The results of the steps that are reused."""
        return {step: _result(record) for step, record in self.reused.items()}


def reused_steps(
    plan: Plan, keys: RunKeys, records: Mapping[str, Sequence[Record]], asked: Mapping[str, str], now: datetime | None
) -> Decisions:
    """Return which steps of a plan are reused.

    `records` are the valid ones of each key, the best first. `asked` has the steps that are to run, and the reason.
    Results of any age are taken where `now` is None.
    """
    return _Decider(plan, keys, records, asked, now).decided()


def wanted_keys(plan: Plan, keys: RunKeys, asked: Mapping[str, str]) -> dict[str, str]:
    """Return the keys of the steps that may be reused, as far as is known without records."""
    decider = _Decider(plan, keys, {}, asked, None)
    found: dict[str, str] = {}
    for name in _in_order(plan.flow):
        if not decider.reason_to_run(name) and decider.known_steps(name) <= found.keys():
            found[name] = keys.steps[name].key
    return found


def has_nothing_due(plan: Plan) -> bool:
    """Return True if every step is reused, and no metric decides about one in the state machine."""
    return all(
        step.reused_from is not None and not step.when and not plan.flow.steps[name].is_after_gate
        for name, step in plan.steps.items()
    )


class _Decider:
    def __init__(
        self,
        plan: Plan,
        keys: RunKeys,
        records: Mapping[str, Sequence[Record]],
        asked: Mapping[str, str],
        now: datetime | None,
    ) -> None:
        self.plan, self.flow, self.keys, self.records, self.asked, self.now = plan, plan.flow, keys, records, asked, now
        self.together = frozenset(_read_together(plan.flow))
        self.chosen: dict[str, Record] = {}
        self.reasons: dict[str, str] = {}

    def decided(self) -> Decisions:
        for group in _groups_in_order(self.flow):
            if group[0] in self.together:
                self._decide_together(group)
            else:
                for name in group:
                    self._decide(name)
        reusable = [name for name, step in self.flow.steps.items() if STEP_TYPES[step.uses].is_reusable]
        reasons = {name: self.reasons.get(name, "") for name in reusable if name not in self.chosen}
        return Decisions(self.chosen, reasons)

    def _decide(self, name: str) -> None:
        records = self._usable(name)
        if records:
            self.chosen[name] = records[0]

    def _decide_together(self, cells: Sequence[str]) -> None:
        """Choose for all cells of a matrix, whose outputs are read as one folder: from one run, or none."""
        usable = [{record.run_id: record for record in reversed(self._usable(cell))} for cell in cells]
        lacking = [cell for cell, found in zip(cells, usable, strict=True) if not found]
        runs = [run for run in usable[0] if all(run in found for found in usable)]
        for run in reversed(runs):
            chosen = {cell: found[run] for cell, found in zip(cells, usable, strict=True)}
            if self._is_one_folder(chosen):
                self.chosen.update(chosen)
                return
        what = f"{lacking[0]} runs" if lacking else "no run has made all of them"
        for cell in cells:
            if cell not in lacking:
                self.reasons[cell] = f"its cells are read together, and {what}"

    def _is_one_folder(self, chosen: Mapping[str, Record]) -> bool:
        """Return True if each output of all cells lies where a reader of the whole folder looks for it."""
        for output in self.flow.steps[next(iter(chosen))].outputs:
            roots = set()
            for name, record in chosen.items():
                cell = self.flow.steps[name].cell
                own = f"/{cell.step}/{output}/{cell.folder}/" if cell else ""
                root = record.outputs[output].uri.removesuffix(own)
                if not own or root == record.outputs[output].uri:
                    return False
                roots.add(root)
            if len(roots) != 1:
                return False
        return True

    def _usable(self, name: str) -> list[Record]:
        """Return the records that a step can be reused from; if there are none, a reason may be known."""
        reason = self.reason_to_run(name) or self._running_input(name)
        if reason:
            self.reasons[name] = reason
            return []
        step = self.flow.steps[name]
        fitting = [record for record in self.records.get(self.keys.steps[name].key, ()) if self._fits(name, record)]
        young = [record for record in fitting if self._is_young(step, record)]
        if fitting and not young:
            self.reasons[name] = f"its results are older than {format_duration(step.reuse.max_age_s or 0)} (max_age)"
            return []
        usable = [record for record in young if self._reads_the_same(name, record)]
        if young and not usable:
            self.reasons[name] = "its results were made from other results of what it reads"
        return usable

    def reason_to_run(self, name: str) -> str:
        """Return why a step runs, as far as is known without records; "" if nothing is in the way."""
        step = self.flow.steps[name]
        if not STEP_TYPES[step.uses].is_reusable:
            return f"steps of the type {step.uses} are never reused"
        if name in self.asked:
            return self.asked[name]
        if not step.reuse.is_allowed:
            return "reuse: false"
        if name not in self.keys.steps:
            return "it has no key, for it or a step before it reads what can't be looked at"
        taken = sorted(read_by(step) - self.flow.steps.keys())
        if taken:
            return f"it reads of {taken[0]}, which is taken from an earlier run"
        unknown = next(_unknown_inputs(self.keys.steps[name].ingredients), None)
        return f"the content of its input {unknown} is not known" if unknown else ""

    def known_steps(self, name: str) -> set[str]:
        """Return the steps of the flow that a step reads."""
        return read_by(self.flow.steps[name]) & self.flow.steps.keys()

    def _running_input(self, name: str) -> str:
        running = sorted(self.known_steps(name) - self.chosen.keys())
        return f"it reads of {running[0]}, which runs" if running else ""

    def _fits(self, name: str, record: Record) -> bool:
        """Return True if a record has what the plan needs of the step."""
        step, planned = self.flow.steps[name], self.plan.steps[name]
        if set(record.outputs) != set(step.outputs) or (planned.metrics and record.metrics is None):
            return False
        folders = {output: f"/{step.cell.step}/{output}/" for output in step.outputs} if step.cell else {}
        return all(folder in record.outputs[output].uri for output, folder in folders.items())

    def _is_young(self, step: Step, record: Record) -> bool:
        if step.reuse.max_age_s is None or self.now is None:
            return True
        return (self.now - record.made).total_seconds() <= step.reuse.max_age_s

    def _reads_the_same(self, name: str, record: Record) -> bool:
        """Return True if the record's run read what this one would read. A step may have had another name then."""
        return all(
            self.chosen[other].run_id in (record.reads.get(other), record.reads.get(self.chosen[other].step))
            for other in self.known_steps(name)
        )


def _groups_in_order(flow: Flow) -> Iterator[list[str]]:
    """Yield the cells of each step, or the step alone, behind all that it depends on."""
    groups: dict[str, list[str]] = {}
    for name in flow.steps:
        groups.setdefault(written_name(name), []).append(name)
    before: dict[str, set[str]] = {name: set() for name in groups}
    for name, needed in dependencies(flow).items():
        before[written_name(name)] |= {written_name(other) for other in needed} - {written_name(name)}
    yield from (groups[name] for name in TopologicalSorter(before).static_order())


def _in_order(flow: Flow) -> Iterator[str]:
    return (name for group in _groups_in_order(flow) for name in group)


def _read_together(flow: Flow) -> Iterator[str]:
    """Yield the cells whose outputs some step reads as one folder, and not as one cell of them."""
    for step in flow.steps.values():
        whole = {name: source for name, source in step.inputs.items() if name not in step.selections}
        for output in outputs_read(replace(step, inputs=whole)):
            if output.cells:
                groups = {written_name(cell) for cell in output.cells}
                yield from (name for name in flow.steps if written_name(name) in groups)


def _unknown_inputs(ingredients: Mapping[str, Json]) -> Iterator[str]:
    """Yield the inputs of S3 whose objects do not count in the key."""
    inputs = ingredients.get("inputs")
    for name, source in inputs.items() if isinstance(inputs, dict) else ():
        if isinstance(source, dict) and "uri" in source and "objects" not in source:
            yield name


def _result(record: Record) -> ReusedResult:
    outputs = {name: output.uri for name, output in record.outputs.items()}
    return ReusedResult(record.run_id, outputs, record.metrics.uri if record.metrics else None, record.seconds)


def recorded_reads(plan: Plan, names: Iterable[str]) -> dict[str, dict[str, str]]:
    """Return the run that made what each of these steps read, by the steps that it read from.

    A step that read of one that is not in the flow is left out: the key of that one is not known for certain.
    """
    found: dict[str, dict[str, str]] = {}
    for name in names:
        read = read_by(plan.flow.steps[name])
        if read <= plan.steps.keys():
            found[name] = {other: plan.steps[other].reused_from or plan.target.run_id for other in sorted(read)}
    return found
