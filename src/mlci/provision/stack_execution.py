"""The execution of a change set, and the deletion of a stack, each followed to its result.

A failed or stopped update is rolled back by CloudFormation. After a failed or stopped creation, nothing stays: the
stack is deleted, and so are the resources that otherwise outlive it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import field

from mlci.backends.aws.api_calls import AwsError
from mlci.backends.aws.cloudformation_stacks import ChangeSet, Stack, StackEvent
from mlci.backends.stop_signal import StopSignal
from mlci.errors import CloudError, MlciError, Stopped
from mlci.interrupts import run_interruptible
from mlci.provision.context import Account
from mlci.provision.desired_stack import DesiredStack
from mlci.provision.prompt import Prompt
from mlci.report.stack_report import failure_summary
from mlci_dataclasses import dataclass

#: Resources that outlive the stack, and are of no use if its creation fails.
_RETAINED = ("Bucket", "ImageRepository")


@dataclass
class OperationProgress:
    """The progress of a stack operation.

    `failed` are the events of resources that failed, `stack` is the stack in the end, `refusal` the reason why
    CloudFormation did not start, and `remaining` the problems of the clean-up.
    """

    prompt: Prompt
    failed: list[StackEvent] = field(default_factory=list)
    stack: Stack | None = None
    refusal: str = ""
    remaining: list[str] = field(default_factory=list)

    def on_event(self, event: StackEvent) -> None:
        self.prompt.on_event(event)
        if event.is_failure and not event.is_stack:
            self.failed.append(event)

    @property
    def is_complete(self) -> bool:
        is_complete = self.stack is not None and self.stack.status in ("CREATE_COMPLETE", "UPDATE_COMPLETE")
        return is_complete and not self.refusal

    @property
    def reason(self) -> str:
        return (self.refusal or failure_summary(self.failed)).rstrip(".")


def execute_change_set(change_set: ChangeSet, desired: DesiredStack, account: Account, prompt: Prompt) -> Stack:
    """Execute a change set, and return the stack.

    Raises: Stopped and CloudError; the stack is then as it was before, or deleted if it is new.
    """
    progress, stop = OperationProgress(prompt), StopSignal()

    def work() -> None:
        _run_change_set(change_set, desired, account, progress, stop)
        if change_set.is_creation and not progress.is_complete:
            progress.remaining = _clean_up_failed_creation(progress.stack, desired, account, prompt)
        if progress.refusal:
            _discard_change_set(change_set, account)

    def interrupt(reason: str) -> None:
        stop.set(error="mlci.Stopped", cause=reason)
        prompt.message(f"{reason}: CloudFormation rolls back")

    with prompt.interrupts() as interrupts:
        run_interruptible(work, interrupts, interrupt)
    if not progress.is_complete:
        raise _failure(progress, change_set, desired, stop.is_set())
    if stop.is_set():
        raise Stopped(f'stopped, after the stack "{desired.stack}" was complete.', hint="Run again to continue.")
    assert progress.stack is not None
    return progress.stack


def delete_stack(stack: Stack, account: Account, prompt: Prompt, stop: StopSignal | None = None) -> Stack:
    """Delete a stack, and return it once it is gone. `stop` ends the waiting, while CloudFormation continues.

    Raises: CloudError, if the deletion fails.
    """
    progress = OperationProgress(prompt)
    result = account.stacks.delete(stack.id, progress.on_event, stop or StopSignal())
    if result.condition == "gone" or (stop and stop.is_set()):
        return result
    what = f'the stack "{stack.name}" could not be deleted: {progress.reason}.'
    raise CloudError(what, hint="Resolve this, and run again.")


def _run_change_set(
    change_set: ChangeSet, desired: DesiredStack, account: Account, progress: OperationProgress, stop: StopSignal
) -> None:
    try:
        progress.stack = account.stacks.execute(change_set, progress.on_event, stop)
    except AwsError as error:
        if error.is_transient and account.stacks.api.is_aws:
            hint = f'CloudFormation continues without mlci. Check the stack "{desired.stack}", and run again.'
            raise CloudError(error.what, hint=hint) from error
        progress.refusal = error.message
        progress.stack = account.stacks.find(change_set.stack_id)


def _discard_change_set(change_set: ChangeSet, account: Account) -> None:
    """Delete a change set that was not executed. It may already be gone with its stack."""
    try:
        account.stacks.discard(change_set)
    except AwsError:
        pass  # the refusal is the error to report


def _failure(progress: OperationProgress, change_set: ChangeSet, desired: DesiredStack, is_stopped: bool) -> MlciError:
    if progress.remaining:
        after = f"Not everything could be removed: {'; '.join(progress.remaining)}."
    elif change_set.is_creation:
        after = f'Nothing is left of the stack "{desired.stack}".'
    elif progress.stack is not None and progress.stack.condition == "stuck":
        command = f"aws cloudformation continue-update-rollback --stack-name {desired.stack}"
        after = f"The rollback failed ({progress.stack.status}). Resolve the reason, then run: {command}"
    else:
        after = f'The stack "{desired.stack}" is as it was before.'
    if is_stopped:
        return Stopped("stopped.", hint=after)
    verb = "created" if change_set.is_creation else "updated"
    return CloudError(f'the stack "{desired.stack}" could not be {verb}: {progress.reason}.', hint=after)


def _clean_up_failed_creation(
    stack: Stack | None, desired: DesiredStack, account: Account, prompt: Prompt
) -> list[str]:
    """Delete everything that a failed creation left, and return a description of what could not be deleted."""
    if stack is None:
        return []
    retained = {
        name: account.stacks.physical_id(stack.id, name) for name in _RETAINED if _is_created_by_stack(name, desired)
    }
    problems: list[str] = []
    if stack.condition != "gone":
        problems += _collect_problem(lambda: delete_stack(stack, account, prompt))
    bucket, images = retained.get("Bucket"), retained.get("ImageRepository")
    if bucket:
        problems += _collect_problem(lambda: account.buckets.delete(bucket), f"Bucket {bucket}: ")
    if images:
        problems += _collect_problem(
            lambda: account.api("ecr").call("delete_repository", repositoryName=images), f"ImageRepository {images}: "
        )
    return problems


def _collect_problem(work: Callable[[], object], prefix: str = "") -> list[str]:
    try:
        work()
    except CloudError as error:
        is_gone = isinstance(error, AwsError) and error.code == "RepositoryNotFoundException"
        return [] if is_gone else [f"{prefix}{error}"]
    return []


def _is_created_by_stack(resource: str, desired: DesiredStack) -> bool:
    if resource == "Bucket":
        return not desired.values.get("ExistingBucket")
    return bool(desired.values.get("EcrRepository"))
