"""Structure → Amazon States Language, by the states of the `stepfunctions` SDK. Its import takes seconds: import late.

Each step becomes the states that its type describes. A failure has its own states beside them. A Retry tells errors by
their names alone, so a Choice looks at the cause: a task whose failure passes by itself is tried again later, a job
under a fresh name; every other failure ends in a Fail state that names the step.
Data does not flow through the states but through S3: the state's data stays the execution input, and what a check needs
is read from S3 just before it.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any  # the SDK is untyped: Any stands for its states, and ends in this module

if sys.version_info >= (3, 11):
    from typing import assert_never
else:  # 4 ms
    from typing_extensions import assert_never

from mlci.compile.check_states import CheckStates
from mlci.compile.cleaner import CleanerStates
from mlci.compile.guards import Guard
from mlci.compile.judgement_states import JudgementStates
from mlci.compile.large_flows import LargeFlowStates, is_large_job, request_variable
from mlci.compile.metric_checks import jsonata_of, message_text, rejection_text
from mlci.compile.names import APPROVAL_TIMED_OUT, CELLS_TITLE, FAIL_REACHED, GATE_MISSED, REUSED_TITLE, state_name
from mlci.compile.selections import SelectionStates
from mlci.compile.series_parallel import Cells, Composition, Parallel, Series, leaves
from mlci.compile.states import STEP_FAILED, any_of, path_of, replaced_value, serialised_once
from mlci.compile.step_values import REUSED
from mlci.compile.structure import Structure
from mlci.flow.metric_paths import format_metric
from mlci.stage.sdk_imports import quiet_sdk
from mlci.step_types import STEP_TYPES
from mlci.step_types.states import (
    APPROVED,
    Alternative,
    ApprovalState,
    BranchState,
    FailState,
    MapState,
    PassState,
    PollState,
    SmokeState,
    State,
    StepPaths,
    TaskState,
    TimeOut,
    WaitState,
)

#: Where the states of steps put their results.
RESULTS = "$.trained"


def definition(structure: Structure) -> str:
    """Return the definition as compact JSON text. The same structure gives the same bytes."""
    depth = sys.getrecursionlimit()
    try:
        with quiet_sdk():
            import stepfunctions.steps as sdk

            sys.setrecursionlimit(depth + 100 * len(structure.steps))  # the SDK walks the states by recursion
            body = _Builder(sdk, structure).machine()
    finally:
        sys.setrecursionlimit(depth)
    return json.dumps(body, separators=(",", ":"))  # Step Functions counts white space, too


class _Builder(SelectionStates, LargeFlowStates, CleanerStates, CheckStates, JudgementStates):
    """Builds the states of a whole flow."""

    def __init__(self, sdk: Any, structure: Structure) -> None:
        super().__init__(sdk, structure.partition, structure.steps)
        self.structure = structure
        self.is_in_cell = False  # of a matrix, where conditions on single cells are checked
        self.undoing: dict[str, Any] = {}  # the tasks that take back what others did, by name
        self.late_metrics = frozenset(name for name, step in structure.steps.items() if _is_late(step.uses))

    def machine(self) -> dict[str, object]:
        first = self._behind(self.structure.composition, frozenset(), self._verdict())
        first = self._read_requests(self.structure.request_files, first)
        first = self._with_cleaner(self.structure.cleanup, first)
        graph = self.sdk.states.Graph(
            first, comment=f"mlci: the flow {self.structure.flow}", timeout_seconds=self.structure.time_limit_s
        ).to_dict()
        self._add_extra(graph)
        return dict(graph)

    def _verdict(self) -> Any:
        """The end: every rule of the gate, once more where steps behind it already checked, and the run's outcome."""
        passed = self.sdk.Succeed(self._name("passed"))
        gate = self.structure.gate
        if gate is None:
            return passed
        missed = self.sdk.Fail(
            self._name("gate missed"),
            error=GATE_MISSED,
            cause="A metric missed its limit, so nothing behind the gate was run. The report lists every rule.",
        )
        held = self._judged(passed, self._missed_as_judged(), "judged by mlci at the end") if gate.asks_mlci else passed
        return self._check(gate, held, missed)

    def _behind(self, composition: Composition, established: frozenset[str], after: Any) -> Any:
        """Return a composition behind the guards that all of its steps share, other than those already established."""
        guards = self._open_guards(composition, established)
        entry = self._compose(composition, established | {guard.owner for guard in guards}, after)
        for guard in reversed(guards):
            skipped = after or self.sdk.Succeed(self._name(f"{guard.owner}: skipped"))
            entry = self._check(guard, self._judged(entry, skipped) if guard.asks_mlci else entry, skipped)
        return entry

    def _open_guards(self, composition: Composition, established: frozenset[str]) -> list[Guard]:
        shared = [guard for guard in self._shared(composition) if guard.owner not in established]
        return [guard for guard in shared if self.is_in_cell or not guard.is_per_cell]

    def _shared(self, composition: Composition) -> Sequence[Guard]:
        each = [self.structure.steps[leaf].guards for leaf in leaves(composition)]
        return [guard for guard in each[0] if all(guard in guards for guards in each)]

    def _compose(self, composition: Composition, established: frozenset[str], after: Any) -> Any:
        match composition:
            case str():
                return self._step(composition, after)
            case Series(items):
                for item in reversed(self._grouped(items, established)):
                    after = self._behind(item, established, after)
                return after
            case Parallel(items):
                return self._together(items, established, after)
            case Cells(item):
                return self._cells(item, established, after)

    def _together(self, items: Sequence[Composition], established: frozenset[str], after: Any) -> Any:
        steps = leaves(Parallel(tuple(items)))
        title = "together: " + ", ".join(steps)
        parallel = serialised_once(self.sdk.Parallel(self._name(title), result_path=None))
        if self._fails_fast(steps):
            for item in items:
                parallel.add_branch(self._behind(item, established, None))
            return self._then(parallel, after)
        with self._branch():
            for item in items:
                end = self._ended("ended: " + ", ".join(leaves(item)), {})
                parallel.add_branch(self._behind(item, established, end))
        return self._joined(parallel, title, after)

    def _cells(self, item: Composition, established: frozenset[str], after: Any) -> Any:
        """Return a Map over the cells of a matrix. The data of an iteration has the shape of the execution input."""
        steps = leaves(item)
        title = CELLS_TITLE + ", ".join(steps)
        end = self._ended("ended in a cell: " + ", ".join(steps), {})
        with self._branch():
            self.is_in_cell = True
            first = self._behind(item, established, end)
            self.is_in_cell = False
        group = path_of("$.cells", steps[0])
        state = serialised_once(
            self.sdk.Map(self._name(title), iterator=first, items_path=f"{group}.items", result_path=None)
        )
        self.extra[state.state_id] = {
            "ItemSelector": {"run.$": "$.run", "metrics": {}, "trained": {}, "steps": self._cell_steps(item, group)},
            "MaxConcurrencyPath": f"{group}.max_parallel",
        }
        return self._then(state, after) if self._fails_fast(steps) else self._joined(state, title, after)

    def _cell_steps(self, item: Composition, group: str) -> dict[str, object]:
        """Return the steps in the data of an iteration: those of the Map, and what their conditions read of others."""
        cell = "$$.Map.Item.Value"
        entries: dict[str, object] = {}
        for name in leaves(item):
            step = self.structure.steps[name]
            entry = {f"{field}.$": path_of(cell, name, field) for field in step.value_fields}
            if step.request_fields:
                entry["request.$"] = self._cell_request(name, group)
            entries[name] = entry
        for name in leaves(item):
            for other, _ in self.structure.steps[name].message_metrics:
                entries[other] = {"metrics.$": path_of("$.steps", other, "metrics")}
        guards = [guard for name in leaves(item) for guard in self.structure.steps[name].guards if guard.is_per_cell]
        for guard in guards:
            if guard.owner not in entries:
                fields = [
                    field for field in ("when", "when_cells") if field in self.structure.steps[guard.owner].value_fields
                ]
                entries[guard.owner] = {f"{field}.$": path_of(cell, guard.owner, field) for field in fields}
            for check in guard.checks:
                if check.step not in entries and check.scope != "cells":
                    root = cell if check.scope == "own cell" else "$.steps"
                    entries[check.step] = {"metrics.$": path_of(root, check.step, "metrics")}
        return entries

    def _cell_request(self, step: str, group: str) -> str:
        """Return the request of a step in the data of an iteration: what all cells share, and what this one has."""
        if self.structure.request_files:
            entry = request_variable(self.structure.request_files, step)
            own = f"States.ArrayGetItem({entry}.cells, $$.Map.Item.Index)"
            return f"States.JsonMerge({entry}.shared, {own}, false)"
        shared, own = path_of(f"{group}.shared", step, "request"), path_of("$$.Map.Item.Value", step, "request")
        return f"States.JsonMerge({shared}, {own}, false)"

    def _fails_fast(self, steps: Iterable[str]) -> bool:
        return all(self.structure.steps[step].fail_fast for step in steps)

    def _failure(self, step: str, title: str, is_caught: bool = True, reason: str = "") -> Any:
        """Return the end of a failed step: the run's, or, if others go on beside it, the end of its branch."""
        if self.structure.steps[step].fail_fast or not self.is_in_branch:
            if is_caught:
                return self._fail(f"{step}: {title}", f"step {step} failed")
            return self.sdk.Fail(self._name(f"{step}: {title}"), error=STEP_FAILED, cause=f"{step}: {title}{reason}")
        return self._ended(f"{step}: {title}", {"failed": step})

    def _grouped(self, items: Sequence[Composition], established: frozenset[str]) -> list[Composition]:
        """Neighbours behind the same guards are put behind them together, so that these are checked once."""
        groups: list[tuple[list[Guard], list[Composition]]] = []
        for item in items:
            guards = self._open_guards(item, established)
            if groups and guards and groups[-1][0] and groups[-1][0][0] == guards[0]:
                groups[-1][1].append(item)
            else:
                groups.append((guards, [item]))
        if len(groups) == 1:
            return list(items)
        return [group[0] if len(group) == 1 else Series(tuple(group)) for _, group in groups]

    def _step(self, name: str, after: Any) -> Any:
        """Return the first of the states that the step's type describes, joined to each other and to what follows."""
        step = self.structure.steps[name]
        files, own = self.structure.request_files, path_of("$.steps", name)
        request = request_variable(files, name) if files and step.request_fields and not step.has_cells else ""
        root = "" if step.selections else request  # the state that chooses a cell puts its request into the data
        paths = StepPaths(own, path_of(RESULTS, name), step.request_fields, step.input_fields, root)
        behind = after
        for state in reversed(STEP_TYPES[step.uses].states(paths)):
            after = self._state(name, state, paths, after)
        for index, (input_name, path, best) in reversed([*enumerate(step.selections)]):
            metric = format_metric("metrics", path)
            reason = f': "select" compares {metric}, which is a number in no cell'
            failed = self._failure(name, f"no cell to choose {input_name} from", is_caught=False, reason=reason)
            before = jsonata_of(paths.request if index else request or paths.request)
            after = self._select(name, input_name, path, best, before, failed, after)
        return self._or_reused(name, after, behind) if STEP_TYPES[step.uses].is_reusable else after

    def _or_reused(self, step: str, entry: Any, after: Any) -> Any:
        """Return the choice between a step, which begins with `entry`, and its result of an earlier run."""
        reused = self._then(self.sdk.Pass(self._name(state_name(step, REUSED_TITLE))), after)
        choice = self.sdk.Choice(self._name(f"{state_name(step, REUSED_TITLE)}?"))
        choice.add_choice(self.sdk.ChoiceRule.BooleanEquals(path_of("$.steps", step, REUSED), True), reused)
        choice.default_choice(entry)
        return choice

    def _state(self, step: str, state: State, paths: StepPaths, after: Any, failed: Any = None) -> Any:
        """Return a described state. A failure of it leads to `failed`, if there is one, and else to its own states."""
        name = self._name(state_name(step, state.title)) if state.title else step
        match state:
            case TaskState():
                return self._described_task(name, step, state, paths, after, failed)
            case MapState():
                return self._then(self._map(name, step, state, paths, failed), after)
            case WaitState():
                return self._then(self.sdk.Wait(name, seconds_path=state.seconds_path), after)
            case PassState():
                return self._then(self._pass(name, state, paths), after)
            case PollState() | BranchState() | SmokeState():
                return self._checked(step, name, state, paths, after)
            case FailState():
                return self._fail_step(name, step, state)
            case ApprovalState():
                return self._approval(name, step, state, after)
            case _:
                assert_never(state)

    def _described_task(self, name: str, step: str, state: TaskState, paths: StepPaths, after: Any, failed: Any) -> Any:
        if self.structure.request_files and failed is None and is_large_job(state):
            return self._job(name, step, state, paths, self._failure(step, state.failure_title), after)
        task = self._task(name, state, paths)
        if failed is None:
            fail = self._undo(step, state, paths, self._failure(step, state.failure_title))
            failed = self._try_again(
                name,
                task,
                state.retries,
                state.attempt_path,
                fail,
                lambda choice: self._add_alternative(choice, step, state.alternative, paths, after),
            )
        else:
            failed = self._undo(step, state, paths, failed)
        if state.time_out:
            task.add_catch(self._catch(self._timed_out(step, state.time_out), ("States.Timeout",)))
        if state.heartbeat:
            lost = self._failure(step, state.heartbeat.title, is_caught=False, reason=state.heartbeat.reason)
            task.add_catch(self._catch(lost, ("States.HeartbeatTimeout",)))
        task.add_catch(self._catch(failed))
        self._then(task, after)
        return self._with_message(step, state.message_path, task) if state.message_path else task

    def _checked(
        self, step: str, name: str, state: PollState | BranchState | SmokeState, paths: StepPaths, after: Any
    ) -> Any:
        match state:
            case PollState():
                return self._poll(step, name, state, paths, after)
            case BranchState():
                return self._branches(step, name, state, paths, after)
            case SmokeState():
                return self._smoke(step, name, state, paths, after)

    def _branches(self, step: str, name: str, state: BranchState, paths: StepPaths, after: Any) -> Any:
        choice = self.sdk.Choice(name)
        ways = []
        for way in (state.present, state.absent):
            entry = after or self.sdk.Succeed(self._name(f"{name}: done"))
            for inner in reversed(way):
                entry = self._state(step, inner, paths, entry)
            ways.append(entry)
        choice.add_choice(self._is_there(state), ways[0])
        choice.default_choice(ways[1])
        return choice

    def _is_there(self, state: BranchState) -> Any:
        rule = self.sdk.ChoiceRule
        is_present = rule.IsPresent(state.path, True)
        return rule.And([is_present, rule.StringMatches(state.path, state.pattern)]) if state.pattern else is_present

    def _poll(self, step: str, name: str, state: PollState, paths: StepPaths, after: Any) -> Any:
        """Return the first state of a loop that waits, looks, and chooses by what it finds."""
        failed = self._failure(step, state.failure_title)
        for undo in reversed(state.undo):
            failed = self._tried(step, undo, paths, failed)
        wait, choice = self._loop(step, name, state, paths, after, failed)
        wait.next(self._state(step, state.task, paths, choice))
        return wait

    def _tried(self, step: str, undo: TaskState | BranchState, paths: StepPaths, after: Any) -> Any:
        """Return a state whose failure makes no difference."""
        name = self._name(state_name(step, undo.title))
        if isinstance(undo, BranchState):
            choice = self.sdk.Choice(name)
            ways = []
            for way in (undo.present, undo.absent):
                entry = after
                for inner in reversed(way):
                    if isinstance(inner, TaskState):
                        entry = self._tried(step, inner, paths, entry)
                ways.append(entry)
            choice.add_choice(self._is_there(undo), ways[0])
            choice.default_choice(ways[1])
            return choice
        task = self._task(name, undo, paths)
        task.add_catch(self.sdk.Catch(error_equals=["States.ALL"], result_path="$.undo", next_step=after))
        task.next(after)
        return task

    def _smoke(self, step: str, name: str, state: SmokeState, paths: StepPaths, after: Any) -> Any:
        failed = self._failure(step, state.failure_title)
        return self._asked(step, name, state, paths, after, failed)

    def _pass(self, name: str, state: PassState, paths: StepPaths) -> Any:
        """Return the state that computes a value. In JSONata, it passes on its whole input anew."""
        output = replaced_value(paths.result + state.keeps_below, state.value)
        self.extra[name] = {"QueryLanguage": "JSONata", "Output": f"{{% {output} %}}"}
        return self.sdk.Pass(name)

    def _fail_step(self, name: str, step: str, state: FailState) -> Any:
        """Return the state that ends the run with the step's message, behind those that read the metrics in it."""
        text = message_text(state.message_path, self.structure.steps[step].message_metrics)
        fail = self.sdk.Fail(name, error=FAIL_REACHED, cause="")
        self.extra[name] = {"QueryLanguage": "JSONata", "Cause": f"{{% {text} %}}"}
        return self._behind_metrics(step, fail)

    def _with_message(self, step: str, texts: str, after: Any) -> Any:
        """Return the state that puts the step's message into the data, behind those that read the metrics in it."""
        text = message_text(texts, self.structure.steps[step].message_metrics)
        message = self.sdk.Pass(self._name(f"{step}: message"))
        output = f"{{% $merge([$states.input, {{'message': {text}}}]) %}}"
        self.extra[message.state_id] = {"QueryLanguage": "JSONata", "Output": output}
        return self._behind_metrics(step, self._then(message, after))

    def _behind_metrics(self, step: str, entry: Any) -> Any:
        """Return the states that read the metrics in the step's message, and go on with `entry`."""
        metrics = self.structure.steps[step].message_metrics
        for other in reversed(list(dict.fromkeys(other for other, _ in metrics))):
            place, result = path_of("$.steps", other, "metrics"), path_of("$.metrics", other)
            entry = self._read_metrics(f"{step}: read metrics of {other}", other, place, result, entry)
        return entry

    def _timed_out(self, step: str, time_out: TimeOut) -> Any:
        fail = self.sdk.Fail(self._name(state_name(step, time_out.title)), error=APPROVAL_TIMED_OUT)
        self.extra[fail.state_id] = {"CausePath": time_out.cause_path}
        return fail

    def _approval(self, name: str, step: str, state: ApprovalState, after: Any) -> Any:
        """Return the choice by a decision: it leads on if the decision is to approve, and else to the run's end."""
        rejected = self.sdk.Fail(self._name(state_name(step, state.rejected_title)), error=FAIL_REACHED, cause="")
        text = rejection_text(step, state.decision_path)
        self.extra[rejected.state_id] = {"QueryLanguage": "JSONata", "Cause": f"{{% {text} %}}"}
        choice, decision = self.sdk.Choice(name), f"{state.decision_path}.decision"
        is_approved = [
            self.sdk.ChoiceRule.IsPresent(decision, True),
            self.sdk.ChoiceRule.StringEquals(decision, APPROVED),
        ]
        choice.add_choice(
            self.sdk.ChoiceRule.And(is_approved), after or self.sdk.Succeed(self._name(f"{step}: approved"))
        )
        choice.default_choice(rejected)
        return choice

    def _add_alternative(
        self, choice: Any, step: str, alternative: Alternative | None, paths: StepPaths, after: Any
    ) -> None:
        """Lead a failed task to its alternative. Where that fails as well, it is the choice's turn again."""
        if alternative is None:
            return
        entry = after
        if not alternative.states and entry is None:
            entry = self.sdk.Succeed(self._name(f"{step}: done already"))
        for state in reversed(alternative.states):
            entry = self._state(step, state, paths, entry, choice)
        sdk, cause = self.sdk.ChoiceRule, "$.failure.Cause"
        is_cause = any_of(sdk, [sdk.StringMatches(cause, pattern) for pattern in alternative.causes])
        choice.add_choice(sdk.And([sdk.IsPresent(cause, True), is_cause]), entry)

    def _map(self, name: str, step: str, state: MapState, paths: StepPaths, failed: Any) -> Any:
        """Return a Map. Its iterations have no failure of their own: a failed one fails the Map."""
        task = self._task(self._name(state_name(step, state.task.title)), state.task, replace(paths, result="$"))
        result = self.sdk.Map(
            name,
            iterator=task,
            items_path=state.items_path,
            max_concurrency=state.max_concurrency,
            result_path=paths.result + state.keeps_below,
        )
        self.extra[name] = {"ItemSelector": dict(state.item)}
        result.add_catch(self._catch(self._undo(step, state, paths, failed)))
        return result

    def _undo(self, step: str, state: TaskState | MapState, paths: StepPaths, failed: Any) -> Any:
        """Return the task that takes a state's work back, on the way to `failed`. States may share one."""
        if state.undo is None:
            return failed
        name = state_name(step, state.undo.title)
        if name not in self.undoing:
            undo = self.undoing[name] = self._task(self._name(name), state.undo, paths)
            undo.add_catch(self.sdk.Catch(error_equals=["States.ALL"], result_path="$.undo", next_step=failed))
            undo.next(failed)
        return self.undoing[name]


def _is_late(uses: str) -> bool:
    """Return True if a field of the request carries metrics to S3 while the job runs.

    SageMaker's documentation does not say that all is there before it reports the job's end.
    Source: https://docs.aws.amazon.com/sagemaker/latest/dg/model-checkpoints.html
    """
    container = STEP_TYPES[uses].container
    return container is not None and container.metrics_field is not None
