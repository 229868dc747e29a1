"""A run of a part of a flow: what its steps need of the others is taken from earlier runs.

A partial run has no verdict, so it has no gate either. An `if:` whose metrics come from a step that is not run is
judged by the metrics of the earlier run.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import field, replace
from datetime import datetime

from mlci.compile import execution_input, step_inputs
from mlci.errors import InputError, Problem
from mlci.flow.dependencies import metrics_read, outputs_read, selected_by
from mlci.flow.models import Condition, Flow, Json, MetricValue, Step, StepOutput, Value
from mlci.flow.names import written_name
from mlci.flow.part import Part, choose_steps, with_earlier, with_later
from mlci.flow.problems import listed
from mlci.gate import judge, missed_text, simplified
from mlci.plan import Baseline, Plan, S3Uri, Target, output_uris
from mlci.plan.thresholds import best_cell, bounds, value_at
from mlci.report.formatting import rough_duration
from mlci.reuse.key_document import StepKey
from mlci.runs.earlier_runs import EarlierRun
from mlci.step_types.states import MISSING_METRIC
from mlci_dataclasses import dataclass

_RUN_ID = re.compile(r"\d{8}-\d{6}-[0-9a-f]{6}")


@dataclass(frozen=True)
class PartialRun:
    """The flow of a partial run: its steps alone, and no gate.

    `outputs` has the URI of each output that is taken from an earlier run, and `taken` the run of each such step, by
    its name in the flow: all cells of a matrix come from one run. `messages` say so.
    """

    flow: Flow
    outputs: Mapping[tuple[str, str], S3Uri] = field(default_factory=dict)
    taken: Mapping[str, EarlierRun] = field(default_factory=dict)
    messages: tuple[str, ...] = ()

    @property
    def taken_runs(self) -> dict[str, str]:
        """The id of the run that each step's outputs are taken from."""
        return {step: run.run_id for step, run in self.taken.items()}

    def known_keys(self) -> dict[str, StepKey]:
        """Returns the keys of the steps that are taken, and of their cells, as far as they have any."""
        found = ((step, run.folder.keys()) for step, run in self.taken.items())
        return {
            name: step
            for taken, keys in found
            for name, step in (keys.steps.items() if keys else ())
            if written_name(name) == taken
        }


