"""A change set executed: done, or undone again. What a creation has made goes where it fails or is stopped, also what
is made to outlive the stack; a change that fails is set back by CloudFormation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from mlci.backends.aws.api_calls import AwsError
from mlci.backends.aws.cloudformation_stacks import ChangeSet, Stack, StackEvent
from mlci.backends.stop_signal import StopSignal
from mlci.errors import CloudError, MlciError, Stopped
from mlci.interrupts import attend
from mlci.provision.context import Account, Person
from mlci.provision.desired_stack import Wanted
from mlci.report.stack_report import failures

#: Resources that outlive the stack, and are no use where its creation failed.
_RETAINED = ("Bucket", "ImageRepository")


@dataclass
class Course:
    """How an operation goes: what failed, the stack in the end, why CloudFormation did not even begin, and what could
    not be cleared away."""

    person: Person
    failed: list[StackEvent] = field(default_factory=list)
    stack: Stack | None = None
    refusal: str = ""
    left: list[str] = field(default_factory=list)

    def tell(self, event: StackEvent) -> None:
        self.person.tell(event)
        if event.is_failure and not event.is_stack:
            self.failed.append(event)

    @property
    def is_done(self) -> bool:
        is_there = self.stack is not None and self.stack.status in ("CREATE_COMPLETE", "UPDATE_COMPLETE")
        return is_there and not self.refusal

    @property
    def why(self) -> str:
        return (self.refusal or failures(self.failed)).rstrip(".")


def executed(change_set: ChangeSet, wanted: Wanted, account: Account, person: Person) -> Stack:
    """The stack, changed.

    Raises: Stopped and CloudError, with the stack as it was before, or no stack where there was none.
    """
    course, stop = Course(person), StopSignal()

    def work() -> None:
        _execute(change_set, wanted, account, course, stop)
        if change_set.is_creation and not course.is_done:
            course.left = _cleared_away(course.stack, wanted, account, person)
        if course.refusal:
            _forget(change_set, account)

    def interrupted(why: str) -> None:
        stop.set(error="mlci.Stopped", cause=why)
        person.say(f"{why}: CloudFormation undoes what it has done so far")

    with person.listening() as interrupts:
        attend(work, interrupts, interrupted)
    if not course.is_done:
        raise _failure(course, change_set, wanted, stop.is_set())
    if stop.is_set():
        raise Stopped(f'stopped, but the stack "{wanted.stack}" was done before.', hint="Run again to go on.")
    assert course.stack is not None
    return course.stack


def deleted(stack: Stack, account: Account, person: Person, stop: StopSignal | None = None) -> Stack:
    """The stack when it is gone. With `stop` set, its waiting ends early, and the stack is still being deleted.

    Raises: CloudError, where it can't be deleted.
    """
    course = Course(person)
    ended = account.stacks.delete(stack.id, course.tell, stop or StopSignal())
    if ended.condition == "gone" or (stop and stop.is_set()):
        return ended
    raise CloudError(f'the stack "{stack.name}" could not be deleted: {course.why}.', hint="Mend it, and run again.")


def _execute(change_set: ChangeSet, wanted: Wanted, account: Account, course: Course, stop: StopSignal) -> None:
    try:
        course.stack = account.stacks.execute(change_set, course.tell, stop)
    except AwsError as error:
        if error.is_passing and account.stacks.api.is_aws:
            hint = f'CloudFormation goes on by itself. See what became of "{wanted.stack}", and run again.'
            raise CloudError(error.what, hint=hint) from error
        course.refusal = error.message
        course.stack = account.stacks.find(change_set.stack_id)


def _forget(change_set: ChangeSet, account: Account) -> None:
    """Removes a change set that was not executed; it may be gone with the stack."""
    try:
        account.stacks.discard(change_set)
    except AwsError:
        pass  # why it was refused is what matters


def _failure(course: Course, change_set: ChangeSet, wanted: Wanted, is_stopped: bool) -> MlciError:
    if course.left:
        after = f"It could not all be removed: {'; '.join(course.left)}."
    elif change_set.is_creation:
        after = f'Nothing is left of the stack "{wanted.stack}".'
    elif course.stack is not None and course.stack.condition == "stuck":
        command = f"aws cloudformation continue-update-rollback --stack-name {wanted.stack}"
        after = f"CloudFormation could not set it back ({course.stack.status}). When the reason is mended: {command}"
    else:
        after = f'The stack "{wanted.stack}" is as it was before.'
    if is_stopped:
        return Stopped("stopped.", hint=after)
    verb = "created" if change_set.is_creation else "changed"
    return CloudError(f'the stack "{wanted.stack}" could not be {verb}: {course.why}.', hint=after)


def _cleared_away(stack: Stack | None, wanted: Wanted, account: Account, person: Person) -> list[str]:
    """Clears away what a failed creation has left, also what is made to outlive the stack; tells what can't be."""
    if stack is None:
        return []
    kept = {name: account.stacks.physical_id(stack.id, name) for name in _RETAINED if _was_to_be_made(name, wanted)}
    problems: list[str] = []
    if stack.condition != "gone":
        problems += _problem(lambda: deleted(stack, account, person))
    bucket, images = kept.get("Bucket"), kept.get("ImageRepository")
    if bucket:
        problems += _problem(lambda: account.buckets.delete(bucket), f"Bucket {bucket}: ")
    if images:
        problems += _problem(
            lambda: account.api("ecr").call("delete_repository", repositoryName=images), f"ImageRepository {images}: "
        )
    return problems


def _problem(work: Callable[[], object], of: str = "") -> list[str]:
    try:
        work()
    except CloudError as error:
        is_gone = isinstance(error, AwsError) and error.code == "RepositoryNotFoundException"
        return [] if is_gone else [f"{of}{error}"]
    return []


def _was_to_be_made(resource: str, wanted: Wanted) -> bool:
    if resource == "Bucket":
        return not wanted.values.get("ExistingBucket")
    return bool(wanted.values.get("EcrRepository"))
