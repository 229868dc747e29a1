"""The states of a large flow: its requests are read from S3 into workflow variables, and a job takes fewer states.

A failed job finds the rule by which its failure passes by itself in a table that all jobs share, in JSONata. Other
flows do without that language.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any  # the SDK is untyped: Any stands for its states

from mlci.compile.metric_checks import GET_OBJECT, MetricChecks
from mlci.compile.request_files import RequestFiles
from mlci.compile.states import path_of
from mlci.compile.time_limit import READ_METRICS_S
from mlci.step_types.states import (
    S3_RETRIES,
    S3_TRANSIENT_ERRORS,
    SAGEMAKER_RETRIES,
    SAGEMAKER_TRANSIENT_ERRORS,
    RetryRule,
    StepPaths,
    TaskState,
)

#: The workflow variable of the rules by which failures of jobs pass by themselves.
_RULES = "rules"
#: The rule of errors that pass by themselves whatever their cause: a Retry of its own would make each step larger.
_TRANSIENT = RetryRule("service", SAGEMAKER_TRANSIENT_ERRORS, ("*",), wait_s=30, attempts=10)
#: The step of a state in JSONata, by the state's name.
_STEP_OF_STATE = "$substringBefore($states.context.State.Name,': ')"
#: The state's data behind the failure of a job: with its attempt counted, and the seconds to wait if a rule matches.
#: All steps share this text, which is as short as it can be: the definition has it once for each.
_NEXT_ATTEMPT = (
    "($i:=$states.input;$f:=$i.failure;$s:=STEP;$p:=$lookup($i.steps,$s);$a:=$p.attempt;"
    "$r:=$rules[$lookup($a,kind)<most and (errors='*' or $f.Error in errors)"
    " and $exists(causes[$contains($f.Cause,$)]) and $count(unless[$contains($f.Cause,$)])=0][0];"
    "$merge([$i,{'again':[$r.wait_s],'steps':$merge([$i.steps,{$s:$merge([$p,{'attempt':"
    "$merge([$a,{'number':$a.number+1},$r{kind:$lookup($a,kind)+1}])}])}])}]))"
)
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
        rules = {} if number else {_RULES: [_plain(rule) for rule in (*SAGEMAKER_RETRIES, _TRANSIENT)]}
        fail = self._fail(f"{name}: failed", "the requests of the steps could not be read")
        failure = "$merge([$states.input, {'failure': $states.errorOutput}])"
        self.extra[task.state_id] = {
            "QueryLanguage": "JSONata",
            "Arguments": {"Bucket": f"{{% {place}.bucket %}}", "Key": f"{{% {place}.key %}}"},
            "Assign": {f"r{number}": f"{{% {content} %}}", **rules},
            "Output": "{% $states.input %}",
            "Catch": [{"ErrorEquals": ["States.ALL"], "Output": f"{{% {failure} %}}", "Next": fail.state_id}],
        }
        errors = dict.fromkeys((*S3_TRANSIENT_ERRORS, *(error for rule in S3_RETRIES for error in rule.errors)))
        task.add_retry(self._retry([*errors], attempts=_READ_ATTEMPTS))
        task.add_catch(self._catch(fail))  # the SDK follows it to the next state
        return self._then(task, after)

    def _job(self, name: str, step: str, state: TaskState, paths: StepPaths, fail: Any, after: Any) -> Any:
        """Return a job's task. The state behind a failure puts the seconds before the next attempt at `$.again`."""
        task = self._task(name, replace(state, transient_errors=()), paths)
        rule = self.sdk.Pass(self._name(f"{name}: find a rule"))
        choice = self.sdk.Choice(self._name(f"{name}: try again?"))
        wait = self.sdk.Wait(self._name(f"{name}: wait"), seconds_path="$.again[0]")
        rule.next(choice)
        choice.add_choice(self.sdk.ChoiceRule.IsPresent("$.again[0]", True), wait)
        choice.default_choice(fail)
        wait.next(task)
        is_named = rule.state_id.startswith(f"{step}: ")
        output = _NEXT_ATTEMPT.replace("STEP", _STEP_OF_STATE if is_named else f"'{step}'")
        self.extra[rule.state_id] = {"QueryLanguage": "JSONata", "Output": f"{{% {output} %}}"}
        task.add_catch(self._catch(rule))
        return self._then(task, after)


def request_variable(files: RequestFiles, step: str) -> str:
    """Return the path of a step's entry in the workflow variables.

    >>> request_variable((("a",), ("b", "train-c")), "train-c")
    "$r1['train-c']"
    """
    number = next(number for number, steps in enumerate(files) if step in steps)
    return path_of(f"$r{number}", step)


def is_large_job(state: TaskState) -> bool:
    """Return True if a task has a shorter form in a large flow."""
    return bool(state.name_field) and state.retries is SAGEMAKER_RETRIES


def _plain(rule: RetryRule) -> dict[str, object]:
    return {
        "kind": rule.kind,
        "errors": [*rule.errors] or "*",
        "causes": _contained(rule.causes),
        "unless": _contained(rule.unless),
        "wait_s": rule.wait_s,
        "most": rule.attempts,
    }


def _contained(patterns: Sequence[str]) -> list[str]:
    """Return the texts that patterns look for anywhere in a cause."""
    return [pattern.removeprefix("*").removesuffix("*") for pattern in patterns]
