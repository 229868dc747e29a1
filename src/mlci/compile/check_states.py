"""The states in which the state machine itself finds that a step has failed: loops that wait, and smoke requests.

A failed task has an error and a cause. Here a Pass state makes them, with CHECK_FAILED as the error's name.

Source: https://docs.aws.amazon.com/step-functions/latest/dg/transforming-data.html (JSONata in single states)
"""

from __future__ import annotations

from typing import Any  # the SDK is untyped: Any stands for its states

from mlci.compile.names import state_name
from mlci.compile.states import StateFactory, any_of
from mlci.step_types.states import CHECK_FAILED, PollState, SmokeState, StepPaths

#: The most characters of an answer in a message.
_SHOWN_CHARS = 300
#: What a smoke request's answer is compared with: `$a` is the answer, `$n` the numbers in it, `$e` what is expected.
_COMPARISONS = {
    "contains": "$contains($a, $e.text)",
    "equals": "$trim($a) = $trim($e.text)",
    "json": "$parse($a) = $parse($e.text)",
    "within": "$count($n) > 0 and $count($filter($n, function($x) { $x >= $e.low and $x <= $e.high })) = $count($n)",
}
_NUMBERS = "[$map($match($a, /-?[0-9]+(\\.[0-9]+)?([eE][-+]?[0-9]+)?/), function($m) { $number($m.match) })]"


def answer_output() -> str:
    """Return the JSONata of what is kept of a smoke request: its answer, and `wrong` if that is not as expected."""
    compared = "true"
    for kind, comparison in reversed(_COMPARISONS.items()):
        compared = f"$e.kind = '{kind}' ? {comparison} : {compared}"
    wrong = f"{_message()} & $substring($a, 0, {_SHOWN_CHARS})"
    return (
        "{% ($r := $states.input.request; $e := $r.expect; $a := $string($states.result.Body); "
        f"$n := {_NUMBERS}; $is_right := ({compared}); "
        "$merge([{'name': $r.name, 'answer': $a}, $count($n) > 0 ? {'value': $n[0]} : {}, "
        f"$is_right ? {{}} : {{'wrong': {wrong}}}])) %}}"
    )


def _message() -> str:
    return "$r.name & ': expected an answer that ' & $r.expected & ', and got '"


class CheckStates(StateFactory):
    """Makes the states of loops and of smoke requests."""

    def _loop(
        self, step: str, name: str, state: PollState, paths: StepPaths, after: Any, failed: Any
    ) -> tuple[Any, Any]:
        """Return the state that waits, and the one that chooses by what the task between them found."""
        rule, data = self.sdk.ChoiceRule, f"{paths.result}{state.task.keeps_below}.described"
        status, left = f"{data}.{state.status_field}", f"{state.counter_path}.left"
        wait = self.sdk.Wait(name, seconds_path=state.seconds_path)
        count = self.sdk.Pass(
            self._name(f"{name}: once more"),
            parameters={"left.$": f"States.MathAdd({left}, -1)"},
            result_path=state.counter_path,
        )
        count.next(wait)
        reason, other, late = (
            self._cause(state_name(step, title), cause, failed)
            for title, cause in zip(
                state.reason_titles,
                (
                    f"States.Format('{state.failure}: {{}}', {data}.{state.reason_field})",
                    f"States.Format('{state.failure}: it is {{}}', {status})",
                    f"States.Format('{state.failure}: it is still {{}}, and the time is over', {status})",
                ),
                strict=True,
            )
        )
        is_pending = any_of(rule, [rule.StringEquals(status, each) for each in state.pending])
        choice = self.sdk.Choice(self._name(f"{name}: is it {state.wanted}?"))
        is_same = rule.StringEqualsPath(f"{data}.{state.same[0]}", state.same[1])
        done = after or self.sdk.Succeed(self._name(f"{name}: done"))
        choice.add_choice(rule.And([rule.StringEquals(status, state.wanted), is_same]), done)
        choice.add_choice(rule.And([is_pending, rule.NumericGreaterThan(left, 0)]), count)
        choice.add_choice(is_pending, late)
        choice.add_choice(rule.IsPresent(f"{data}.{state.reason_field}", True), reason)
        choice.default_choice(other)
        return wait, choice

    def _asked(self, step: str, name: str, state: SmokeState, paths: StepPaths, after: Any, failed: Any) -> Any:
        """Return the states that send each request, and go on if all answers are right."""
        task = self.sdk.Task(
            self._name(state_name(step, state.task_title)),
            resource=self._integration("arn:aws:states:::aws-sdk:sagemakerruntime:invokeEndpoint"),
            timeout_seconds=state.timeout_s,
        )
        task.add_retry(self._retry(state.transient_errors))
        no_json = self.sdk.Pass(self._name(f"{name}: an answer is no JSON"))
        task.add_catch(self.sdk.Catch(error_equals=["States.QueryEvaluationError"], next_step=no_json))
        wrong = "$r.name & ': expected an answer that ' & $r.expected & ', and got one that is no JSON'"
        self.extra[no_json.state_id] = {
            "QueryLanguage": "JSONata",
            "Output": f"{{% ($r := $states.input.request; {{'name': $r.name, 'wrong': {wrong}}}) %}}",
        }
        request = "$states.input.request"
        self.extra[task.state_id] = {
            "QueryLanguage": "JSONata",
            "Arguments": {
                "EndpointName": "{% $states.input.endpoint %}",
                "Body": f"{{% {request}.body %}}",
                "ContentType": f"{{% {request}.content_type %}}",
                "Accept": f"{{% {request}.accept %}}",
            },
            "Output": answer_output(),
            "Catch": [
                {
                    "ErrorEquals": ["States.QueryEvaluationError"],
                    "Output": "{% $states.input %}",
                    "Next": no_json.state_id,
                }
            ],
        }
        result = f"{paths.result}{state.keeps_below}"
        each = self.sdk.Map(name, iterator=task, items_path=state.items_path, max_concurrency=1, result_path=result)
        self.extra[each.state_id] = {
            "ItemSelector": {"endpoint.$": state.endpoint_path, "request.$": "$$.Map.Item.Value"},
            "ResultSelector": {"answers.$": "$", "wrong.$": "$[*].wrong"},
        }
        each.add_catch(self._catch(failed))
        choice = self.sdk.Choice(self._name(f"{name}: is each answer right?"))
        is_wrong = self.sdk.ChoiceRule.IsPresent(f"{result}.wrong[0]", True)
        choice.add_choice(is_wrong, self._cause(state_name(step, state.reason_title), f"{result}.wrong[0]", failed))
        choice.default_choice(after or self.sdk.Succeed(self._name(f"{name}: done")))
        each.next(choice)
        return each

    def _cause(self, name: str, cause: str, failed: Any) -> Any:
        """Return the state that makes the error and the cause of a failure."""
        made = self.sdk.Pass(
            self._name(name), parameters={"Error": CHECK_FAILED, "Cause.$": cause}, result_path="$.failure"
        )
        made.next(failed)
        return made
