"""The states of a large flow: its requests are read from S3 into workflow variables, and a job takes fewer states.

In JSONata, a job's task sends its request as a whole, and its Catch finds the rule by which a failure passes by itself
in a table that all jobs share. Other flows do without, so that nothing loads that language before a failure.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any  # the SDK is untyped: Any stands for its states

from mlci.compile.metric_checks import GET_OBJECT, MetricChecks, jsonata_of
from mlci.compile.request_files import RequestFiles
from mlci.compile.states import path_of
from mlci.compile.time_limit import READ_METRICS_S
from mlci.step_types.states import (
    S3_RETRIES,
    S3_TRANSIENT_ERRORS,
    SAGEMAKER_RETRIES,
    RetryRule,
    StepPaths,
    TaskState,
)

#: The workflow variable of the rules by which failures of jobs pass by themselves.
_RULES = "job_retries"
#: A refusal of S3 has the name of its other exceptions, so it is tried again as well, but not for long.
_READ_ATTEMPTS = 3


class LargeFlowStates(MetricChecks):
    """Makes the states of a flow whose requests lie in S3."""

    def _read_requests(self, files: RequestFiles, first: Any) -> Any:
        """Return the tasks that read the files of requests into a variable each, before `first`."""
        for number in reversed(range(len(files))):
            first = self._read_file(number, first)
        return first

    def _read_file(self, number: int, after: Any) -> Any:
        name = f"read the requests ({number + 1})"
        task = self.sdk.Task(self._name(name), resource=self._integration(GET_OBJECT), timeout_seconds=READ_METRICS_S)
        place = f"$states.input.requests[{number}]"
        what = "'the file is not what the build wrote'"
        content = f"($b := $states.result.Body; $hash($b, 'SHA-256') = {place}.sha256 ? $parse($b) : $error({what}))"
        rules = {} if number else {_RULES: [_plain(rule) for rule in SAGEMAKER_RETRIES]}
        fail = self._fail(f"{name}: failed", "the requests of the steps could not be read")
        failure = "$merge([$states.input, {'failure': $states.errorOutput}])"
        self.extra[task.state_id] = {
            "QueryLanguage": "JSONata",
            "Arguments": {"Bucket": f"{{% {place}.bucket %}}", "Key": f"{{% {place}.key %}}"},
            "Assign": {f"requests_{number}": f"{{% {content} %}}", **rules},
            "Output": "{% $states.input %}",
            "Catch": [{"ErrorEquals": ["States.ALL"], "Output": f"{{% {failure} %}}", "Next": fail.state_id}],
        }
        errors = dict.fromkeys((*S3_TRANSIENT_ERRORS, *(error for rule in S3_RETRIES for error in rule.errors)))
        task.add_retry(self._retry([*errors], attempts=_READ_ATTEMPTS))
        task.add_catch(self._catch(fail))  # the SDK follows it to the next state
        return self._then(task, after)

    def _job(self, name: str, state: TaskState, paths: StepPaths, fail: Any, after: Any) -> Any:
        """Return a job's task. Its Catch puts what is to be waited for before the next attempt at `$.again`."""
        task = self.sdk.Task(name, resource=self._integration(state.resource))
        choice = self.sdk.Choice(self._name(f"{name}: try again?"))
        wait = self.sdk.Wait(self._name(f"{name}: wait to try again"), seconds_path="$.again[0]")
        choice.add_choice(self.sdk.ChoiceRule.IsPresent("$.again[0]", True), wait)
        choice.default_choice(fail)
        wait.next(task)
        step = jsonata_of(paths.input)
        job = "$i.job & '-' & $i.attempt.number & '-' & $states.context.State.RetryCount"
        request = f"($i := {step}; $merge([{jsonata_of(paths.request)}, {{'{state.name_field}': {job}}}]))"
        self.extra[name] = {
            "QueryLanguage": "JSONata",
            "Arguments": f"{{% {request} %}}",
            "TimeoutSeconds": f"{{% {jsonata_of(state.timeout_path or '')} %}}",
            "Output": f"{{% {_kept(state.keeps, paths)} %}}",
            "Catch": [{"ErrorEquals": ["States.ALL"], "Output": f"{{% {_caught(paths)} %}}", "Next": choice.state_id}],
        }
        task.add_retry(self._retry(state.transient_errors))
        task.add_catch(self._catch(choice))  # the SDK follows it to the next state
        return self._then(task, after)


def request_variable(files: RequestFiles, step: str) -> str:
    """Return the path of a step's entry in the workflow variables.

    >>> request_variable((("a",), ("b", "train-c")), "train-c")
    "$requests_1['train-c']"
    """
    number = next(number for number, steps in enumerate(files) if step in steps)
    return path_of(f"$requests_{number}", step)


def is_large_job(state: TaskState) -> bool:
    """Return True if a task has a shorter form in a large flow."""
    return bool(state.name_field) and state.retries is SAGEMAKER_RETRIES


def _kept(keeps: Mapping[str, str], paths: StepPaths) -> str:
    """Return the JSONata of the state's data with what is kept of the task's result."""
    if not keeps:
        return "$states.input"
    kept = ", ".join(f"'{name}': $states.result{path.removeprefix('$')}" for name, path in keeps.items())
    return _placed(paths.result, f"{{{kept}}}")


def _caught(paths: StepPaths) -> str:
    """Return the JSONata of the state's data behind a failure, with the attempt counted and the time to wait."""
    matches = (
        "$lookup($a, kind) < attempts and ($count(errors) = 0 or $f.Error in errors)"
        " and $exists(causes[$contains($f.Cause, $)]) and $not($exists(unless[$contains($f.Cause, $)]))"
    )
    attempt = "$merge([$a, {'number': $a.number + 1}, $r{kind: $lookup($a, kind) + 1}])"
    data = _placed(f"{paths.input}.attempt", attempt, "{'failure': $f, 'again': [$r.wait_s]}")
    return (
        f"($f := $states.errorOutput; $a := {jsonata_of(paths.input)}.attempt; $r := ${_RULES}[{matches}][0]; {data})"
    )


def _placed(path: str, value: str, *others: str) -> str:
    """Return the JSONata of the state's data with a value at a path, and others beside it at the top.

    >>> _placed("$.trained.a", "1")
    "$merge([$states.input, {'trained': $merge([$states.input.trained, {'a': 1}])}])"
    """
    keys = [name or quoted for name, quoted in re.findall(r"\.(\w+)|\['([^']+)'\]", path)]
    places = [jsonata_of(path_of("$", *keys[:count])) for count in range(len(keys))]
    for key, place in zip(reversed(keys), reversed(places), strict=True):
        beside = others if place == places[0] else ()
        value = f"$merge([{', '.join((place, f'{{{key!r}: {value}}}', *beside))}])"
    return value


def _plain(rule: RetryRule) -> dict[str, object]:
    return {
        "kind": rule.kind,
        "errors": [*rule.errors],
        "causes": _contained(rule.causes),
        "unless": _contained(rule.unless),
        "wait_s": rule.wait_s,
        "attempts": rule.attempts,
    }


def _contained(patterns: Sequence[str]) -> list[str]:
    """Return the texts that patterns look for anywhere in a cause."""
    return [pattern.removeprefix("*").removesuffix("*") for pattern in patterns]
