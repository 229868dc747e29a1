"""The states of the cleaner: a second execution of a run's own version, which deletes what the run leaves.

A run whose steps create what lasts starts the cleaner first. However the run ends, stopped or killed with its build,
the cleaner is another execution, sees the end and deletes. It looks at the run from time to time, and lets a successor
go on before it reaches its own time limit, which is that of a run, or the limit of an execution's events.

Sources: https://docs.aws.amazon.com/step-functions/latest/dg/connect-stepfunctions.html;
https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html (25,000 events);
https://docs.aws.amazon.com/step-functions/latest/apireference/API_DescribeExecution.html (stateMachineVersionArn)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any  # the SDK is untyped: Any stands for its states

from mlci.compile.names import CLEANER_NAME, NOT_CLEANED
from mlci.compile.states import StateFactory, any_of, path_of
from mlci.step_types.deletions import DELETIONS, Deletion
from mlci.step_types.states import SAGEMAKER_TRANSIENT_ERRORS

#: The part of the execution input that makes an execution the cleaner, and that of a run from which it is made.
_CLEANUP, _CLEANER = "$.cleanup", "$.cleaner"
#: SageMaker's messages about a resource that is not there.
#: Source: terraform-provider-aws, internal/service/sagemaker (endpoint configurations, models, package groups)
_NOT_THERE = ("*Could not find*", "*does not exist*")
_CALL_S = 60
_WAIT_S, _ATTEMPTS = 5, 3


class CleanerStates(StateFactory):
    """Makes the states of the cleaner, and those of a run that start it."""

    def _with_cleaner(self, nouns: Sequence[str], first: Any) -> Any:
        """Return the state that leads a cleaner to its work, and a run to `first` once its cleaner is started."""
        if not nouns:
            return first
        choice = self.sdk.Choice(self._name("cleaner?"))
        choice.add_choice(self.sdk.ChoiceRule.IsPresent(_CLEANUP, True), self._cleaner(nouns))
        choice.default_choice(self._start_cleaner(first))
        return choice

    def _start_cleaner(self, first: Any) -> Any:
        version = self._call(
            "cleaner: find the version",
            "aws-sdk:sfn:describeExecution",
            {"ExecutionArn.$": "$$.Execution.Id"},
            {"arn.$": "$.StateMachineVersionArn"},
            f"{_CLEANER}.version",
        )
        start = self._call(
            "cleaner: start",
            "states:startExecution",
            {
                "StateMachineArn.$": f"{_CLEANER}.version.arn",
                "Name.$": f"States.Format('{{}}{CLEANER_NAME}{{}}', $$.Execution.Name, 1)",
                "Input": {
                    "cleanup": {
                        "run.$": "$$.Execution.Id",
                        "run_name.$": "$$.Execution.Name",
                        "version.$": f"{_CLEANER}.version.arn",
                        "number": 1,
                        "left": {"looks.$": f"{_CLEANER}.looks", "tries.$": f"{_CLEANER}.tries"},
                        **{f"{key}.$": f"{_CLEANER}.{key}" for key in _KEPT},
                    }
                },
            },
        )
        for state in (version, start):
            state.add_catch(
                self._catch(self._fail(f"{state.state_id}: failed", "the cleaner of the run did not start"))
            )
        version.next(start)
        start.next(first)
        return version

    def _cleaner(self, nouns: Sequence[str]) -> Any:
        """Return the loop: wait, look at the run, and delete once that has ended."""
        wait = self.sdk.Wait(self._name("cleaner: wait"), seconds_path=f"{_CLEANUP}.poll_s")
        look = self._call(
            "cleaner: look at the run",
            "aws-sdk:sfn:describeExecution",
            {"ExecutionArn.$": f"{_CLEANUP}.run"},
            {"status.$": "$.Status"},
            f"{_CLEANUP}.found",
        )
        again = self._again(wait)
        look.add_catch(self.sdk.Catch(error_equals=["States.ALL"], result_path=f"{_CLEANUP}.problem", next_step=again))
        goes_on = self.sdk.Choice(self._name("cleaner: does the run go on?"))
        goes_on.add_choice(self.sdk.ChoiceRule.StringEquals(f"{_CLEANUP}.found.status", "RUNNING"), again)
        settle = self.sdk.Wait(self._name("cleaner: wait for late calls"), seconds_path=f"{_CLEANUP}.settle_s")
        settle.next(self._deletions(nouns, self._try_later(again)))
        goes_on.default_choice(settle)
        look.next(goes_on)
        wait.next(look)
        return wait

    def _again(self, wait: Any) -> Any:
        """Return the states that count a look, and go on: in this execution, or in its successor."""
        count = self._counted("cleaner: count the looks", "looks")
        successor = self._call(
            "cleaner: let a successor go on",
            "states:startExecution",
            {
                "StateMachineArn.$": f"{_CLEANUP}.version",
                "Name.$": f"States.Format('{{}}{CLEANER_NAME}{{}}', {_CLEANUP}.run_name, "
                f"States.MathAdd({_CLEANUP}.number, 1))",
                "Input": {
                    "cleanup": {
                        **{f"{key}.$": f"{_CLEANUP}.{key}" for key in ("run", "run_name", "version", *_KEPT)},
                        "number.$": f"States.MathAdd({_CLEANUP}.number, 1)",
                        "left": {"looks.$": f"{_CLEANUP}.looks", "tries.$": f"{_CLEANUP}.left.tries"},
                    }
                },
            },
        )
        successor.add_catch(
            self.sdk.Catch(error_equals=["States.ALL"], result_path=f"{_CLEANUP}.problem", next_step=wait)
        )
        successor.next(self.sdk.Succeed(self._name("cleaner: a successor goes on")))
        rest = self.sdk.Choice(self._name("cleaner: any looks left?"))
        rest.add_choice(self.sdk.ChoiceRule.NumericLessThanEquals(f"{_CLEANUP}.left.looks", 0), successor)
        rest.default_choice(wait)
        count.next(rest)
        return count

    def _try_later(self, again: Any) -> Any:
        """Return the states behind a deletion that failed: once more later, or never."""
        count = self._counted("cleaner: count the tries", "tries")
        failed = self.sdk.Fail(self._name("cleaner: gave up"), error=NOT_CLEANED)
        cause = f"States.Format('could not be deleted: {{}}', States.JsonToString({_CLEANUP}.kept.causes))"
        self.extra[failed.state_id] = {"CausePath": cause}
        rest = self.sdk.Choice(self._name("cleaner: any tries left?"))
        rest.add_choice(self.sdk.ChoiceRule.NumericLessThanEquals(f"{_CLEANUP}.left.tries", 0), failed)
        rest.default_choice(again)
        count.next(rest)
        return count

    def _counted(self, name: str, counter: str) -> Any:
        """Return the state that takes one of a counter."""
        path = f"{_CLEANUP}.left"
        left = {each: f"{path}.{each}" for each in ("looks", "tries")}
        left[counter] = f"States.MathAdd({left[counter]}, -1)"
        return self.sdk.Pass(
            self._name(name), parameters={f"{each}.$": value for each, value in left.items()}, result_path=path
        )

    def _deletions(self, nouns: Sequence[str], later: Any) -> Any:
        entry = self.sdk.Succeed(self._name("cleaner: done"))
        for deletion in reversed([each for each in DELETIONS if each.noun in nouns]):
            entry = self._deletion(deletion, later, entry)
        return entry

    def _deletion(self, deletion: Deletion, later: Any, after: Any) -> Any:
        """Return the states that delete all resources of a kind, and go on to `later` where one can't be deleted."""
        title = f"cleaner: delete each {deletion.noun}"
        one = self._listed(deletion) if deletion.listing else self._one(deletion, "$.name")
        each = self.sdk.Map(
            self._name(title),
            iterator=one,
            items_path=path_of(f"{_CLEANUP}.names", deletion.key),
            max_concurrency=1,
            result_path=f"{_CLEANUP}.kept",
        )
        self.extra[each.state_id] = {
            "ItemSelector": {"name.$": "$$.Map.Item.Value"},
            "ResultSelector": {"causes.$": "$[*].left"},
        }
        rest = self.sdk.Choice(self._name(f"cleaner: any {deletion.noun} left?"))
        rest.add_choice(self.sdk.ChoiceRule.IsPresent(f"{_CLEANUP}.kept.causes[0]", True), later)
        rest.default_choice(after)
        each.next(rest)
        return each

    def _one(self, deletion: Deletion, name: str) -> Any:
        """Return the states that delete one resource; it is fine if there is none."""
        task = self._call(
            f"cleaner: {deletion.action}",
            f"aws-sdk:{deletion.service}:{deletion.action}",
            {f"{deletion.field}.$": name},
            retried=SAGEMAKER_TRANSIENT_ERRORS,
        )
        return self._forgiving(task, deletion.noun)

    def _forgiving(self, task: Any, noun: str, then: Any = None) -> Any:
        """Return a task at the end of an iteration, whose output has `left` where it failed for another reason than
        that its resource is not there."""
        deleted = self._ended(f"cleaner: the {noun} is gone", {})
        left = self.sdk.Pass(self._name(f"cleaner: the {noun} is left"), parameters={"left.$": "$.problem.Cause"})
        choice = self.sdk.Choice(self._name(f"cleaner: is there no {noun}?"))
        causes = [self.sdk.ChoiceRule.StringMatches("$.problem.Cause", pattern) for pattern in _NOT_THERE]
        choice.add_choice(any_of(self.sdk.ChoiceRule, causes), deleted)
        choice.default_choice(left)
        task.add_catch(self.sdk.Catch(error_equals=["States.ALL"], result_path="$.problem", next_step=choice))
        task.next(then or deleted)
        return task

    def _listed(self, deletion: Deletion) -> Any:
        """Return the states that delete all resources that belong to one name."""
        listing = deletion.listing
        assert listing is not None
        find = self._call(
            f"cleaner: {listing.action}",
            f"aws-sdk:sagemaker:{listing.action}",
            {f"{listing.field}.$": "$.name"},
            {"found.$": f"$.{listing.items}[*].{listing.item}"},
            "$.listed",
            SAGEMAKER_TRANSIENT_ERRORS,
        )
        each = self.sdk.Map(
            self._name(f"cleaner: delete each listed {deletion.noun}"),
            iterator=self._one(deletion, "$.name"),
            items_path="$.listed.found",
            max_concurrency=1,
            result_path="$.listed",
        )
        self.extra[each.state_id] = {
            "ItemSelector": {"name.$": "$$.Map.Item.Value"},
            "ResultSelector": {"left.$": "$[*].left"},
        }
        rest = self.sdk.Choice(self._name(f"cleaner: any listed {deletion.noun} left?"))
        left = self.sdk.Pass(
            self._name(f"cleaner: a listed {deletion.noun} is left"), parameters={"left.$": "$.listed.left[0]"}
        )
        rest.add_choice(self.sdk.ChoiceRule.IsPresent("$.listed.left[0]", True), left)
        rest.default_choice(self._ended(f"cleaner: each listed {deletion.noun} is gone", {}))
        each.next(rest)
        return self._forgiving(find, f"{deletion.noun} to list", each)

    def _call(
        self,
        name: str,
        resource: str,
        parameters: dict[str, object],
        keeps: dict[str, str] | None = None,
        result_path: str | None = None,
        retried: Sequence[str] = ("States.ALL",),
    ) -> Any:
        task = self.sdk.Task(
            self._name(name),
            resource=self._integration(f"arn:aws:states:::{resource}"),
            parameters=parameters,
            result_path=result_path,
            timeout_seconds=_CALL_S,
        )
        if keeps:
            self.extra[task.state_id] = {"ResultSelector": keeps}
        task.add_retry(self._retry(retried, wait_s=_WAIT_S, attempts=_ATTEMPTS))
        return task


#: The fields that a cleaner passes on to its successor as they are.
_KEPT = ("poll_s", "settle_s", "looks", "names")
