"""The SDK's states, with what all states of a definition share: unique names, retries, failures and their ends.

The SDK lacks fields of the Amazon States Language that came later; they are added to its dictionaries at the end.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any  # the SDK is untyped: Any stands for its states

from mlci.compile.time_limit import RETRY_ATTEMPTS, RETRY_GROWTH, RETRY_WAIT_S
from mlci.step_types.states import RetryRule, StepPaths, TaskState

#: State names are at most 80 characters.
#: Source: https://docs.aws.amazon.com/step-functions/latest/dg/statemachine-structure.html
STATE_NAME_MAX_CHARS = 80
#: The error name of the Fail state behind a Parallel or Map whose branches went on although one failed.
STEP_FAILED = "mlci.StepFailed"
#: Where the failures of such branches are kept.
_FAILED = "$.failed"


class StateFactory:
    """Makes states from the end to the start: each with the state that follows it (None: the branch ends)."""

    def __init__(self, sdk: Any, partition: str, names: Iterable[str]) -> None:
        self.sdk, self.partition = sdk, partition
        self.names: set[str] = set(names)
        self.extra: dict[str, dict[str, object]] = {}  # fields that the SDK refuses, by state
        self.is_in_branch = False  # of a Parallel or Map whose branches go on although one failed

    def _integration(self, resource: str) -> str:
        """Return the ARN of a service integration in the run's partition. Step Functions rejects that of another one at
        run time ("The resource belongs to a different partition from the running execution").

        Source: https://github.com/aws/aws-cdk/issues/4597
        """
        return resource.replace("arn:aws:", f"arn:{self.partition}:", 1)

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
            conditions.append(any_of(sdk, [sdk.StringEquals("$.failure.Error", name) for name in rule.errors]))
        conditions.append(any_of(sdk, [sdk.StringMatches(cause, pattern) for pattern in rule.causes]))
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

    def _retry(self, errors: Sequence[str], wait_s: int = RETRY_WAIT_S, attempts: int = RETRY_ATTEMPTS) -> Any:
        return self.sdk.Retry(
            error_equals=list(errors),
            interval_seconds=wait_s,
            max_attempts=attempts,
            backoff_rate=RETRY_GROWTH,
        )

    def _task(self, name: str, state: TaskState, paths: StepPaths) -> Any:
        timeout = {
            "timeout_seconds": state.timeout_s,
            "timeout_seconds_path": state.timeout_path,
            "heartbeat_seconds_path": state.heartbeat.seconds_path if state.heartbeat else None,
        }
        task = self.sdk.Task(
            name,
            resource=self._integration(state.resource),
            parameters=dict(state.parameters),
            result_path=paths.result + state.keeps_below if state.keeps else None,
            **{field: value for field, value in timeout.items() if value is not None},
        )
        if state.keeps:
            self.extra[name] = {"ResultSelector": {f"{key}.$": path for key, path in state.keeps.items()}}
        if state.transient_errors:
            task.add_retry(self._retry(state.transient_errors))
        return task

    def _then(self, state: Any, after: Any) -> Any:
        if after is not None:
            state.next(after)
        return state

    @contextmanager
    def _branch(self) -> Iterator[None]:
        """Make states, until the context is left, of a branch that ends quietly where a step of it fails."""
        outer, self.is_in_branch = self.is_in_branch, True
        try:
            yield
        finally:
            self.is_in_branch = outer

    def _ended(self, what: str, output: Mapping[str, object]) -> Any:
        """Return the end of a branch. Its output is small: a Parallel or Map keeps those of all branches."""
        end = self.sdk.Pass(self._name(what))
        self.extra[end.state_id] = {"Result": dict(output)}
        return end

    def _joined(self, state: Any, what: str, after: Any) -> Any:
        """Return a Parallel or Map whose branches went on although one failed: it fails, or is followed by `after`.

        Within another branch of that kind, a failure ends this one.
        """
        self.extra.setdefault(state.state_id, {}).update(
            {"ResultSelector": {"steps.$": "$[*].failed"}, "ResultPath": _FAILED}
        )
        choice = self.sdk.Choice(self._name(f"{what}: did all succeed?"))
        failure = f"{what}: failed"
        if self.is_in_branch:
            failed = self._ended(failure, {"failed": what})
        else:
            failed = self.sdk.Fail(self._name(failure), error=STEP_FAILED)
            cause = f"States.Format('failed: {{}}', States.JsonToString({_FAILED}.steps))"
            self.extra[failed.state_id] = {"CausePath": cause}
        choice.add_choice(self.sdk.ChoiceRule.IsPresent(f"{_FAILED}.steps[0]", True), failed)
        choice.default_choice(after)
        state.next(choice)
        return state

    def _condition(self, name: str, condition: str, then: Any, otherwise: Any) -> Any:
        """Return a Choice by a JSONata expression on `$states.input`."""
        choice = self.sdk.Choice(self._name(name))
        choice.add_choice(self.sdk.ChoiceRule.IsPresent("$", True), then)  # the SDK follows it to the next state
        choice.default_choice(otherwise)
        self.extra[choice.state_id] = {
            "QueryLanguage": "JSONata",
            "Choices": [{"Condition": f"{{% {condition} %}}", "Next": then.state_id}],
        }
        return choice

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


def serialised_once(state: Any) -> Any:
    """Return a Parallel or Map that the SDK serialises once. It asks each for its JSON several times, and so, without
    this, for that of a state within ten others millions of times."""
    state.to_dict = functools.cache(state.to_dict)
    return state


def any_of(sdk: Any, conditions: Sequence[Any]) -> Any:
    return conditions[0] if len(conditions) == 1 else sdk.Or(list(conditions))


def path_of(root: str, *keys: str | int) -> str:
    """A reference path. Keys that are no plain words are quoted; an integer is the index of a list's item.

    >>> path_of("$.steps", "train-a", "when", 0)
    "$.steps['train-a'].when[0]"
    """
    return root + "".join(map(_segment, keys))


def replaced_value(path: str, value: str) -> str:
    """Return the JSONata of a state's input in which a value takes the place of what lies at a path.

    The context of the value's own expression is what lies there before.

    >>> replaced_value("$.metrics", "$count(list)")
    "$merge([$states.input, {'metrics': $states.input.`metrics`.($count(list))}])"
    """
    keys = [name or quoted for name, quoted in re.findall(r"\.(\w+)|\['([^']+)'\]", path)]
    places = ["$states.input" + "".join(f".`{key}`" for key in keys[:count]) for count in range(len(keys) + 1)]
    expression = f"{places[-1]}.({value})"
    for key, place in zip(reversed(keys), reversed(places[:-1]), strict=True):
        expression = f"$merge([{place}, {{'{key}': {expression}}}])"
    return expression


def _segment(key: str | int) -> str:
    if isinstance(key, int):
        return f"[{key}]"
    if re.fullmatch(r"[A-Za-z_]\w*", key, re.ASCII):
        return f".{key}"
    return "['" + key.replace("\\", "\\\\").replace("'", "\\'") + "']"
