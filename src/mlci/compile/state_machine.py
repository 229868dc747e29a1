"""Outline → Amazon States Language, by the `stepfunctions` SDK's states. Importing the SDK takes seconds: import late.

Each step becomes a task that runs its job and waits for it. What may go wrong has its own states beside it: capacity
that AWS lacks is waited for and asked for again under a fresh job name; all else ends in a Fail state that names the
step. Data does not flow through the states but through S3: the state's data stays the execution input, and what a
check needs is read from S3 just before it.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Sequence
from typing import Any  # the SDK is untyped: Any stands for its states, and ends in this module

from mlci.compile.names import GATE_MISSED, keeping_model
from mlci.compile.series_parallel import Series, Shape, Together, leaves
from mlci.compile.structure import GATE, Check, Guard, Outline
from mlci.stage.sdk_imports import quiet_sdk

#: How often a job is asked for again when AWS has no capacity for it, and how long is waited in between.
CAPACITY_ATTEMPTS = 3
CAPACITY_WAIT_S = 120
#: State names are at most 80 characters.
#: Source: https://docs.aws.amazon.com/step-functions/latest/dg/statemachine-structure.html
STATE_NAME_MAX_CHARS = 80

_RESOURCE = {
    "processing": ("arn:aws:states:::sagemaker:createProcessingJob.sync", "ProcessingJobName"),
    "training": ("arn:aws:states:::sagemaker:createTrainingJob.sync", "TrainingJobName"),
}
_GET_OBJECT = "arn:aws:states:::aws-sdk:s3:getObject"
_COPY_OBJECT = "arn:aws:states:::aws-sdk:s3:copyObject"

#: Errors that pass by themselves: the API was asked too often, or the account's quota is in use. The names are those
#: that Step Functions reports for SageMaker's and S3's exceptions.
_PASSING = {
    "sagemaker": (
        "SageMaker.AmazonSageMakerException",
        "SageMaker.ResourceLimitExceededException",
        "ThrottlingException",
    ),
    "s3": ("S3.SdkClientException", "S3.S3Exception"),
}


def definition(outline: Outline) -> str:
    """The definition, as JSON text: the same outline gives the same bytes."""
    depth = sys.getrecursionlimit()
    try:
        with quiet_sdk():
            import stepfunctions.steps as sdk

            sys.setrecursionlimit(depth + 100 * len(outline.steps))  # the SDK walks the states by recursion
            body = _Builder(sdk, outline).machine()
    finally:
        sys.setrecursionlimit(depth)
    return json.dumps(body, indent=2)


class _Builder:
    """Builds states from the end to the start: each is made with the state that follows it (None: the branch ends)."""

    def __init__(self, sdk: Any, outline: Outline) -> None:
        self.sdk, self.outline = sdk, outline
        self.names: set[str] = set(outline.steps)
        self.extra: dict[str, dict[str, object]] = {}  # fields that the SDK refuses, by state

    def machine(self) -> dict[str, object]:
        first = self._behind(self.outline.shape, frozenset(), self._verdict())
        graph = self.sdk.states.Graph(first, comment=f"mlci: the flow {self.outline.flow}").to_dict()
        self._add_extra(graph)
        return dict(graph)

    def _verdict(self) -> Any:
        """The end: every rule of the gate, once more where steps behind it already checked, and the run's outcome."""
        passed = self.sdk.Succeed(self._name("passed"))
        if self.outline.gate is None:
            return passed
        missed = self.sdk.Fail(
            self._name("gate missed"),
            error=GATE_MISSED,
            cause="A metric missed its limit, so nothing behind the gate was run. The report lists every rule.",
        )
        return self._check(self.outline.gate, passed, missed)

    def _behind(self, shape: Shape, established: frozenset[str], after: Any) -> Any:
        """A shape behind the guards that all of its steps share, other than those already established."""
        guards = [guard for guard in self._shared(shape) if guard.owner not in established]
        entry = self._shape(shape, established | {guard.owner for guard in guards}, after)
        for guard in reversed(guards):
            skipped = after or self.sdk.Succeed(self._name(f"{guard.owner}: skipped"))
            entry = self._check(guard, entry, skipped)
        return entry

    def _shared(self, shape: Shape) -> Sequence[Guard]:
        each = [self.outline.steps[leaf].guards for leaf in leaves(shape)]
        return [guard for guard in each[0] if all(guard in guards for guards in each)]

    def _shape(self, shape: Shape, established: frozenset[str], after: Any) -> Any:
        match shape:
            case str():
                return self._task(shape, after)
            case Series(items):
                for item in reversed(self._grouped(items, established)):
                    after = self._behind(item, established, after)
                return after
            case Together(items):
                together = self.sdk.Parallel(self._name("together: " + ", ".join(leaves(shape))), result_path=None)
                for item in items:
                    together.add_branch(self._behind(item, established, None))
                return self._then(together, after)

    def _grouped(self, items: Sequence[Shape], established: frozenset[str]) -> list[Shape]:
        """Neighbours behind the same guards are put behind them together, so that these are checked once."""
        groups: list[tuple[list[Guard], list[Shape]]] = []
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
        compare = rule.NumericGreaterThanEqualsPath if check.is_lower else rule.NumericLessThanEqualsPath
        return [rule.IsPresent(value, True), rule.IsNumeric(value, True), compare(value, f"{limits}[{number}]")]

    def _read_metrics(self, owner: str, step: str, after: Any) -> Any:
        """Puts a step's metrics at `$.metrics.<step>.found`; a file that is missing or no JSON leaves an error there
        instead, so that every rule on it is missed."""
        here = _path("$.steps", step) + ".metrics"
        task = self.sdk.Task(
            self._name(f"{owner}: read metrics of {step}"),
            resource=_GET_OBJECT,
            parameters={"Bucket.$": f"{here}.bucket", "Key.$": f"{here}.key"},
            result_path=_path("$.metrics", step),
            timeout_seconds=300,
        )
        self.extra[task.state_id] = {"ResultSelector": {"found.$": "States.StringToJson($.Body)"}}
        task.add_retry(self._retry("s3"))
        for errors in (["States.DataLimitExceeded"], ["States.ALL"]):
            task.add_catch(self.sdk.Catch(error_equals=errors, result_path=_path("$.metrics", step), next_step=after))
        return self._then(task, after)

    def _task(self, name: str, after: Any) -> Any:
        step = self.outline.steps[name]
        here = _path("$.steps", name)
        resource, name_field = _RESOURCE[step.uses]
        job = f"States.Format('{{}}-{{}}-{{}}', {here}.job, {here}.attempt.number, $$.State.RetryCount)"
        keeps_model = step.uses == "training"
        task = self.sdk.Task(
            name,
            resource=resource,
            parameters={
                f"{name_field}.$": job,
                **{f"{field}.$": f"{here}.request.{field}" for field in step.fields},
            },
            result_path=_path("$.trained", name) if keeps_model else None,
            timeout_seconds_path=f"{here}.timeout_s",
        )
        if keeps_model:
            self.extra[name] = {"ResultSelector": {"job.$": "$.TrainingJobName"}}
            after = self._keep_model(name, after)
        task.add_retry(self._retry("sagemaker"))
        task.add_catch(self._catch(name, self._failure(name, task)))
        return self._then(task, after)

    def _keep_model(self, name: str, after: Any) -> Any:
        """SageMaker puts a model under the job's name, which a retry changes; others look for it under the run's."""
        here, trained = _path("$.steps", name) + ".model", _path("$.trained", name)
        copy = self.sdk.Task(
            self._name(keeping_model(name)),
            resource=_COPY_OBJECT,
            parameters={
                "Bucket.$": f"{here}.bucket",
                "Key.$": f"{here}.key",
                "CopySource.$": f"States.Format('{{}}/{{}}/output/model.tar.gz', {here}.from, {trained}.job)",
            },
            result_path=None,
            timeout_seconds=900,
        )
        copy.add_retry(self._retry("s3"))
        copy.add_catch(self._catch(name, self._fail(f"{name}: model not kept", name)))
        return self._then(copy, after)

    def _failure(self, name: str, task: Any) -> Any:
        """Where a failed task goes: back, a little later and under a fresh name, where AWS had no capacity."""
        rule = self.sdk.ChoiceRule
        attempt = _path("$.steps", name) + ".attempt"
        wait = self.sdk.Wait(self._name(f"{name}: wait for capacity"), seconds=CAPACITY_WAIT_S)
        wait.next(task)
        again = self.sdk.Pass(
            self._name(f"{name}: next attempt"),
            parameters={"number.$": f"States.MathAdd({attempt}.number, 1)"},
            result_path=attempt,
        )
        again.next(wait)
        choice = self.sdk.Choice(self._name(f"{name}: no capacity?"))
        choice.add_choice(
            rule.And(
                [
                    rule.IsPresent("$.failure.Cause", True),
                    rule.StringMatches("$.failure.Cause", "*CapacityError*"),
                    rule.NumericLessThan(f"{attempt}.number", CAPACITY_ATTEMPTS),
                ]
            ),
            again,
        )
        choice.default_choice(self._fail(f"{name}: failed", name))
        return choice

    def _fail(self, state: str, step: str) -> Any:
        fail = self.sdk.Fail(self._name(state))
        self.extra[fail.state_id] = {
            "ErrorPath": "$.failure.Error",
            "CausePath": f"States.Format('step {step} failed: {{}}', States.JsonToString($.failure))",
        }
        return fail

    def _catch(self, step: str, handler: Any) -> Any:
        return self.sdk.Catch(error_equals=["States.ALL"], result_path="$.failure", next_step=handler)

    def _retry(self, service: str) -> Any:
        return self.sdk.Retry(
            error_equals=list(_PASSING[service]), interval_seconds=5, max_attempts=6, backoff_rate=2.0
        )

    def _then(self, state: Any, after: Any) -> Any:
        if after is not None:
            state.next(after)
        return state

    def _name(self, wanted: str) -> str:
        """The wanted state name, cut to what AWS takes, and numbered where it is taken."""
        number, name = 1, wanted[:STATE_NAME_MAX_CHARS]
        while name in self.names:
            number += 1
            mark = f" ({number})"
            name = wanted[: STATE_NAME_MAX_CHARS - len(mark)] + mark
        self.names.add(name)
        return name

    def _add_extra(self, graph: Any) -> None:
        for name, state in graph["States"].items():
            state.update(self.extra.get(name, {}))
            for branch in state.get("Branches", ()):
                self._add_extra(branch)


def _path(root: str, *keys: str) -> str:
    """A reference path. Keys that are no plain words are quoted.

    >>> _path("$.steps", "train-a", "when")
    "$.steps['train-a'].when"
    """
    return root + "".join(
        f".{key}" if re.fullmatch(r"[A-Za-z_]\w*", key, re.ASCII) else f"[{_quoted(key)}]" for key in keys
    )


def _quoted(key: str) -> str:
    return "'" + key.replace("\\", "\\\\").replace("'", "\\'") + "'"