@dataclass(frozen=True)
class PartialRunPlanner:
    """Plans partial runs. `earlier` are the runs to take outputs from, the newest first; `is_empty` returns whether no
    object's URI begins with a text; `whole` returns the plan of the whole flow, None where the flow has problems.
    `command` is how a user starts a run."""

    target: Target
    baseline: Baseline
    earlier: tuple[EarlierRun, ...]
    is_empty: Callable[[str], bool]
    whole: Callable[[], Plan | None]
    now: datetime
    command: str = "mlci run"

    def plan(self, flow: Flow, part: Part) -> PartialRun:
        """Returns the flow of a part, and what it takes.

        Raises: InputError, where the flow has no such part, or no earlier run has what it needs.
        """
        chosen = choose_steps(flow, part)
        needed = _needed(flow, chosen.steps)
        taken = self._found(flow, needed)
        missed = self._missed_conditions(flow, chosen.steps, taken)
        named = {name for _, name in part.options}
        asked = [name for name in missed if written_name(name) in named]
        if asked:
            hint = "Run the steps that it judges as well, with --from."
            raise InputError(
                [Problem("", 0, 0, f'step "{name}" would be skipped: {missed[name]}', hint) for name in asked]
            )
        skipped = with_later(missed, flow) & set(chosen.steps)
        kept = {name: flow.steps[name] for name in chosen.steps if name not in skipped}
        steps = {name: _with_best_cells(self._judged(step, taken)[0], taken) for name, step in kept.items()}
        steps = {name: _with_known_metrics(step, taken) for name, step in steps.items()}
        messages = [*self._taken_messages(flow, taken)]
        messages += [f"{name}: not run: {text}" for name, text in missed.items()]
        messages += [f"{name}: not run: it depends on a step that is not" for name in sorted(skipped - missed.keys())]
        messages += [
            f"{name}: not run: it is behind the gate, and a part has no verdict" for name in chosen.behind_gate
        ]
        outputs = {
            (name, output): self._uri(flow, taken[written_name(name)], (name, output))
            for name, step in flow.steps.items()
            if written_name(name) in taken
            for output in step.outputs
        }
        matrices = {name: matrix for name, matrix in flow.matrices.items() if steps.keys() & set(matrix.cells)}
        left_out = {name: step for name, step in flow.steps.items() if name not in steps}
        narrowed = replace(flow, steps=steps, gate=(), matrices=matrices, left_out=left_out)
        return PartialRun(narrowed, outputs, taken, tuple(messages))

    def _found(self, flow: Flow, needed: Mapping[str, _Needed]) -> dict[str, EarlierRun]:
        """Returns the newest run that has what is needed of each step.

        Raises: InputError, with all that no run has.
        """
        found, problems = {}, []
        for step, need in needed.items():
            run = next((run for run in self.earlier if self._has(flow, run, need)), None)
            if run is not None:
                found[step] = run
            else:
                outputs = sorted({output for _, output in need.outputs})
                what = f"{listed(outputs)} of " if outputs else ""
                command = f"Run that first: {self.command} --until {step}"
                problems.append(Problem("", 0, 0, f'no earlier run has {what}step "{step}", which is needed', command))
        if problems:
            raise InputError(problems)
        return found

    def _has(self, flow: Flow, run: EarlierRun, need: _Needed) -> bool:
        return all(map(run.has, need.steps)) and not any(
            self.is_empty(self._uri(flow, run, output)) for output in need.outputs
        )

    def _uri(self, flow: Flow, run: EarlierRun, output: tuple[str, str]) -> S3Uri:
        """Returns the URI of an output of an earlier run. It is below the flow's own prefix."""
        uri = run.output(*output)
        if uri is not None and uri.startswith(f"s3://{self.target.bucket}/mlci/{flow.name}/"):
            return S3Uri(uri)
        return output_uris(flow, replace(self.target, run_id=run.run_id))[output]

    def _missed_conditions(
        self, flow: Flow, chosen: Collection[str], taken: Mapping[str, EarlierRun]
    ) -> dict[str, str]:
        """Returns the steps whose `if:` does not hold by the metrics of earlier runs, and why."""
        missed = {}
        for name in chosen:
            _, texts = self._judged(flow.steps[name], taken)
            if texts:
                missed[name] = "; ".join(texts)
        return missed

    def _judged(self, step: Step, taken: Mapping[str, EarlierRun]) -> tuple[Step, list[str]]:
        """Returns the step without the rules that metrics of earlier runs decide, and what of them does not hold."""
        outer = [rule for rule in step.when if written_name(rule.step) in taken]
        read = [name for rule in outer for name in rule.steps]
        metrics = {name: taken[written_name(name)].metrics(name) for name in read}
        known = {name: document for name, document in metrics.items() if document is not None}
        verdicts = judge(bounds(outer, self.baseline.metrics), known).rules
        missed = [judged.text for judged in verdicts if not judged.held and not judged.bound.rule.place]
        by_place = {judged.bound.rule.place: judged for judged in verdicts}
        left: list[Condition] = []
        for condition in step.conditions:
            rest = simplified(condition, by_place)
            if rest is False:
                missed.append(missed_text(condition, by_place))
            elif isinstance(rest, Condition):
                left.append(rest)
        places = {0, *(place for condition in left for place in condition.places)}
        when = tuple(rule for rule in step.when if rule not in outer and rule.place in places)
        return replace(step, when=when, conditions=tuple(left)), missed

    def _taken_messages(self, flow: Flow, taken: Mapping[str, EarlierRun]) -> Iterator[str]:
        if not taken:
            return
        whole = self.whole()
        current = _fingerprints(execution_input(whole)) if whole else {}
        for step, run in taken.items():
            earlier = _fingerprints(run.folder.execution_input() or {})
            cells = [name for name in flow.steps if written_name(name) == step]
            known = [name for name in with_earlier(cells, flow) if name in current and name in earlier]
            change = ""
            if set(cells) <= set(known):
                is_same = all(current[name] == earlier[name] for name in known)
                change = "; what it ran has not changed" if is_same else "; its code, data or settings have changed"
            yield f"{step}: taken from run {run.run_id}, {rough_duration(run.age_s(self.now))} old{change}"


