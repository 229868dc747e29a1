"""The states in which a state machine asks mlci whether the gate holds, for rules that it can't judge itself.

A task writes its token to S3, and waits for the answer: `held`, and a `text` with the rules that are broken. A gate
that nobody judged ends the run: nothing behind it runs. A run may ask at several places, each of which has a token of
its own, and asks once more at its end, so that its status agrees with the report.
"""

from __future__ import annotations

from typing import Any  # the SDK is untyped: Any stands for its states

from mlci.compile.guards import GATE
from mlci.compile.judgement_input import ATTEMPT, BUCKET, PATH, PREFIX, TIMED_OUT, TIMEOUT
from mlci.compile.names import GATE_MISSED, NOT_JUDGED
from mlci.compile.states import StateFactory
from mlci.step_types.gate_judgement import JUDGED, JUDGES
from mlci.step_types.states import S3_RETRIES, S3_TRANSIENT_ERRORS

#: Where the answer is put.
_ANSWER = "$.judged"


class JudgementStates(StateFactory):
    """Makes the states that ask mlci. `judgements` is the number of places so far."""

    judgements: int = 0

    def _judged(self, then: Any, otherwise: Any, title: str = "judged by mlci") -> Any:
        """Return the task that asks, and goes on by the answer. Only the answer that it holds leads to `then`."""
        self.judgements += 1
        name = self._name(f"{GATE}: {title}")
        task = self.sdk.Task(
            name,
            resource=self._integration("arn:aws:states:::aws-sdk:s3:putObject.waitForTaskToken"),
            parameters={
                "Bucket.$": f"{PATH}.{BUCKET}",
                "Key.$": f"States.Format('{{}}{self.judgements}.json', {PATH}.{PREFIX})",
                "Body": {"token.$": "$$.Task.Token", "run.$": "$.run", JUDGES: JUDGED},
                "ContentType": "application/json",
            },
            result_path=_ANSWER,
            timeout_seconds_path=f"{PATH}.{TIMEOUT}",
        )
        task.add_retry(self._retry(S3_TRANSIENT_ERRORS))
        late = self.sdk.Fail(self._name(f"{name}: not in time"), error=NOT_JUDGED)
        self.extra[late.state_id] = {"CausePath": f"{PATH}.{TIMED_OUT}"}
        task.add_catch(self._catch(late, ("States.Timeout",)))
        again = self._try_again(name, task, S3_RETRIES, f"{PATH}.{ATTEMPT}", self._not_judged(name))
        task.add_catch(self._catch(again))
        choice, rule = self.sdk.Choice(self._name(f"{name}: held?")), self.sdk.ChoiceRule
        is_held = [rule.IsPresent(f"{_ANSWER}.held", True), rule.BooleanEquals(f"{_ANSWER}.held", True)]
        choice.add_choice(rule.And(is_held), then)
        choice.default_choice(otherwise)
        return self._then(task, choice)

    def _not_judged(self, name: str) -> Any:
        """Return the end of a run whose gate could not be judged, with the reason."""
        fail = self.sdk.Fail(self._name(f"{name}: failed"), error=NOT_JUDGED, cause="")
        reason = f"($f := $states.input.failure; $f.Error = '{NOT_JUDGED}' ? $f.Cause : $f.Error & ': ' & $f.Cause)"
        self.extra[fail.state_id] = {
            "QueryLanguage": "JSONata",
            "Cause": f"{{% 'the gate could not be judged: ' & {reason} %}}",
        }
        return fail

    def _missed_as_judged(self) -> Any:
        """Return the end of a run whose gate mlci found missed, with the rules that are broken."""
        fail = self.sdk.Fail(self._name("gate missed, as judged by mlci"), error=GATE_MISSED, cause="")
        text = "$states.input.judged.text"
        self.extra[fail.state_id] = {
            "QueryLanguage": "JSONata",
            "Cause": f"{{% $exists({text}) ? $string({text}) : 'mlci found the gate missed' %}}",
        }
        return fail
