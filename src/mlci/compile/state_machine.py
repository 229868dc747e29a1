"""Structure → Amazon States Language, by the states of the `stepfunctions` SDK. Its import takes seconds: import late.

Each step becomes the states that its type describes. A failure has its own states beside them. A Retry tells errors by
their names alone, so a Choice looks at the cause: a task whose failure passes by itself is tried again later, a job
under a fresh name; every other failure ends in a Fail state that names the step.
Data does not flow through the states but through S3: the state's data stays the execution input, and what a check needs
is read from S3 just before it.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any  # the SDK is untyped: Any stands for its states, and ends in this module

from typing_extensions import assert_never

from mlci.compile.names import GATE_MISSED, state_name
from mlci.compile.series_parallel import Composition, Parallel, Series, leaves
from mlci.compile.structure import GATE, Check, Guard, Structure
from mlci.compile.time_limit import READ_METRICS_S, RETRY_ATTEMPTS, RETRY_GROWTH, RETRY_WAIT_S
from mlci.stage.sdk_imports import quiet_sdk
from mlci.step_types import STEP_TYPES
from mlci.step_types.base import (
    S3_RETRIES,
    S3_TRANSIENT_ERRORS,
    Alternative,
    MapState,
    RetryRule,
    State,
    StepPaths,
    TaskState,
    WaitState,
)

#: State names are at most 80 characters.
#: Source: https://docs.aws.amazon.com/step-functions/latest/dg/statemachine-structure.html
STATE_NAME_MAX_CHARS = 80

#: Where the states of steps put their results.
RESULTS = "$.trained"
_GET_OBJECT = "arn:aws:states:::aws-sdk:s3:getObject"


def definition(structure: Structure) -> str:
    """Return the definition as JSON text. The same structure gives the same bytes."""
    depth = sys.getrecursionlimit()
    try:
        with quiet_sdk():
            import stepfunctions.steps as sdk

            sys.setrecursionlimit(depth + 100 * len(structure.steps))  # the SDK walks the states by recursion
            body = _Builder(sdk, structure).machine()
    finally:
        sys.setrecursionlimit(depth)
    return json.dumps(body, indent=2)


class _Builder:
    """Builds states from the end to the start: each is made with the state that follows it (None: the branch ends)."""

    def __init__(self, sdk: Any, structure: Structure) -> None:
        self.sdk, self.structure = sdk, structure
        self.names: set[str] = set(structure.steps)
        self.extra: dict[str, dict[str, object]] = {}  # fields that the SDK refuses, by state
        self.undoing: dict[str, Any] = {}  # the tasks that take back what others did, by name

    def machine(self) -> dict[str, object]:
        first = self._behind(self.structure.composition, frozenset(), self._verdict())
        graph = self.sdk.states.Graph(
            first, comment=f"mlci: the flow {self.structure.flow}", timeout_seconds=self.structure.time_limit_s
        ).to_dict()
        self._add_extra(graph)
        return dict(graph)

    def _integration(self, resource: str) -> str:
        """Return the ARN of a service integration in the run's partition. Step Functions rejects that of another one at
        run time ("The resource belongs to a different partition from the running execution").

        Source: https://github.com/aws/aws-cdk/issues/4597
        """
        return resource.replace("arn:aws:", f"arn:{self.structure.partition}:", 1)

    def _verdict(self) -> Any:
        """The end: every rule of the gate, once more where steps behind it already checked, and the run's outcome."""
        passed = self.sdk.Succeed(self._name("passed"))
        if self.structure.gate is None:
            return passed
        missed = self.sdk.Fail(
            self._name("gate missed"),
            error=GATE_MISSED,
            cause="A metric missed its limit, so nothing behind the gate was run. The report lists every rule.",
        )
        return self._check(self.structure.gate, passed, missed)

    def _behind(self, composition: Composition, established: frozenset[str], after: Any) -> Any:
        """Return a composition behind the guards that all of its steps share, other than those already established."""
        guards = [guard for guard in self._shared(composition) if guard.owner not in established]
        entry = self._compose(composition, established | {guard.owner for guard in guards}, after)
        for guard in reversed(guards):
            skipped = after or self.sdk.Succeed(self._name(f"{guard.owner}: skipped"))
            entry = self._check(guard, entry, skipped)
        return entry

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
                parallel = self.sdk.Parallel(
                    self._name("together: " + ", ".join(leaves(composition))), result_path=None
                )
                for item in items:
                    parallel.add_branch(self._behind(item, established, None))
                return self._then(parallel, after)

    def _grouped(self, items: Sequence[Composition], established: frozenset[str]) -> list[Composition]:
        """Neighbours behind the same guards are put behind them together, so that these are checked once."""
        groups: list[tuple[list[Guard], list[Composition]]] = []
        for item in items:
            guards = [guard for guard in self._shared(item) if guard.owner not in established]
            if groups and guards and groups[-1][0] and groups[-1][0][0] == guards[0]:
                groups[-1][1].append(item)
            else:
                groups.append((guards, [item]))
        if len(groups) == 1:
            return list(items)
        return [group[0] if len(group) == 1 else Series(tuple(group)) for _, group in groups]

    def _check(self, guard: Guard, then: Any, otherwise: Any) -> Any:
        """Reads the metrics that a guard needs, and goes on by whether all of its comparisons hold."""
        choice = self.sdk.Choice(self._name(f"{guard.owner}: holds?"))
        rules = [rule for number, check in enumerate(guard.checks) for rule in self._rules(guard, number, check)]
        choice.add_choice(self.sdk.ChoiceRule.And(rules), then)
        choice.default_choice(otherwise)
        entry = choice
        for step in reversed(list(dict.fromkeys(check.step for check in guard.checks))):
            entry = self._read_metrics(guard.owner, step, entry)
        return entry

    def _rules(self, guard: Guard, number: int, check: Check) -> list[Any]:
        rule = self.sdk.ChoiceRule
        value = _path("$.metrics", check.step, "found", *check.path)
        limits = "$.gate" if guard.owner == GATE else _path("$.steps", guard.owner) + ".when"
        limit = f"{limits}[{number}]"
        compare = rule.NumericGreaterThanEqualsPath if check.is_lower else rule.NumericLessThanEqualsPath
        is_met = rule.NumericLessThanEquals if check.is_lower else rule.NumericGreaterThanEquals
        holds = [
            [rule.IsNumeric(value, True), compare(value, limit)],
            *([rule.BooleanEquals(value, truth), is_met(limit, int(truth))] for truth in (True, False)),
        ]
        return [rule.IsPresent(value, True), rule.Or([rule.And(conditions) for conditions in holds])]

    def _read_metrics(self, owner: str, step: str, after: Any) -> Any:
        """Puts a step's metrics at `$.metrics.<step>.found`.

        A file that is missing or no JSON leaves an error there instead, so that every rule on it is missed. A file that
        S3 does not hand out ends the run.
        """
        here = _path("$.steps", step) + ".metrics"
        task = self.sdk.Task(
            self._name(f"{owner}: read metrics of {step}"),
            resource=self._integration(_GET_OBJECT),
            parameters={"Bucket.$": f"{here}.bucket", "Key.$": f"{here}.key"},
            result_path=_path("$.metrics", step),
            timeout_seconds=READ_METRICS_S,
        )
        self.extra[task.state_id] = {"ResultSelector": {"found.$": "States.StringToJson($.Body)"}}
        task.add_retry(self._retry(S3_TRANSIENT_ERRORS))
        fail = self._fail(f"{task.state_id}: failed", f"the metrics of step {step} could not be read")
        again = self._try_again(task.state_id, task, S3_RETRIES, f"{here}.attempt", fail)
        task.add_catch(self._catch(again, dict.fromkeys(error for rule in S3_RETRIES for error in rule.errors)))
        for errors in (["States.DataLimitExceeded"], ["States.ALL"]):
            task.add_catch(self.sdk.Catch(error_equals=errors, result_path=_path("$.metrics", step), next_step=after))
        return self._then(task, after)

    def _step(self, name: str, after: Any) -> Any:
        """Return the first of the states that the step's type describes, joined to each other and to what follows."""
        step = self.structure.steps[name]
        paths = StepPaths(_path("$.steps", name), _path(RESULTS, name), step.request_fields, step.input_fields)
        for state in reversed(STEP_TYPES[step.uses].states(paths)):
            after = self._state(name, state, paths, after)
        return after

    def _state(self, step: str, state: State, paths: StepPaths, after: Any, failed: Any = None) -> Any:
        """Return a described state. A failure of it leads to `failed`, if there is one, and else to its own states."""
        name = self._name(state_name(step, state.title)) if state.title else step
        match state:
            case TaskState():
                task = self._task(name, state, paths)
                if failed is None:
                    fail = self._fail(f"{step}: {state.failure_title}", f"step {step} failed")
                    failed = self._try_again(
                        name,
                        task,
                        state.retries,
                        state.attempt_path,
                        fail,
                        lambda choice: self._add_alternative(choice, step, state.alternative, paths, after),
                    )
                task.add_catch(self._catch(self._undo(step, state, paths, failed)))
                return self._then(task, after)
            case MapState():
                return self._then(self._map(name, step, state, paths, failed), after)
            case WaitState():
                return self._then(self.sdk.Wait(name, seconds_path=state.seconds_path), after)
            case _:
                assert_never(state)

    def _add_alternative(
        self, choice: Any, step: str, alternative: Alternative | None, paths: StepPaths, after: Any
    ) -> None:
        """Lead a failed task to its alternative. Where that fails as well, it is the choice's turn again."""
        if alternative is None:
            return
        entry = after
        for state in reversed(alternative.states):
            entry = self._state(step, state, paths, entry, choice)
        sdk, cause = self.sdk.ChoiceRule, "$.failure.Cause"
        is_cause = _any(sdk, [sdk.StringMatches(cause, pattern) for pattern in alternative.causes])
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

    def _task(self, name: str, state: TaskState, paths: StepPaths) -> Any:
        timeout = {"timeout_seconds": state.timeout_s, "timeout_seconds_path": state.timeout_path}
        task = self.sdk.Task(
            name,
            resource=self._integration(state.resource),
            parameters=dict(state.parameters),
            result_path=paths.result + state.keeps_below if state.keeps else None,
            **{field: value for field, value in timeout.items() if value is not None},
        )
        if state.keeps:
            self.extra[name] = {"ResultSelector": {f"{key}.$": path for key, path in state.keeps.items()}}
        task.add_retry(self._retry(state.transient_errors))
        return task

    def _try_again(
        self,
        name: str,
        task: Any,
        rules: Sequence[RetryRule],
        attempt: str,
        fail: Any,
        add_first: Callable[[Any], None] = lambda choice: None,
    ) -> Any:
        """Return the state that leads a failed task back, later and as a new attempt, if its failure passes by itself.

        `attempt` is the path of the counters: the number of the attempt, and how often each rule applied. `add_first`
        adds the choices in front of these.
        """
        if not rules:
            return fail
        choice = self.sdk.Choice(self._name(f"{name}: try again?"))
        add_first(choice)
        for rule in rules:
            counters = {"number": f"States.MathAdd({attempt}.number, 1)"}
            counters |= {other.kind: f"{attempt}.{other.kind}" for other in rules}
            counters[rule.kind] = f"States.MathAdd({attempt}.{rule.kind}, 1)"
            again = self.sdk.Pass(
                self._name(f"{name}: next attempt, {rule.kind}"),
                parameters={f"{key}.$": value for key, value in counters.items()},
                result_path=attempt,
            )
            wait = self.sdk.Wait(self._name(f"{name}: wait for {rule.kind}"), seconds=rule.wait_s)
            again.next(wait)
            wait.next(task)
            choice.add_choice(self._applies(rule, f"{attempt}.{rule.kind}"), again)
        choice.default_choice(fail)
        return choice

    def _applies(self, rule: RetryRule, counter: str) -> Any:
        """Return the condition that a rule matches `$.failure`, and was not used up."""
        sdk, cause = self.sdk.ChoiceRule, "$.failure.Cause"
        conditions = [sdk.IsPresent(cause, True), sdk.NumericLessThan(counter, rule.attempts)]
        if rule.errors:
            conditions.append(_any(sdk, [sdk.StringEquals("$.failure.Error", name) for name in rule.errors]))
        conditions.append(_any(sdk, [sdk.StringMatches(cause, pattern) for pattern in rule.causes]))
        conditions += [sdk.Not(sdk.StringMatches(cause, pattern)) for pattern in rule.unless]
        return sdk.And(conditions)

    def _fail(self, state: str, what: str) -> Any:
        fail = self.sdk.Fail(self._name(state))
        self.extra[fail.state_id] = {
            "ErrorPath": "$.failure.Error",
            "CausePath": f"States.Format('{what}: {{}}', States.JsonToString($.failure))",
        }
        return fail

    def _catch(self, handler: Any, errors: Iterable[str] = ("States.ALL",)) -> Any:
        return self.sdk.Catch(error_equals=list(errors), result_path="$.failure", next_step=handler)

    def _retry(self, errors: Sequence[str]) -> Any:
        return self.sdk.Retry(
            error_equals=list(errors),
            interval_seconds=RETRY_WAIT_S,
            max_attempts=RETRY_ATTEMPTS,
            backoff_rate=RETRY_GROWTH,
        )

    def _then(self, state: Any, after: Any) -> Any:
        if after is not None:
            state.next(after)
        return state

    def _name(self, desired: str) -> str:
        """Return the desired state name, cut to what AWS takes, and numbered if another state has it."""
        number, name = 1, desired[:STATE_NAME_MAX_CHARS]
        while name in self.names:
            number += 1
            mark = f" ({number})"
            name = desired[: STATE_NAME_MAX_CHARS - len(mark)] + mark
        self.names.add(name)
        return name

    def _add_extra(self, graph: Any) -> None:
        for name, state in graph["States"].items():
            state.update(self.extra.get(name, {}))
            for branch in state.get("Branches", ()):
                self._add_extra(branch)
            if "Iterator" in state:  # the SDK knows the former name of ItemProcessor alone
                processor = state.pop("Iterator")
                self._add_extra(processor)
                state["ItemProcessor"] = {"ProcessorConfig": {"Mode": "INLINE"}, **processor}


def _any(sdk: Any, conditions: Sequence[Any]) -> Any:
    return conditions[0] if len(conditions) == 1 else sdk.Or(list(conditions))


def _path(root: str, *keys: str | int) -> str:
    """A reference path. Keys that are no plain words are quoted; an integer is the index of a list's item.

    >>> _path("$.steps", "train-a", "when", 0)
    "$.steps['train-a'].when[0]"
    """
    return root + "".join(map(_segment, keys))


def _segment(key: str | int) -> str:
    if isinstance(key, int):
        return f"[{key}]"
    if re.fullmatch(r"[A-Za-z_]\w*", key, re.ASCII):
        return f".{key}"
    return "['" + key.replace("\\", "\\\\").replace("'", "\\'") + "']"