@dataclass(frozen=True)
class _Needed:
    """The steps that an earlier run must have, and their outputs; metrics that an `if:` reads need a step alone."""

    steps: set[str] = field(default_factory=set)
    outputs: set[tuple[str, str]] = field(default_factory=set)


def _needed(flow: Flow, chosen: Collection[str]) -> dict[str, _Needed]:
    """Returns what steps need of the others, by their names in the flow."""
    needed: dict[str, _Needed] = {}
    for name in chosen:
        for rule in flow.steps[name].when:
            for step in set(rule.steps) - set(chosen):
                needed.setdefault(written_name(step), _Needed()).steps.add(step)
        read = (metric.step for metric in metrics_read(flow.steps[name]))
        for step in {*selected_by(flow.steps[name]), *read} - set(chosen):
            needed.setdefault(written_name(step), _Needed()).steps.add(step)
        for output in outputs_read(flow.steps[name]):
            for step in set(output.steps) - set(chosen):
                need = needed.setdefault(written_name(step), _Needed())
                need.steps.add(step)
                need.outputs.add((step, output.output))
    return {name: needed[name] for name in map(written_name, flow.steps) if name in needed}


def _with_best_cells(step: Step, taken: Mapping[str, EarlierRun]) -> Step:
    """Returns the step with its inputs of the best cell chosen, where metrics of an earlier run decide.

    Raises: InputError, where that run has no such metric.
    """
    inputs, open_selections = dict(step.inputs), dict(step.selections)
    for name, selection in step.selections.items():
        source = inputs[name]
        if selection.step not in taken or not isinstance(source, StepOutput):
            continue
        found = [taken[selection.step].metrics(cell) for cell in selection.cells]
        best = best_cell(selection, [metrics.document if metrics else None for metrics in found])
        if best is None:
            what = f'no cell that "{step.name}" could read has the metric {selection.metric}'
            raise InputError([Problem("", 0, 0, what, f"Run {selection.step} as well, with --from")])
        inputs[name] = replace(source, step=source.cells[best], cells=())
        del open_selections[name]
    return replace(step, inputs=inputs, selections=open_selections)


def _with_known_metrics(step: Step, taken: Mapping[str, EarlierRun]) -> Step:
    """Returns the step with the metrics of earlier runs in its texts."""
    return replace(step, values={key: _with_known_values(value, taken) for key, value in step.values.items()})


def _with_known_values(value: Value, taken: Mapping[str, EarlierRun]) -> Value:
    if not isinstance(value, tuple):
        return value
    return tuple(
        _known_text(part, taken[part.step]) if isinstance(part, MetricValue) and part.step in taken else part
        for part in value
    )


def _known_text(metric: MetricValue, run: EarlierRun) -> str:
    metrics = run.metrics(metric.step)
    try:
        found = value_at(metrics.document if metrics else None, metric.path)
    except LookupError:
        return MISSING_METRIC
    return found if isinstance(found, str) else json.dumps(found)


def _fingerprints(document: Mapping[str, Json]) -> dict[str, str]:
    """Returns what each step of an execution input runs, apart from the run's id and the limits of rules."""
    limits = ("when", "when_cells", "reused")
    return {
        name: _RUN_ID.sub("", json.dumps({key: values[key] for key in values if key not in limits}, sort_keys=True))
        for name, values in step_inputs(document).items()
    }
