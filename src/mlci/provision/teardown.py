"""Taking it all down: the state machines that runs made, the stack, and, where that is asked for, the bucket."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from mlci.backends.aws.cloudformation_stacks import Stack
from mlci.backends.aws.state_machines import FLOW_TAG
from mlci.backends.stop_signal import StopSignal
from mlci.errors import InputError, Stopped
from mlci.interrupts import attend
from mlci.plan.names import Names
from mlci.provision.change_set import found_stack
from mlci.provision.context import Account, Person, agree
from mlci.provision.stack_execution import deleted
from mlci.provision.stack_names import stack_name
from mlci.report.stack_report import Line

#: What a stack leaves behind.
_KEPT = ("AWS::S3::Bucket", "AWS::S3::BucketPolicy", "AWS::ECR::Repository", "AWS::IAM::OIDCProvider")


@dataclass(frozen=True)
class Doomed:
    """What there is of a flow. `bucket` is None where none is known; `is_bucket_to_go` says whether it stays."""

    stack: Stack | None
    machines: tuple[str, ...]
    bucket: str | None
    is_bucket_to_go: bool


def take_down(flow: str, bucket: str | None, with_bucket: bool, account: Account, person: Person) -> int:
    """Deletes what there is of a flow in the account; the exit code. `bucket` is the one to be deleted where no stack
    says which it is.

    Raises: InputError, before anything is deleted; Stopped; CloudError.
    """
    doomed = _doomed(flow, bucket, with_bucket, account)
    _check_idle(flow, doomed, account)
    going = list(_going(doomed, account))
    if not going:
        person.say(
            f'there is no stack "{stack_name(flow)}" in {account.region}, and nothing else of the flow to delete'
        )
        if with_bucket:
            person.say("No bucket of the flow was found either; name one with --existing-bucket.")
        return 0
    person.show(going)
    person.show(list(_staying(doomed)))
    agree(person, f"Delete all of this{_whole(doomed)}?", "deleted")
    for machine in doomed.machines:
        account.machines.remove(machine)
        person.say(f"deleted the state machine {machine.rpartition(':')[2]}")
    if doomed.stack is not None:
        _delete_stack(doomed.stack, account, person)
    if doomed.bucket and doomed.is_bucket_to_go:
        count = account.buckets.empty(doomed.bucket)
        account.buckets.delete(doomed.bucket)
        person.say(f"deleted the bucket {doomed.bucket}, with {count:,} versions of objects")
    person.show(list(_left(flow, doomed)))
    return 0


def _doomed(flow: str, bucket: str | None, with_bucket: bool, account: Account) -> Doomed:
    stack = found_stack(flow, account)
    found = _bucket_of(stack, account)
    if found is None and with_bucket:
        found = bucket or next(_of_the_flow(flow, account), None)
    is_made_here = stack is not None and not stack.parameters.get("ExistingBucket")
    if found is not None and with_bucket and not is_made_here and not _is_of_the_flow(found, flow, account):
        hint = f"Tag it with {FLOW_TAG}={flow} where it is to go with the flow, or leave out --delete-bucket."
        raise InputError(f"the bucket {found} was not made for this flow, so it is not deleted", hint)
    return Doomed(stack, tuple(_machines(flow, account)), found, with_bucket)


def _bucket_of(stack: Stack | None, account: Account) -> str | None:
    """The bucket of a stack; one that failed may have no outputs."""
    if stack is None or stack.condition == "empty":
        return None
    return stack.outputs.get("Bucket") or account.stacks.physical_id(stack.id, "Bucket")


def _of_the_flow(flow: str, account: Account) -> Iterator[str]:
    """Buckets that earlier stacks of the flow have left. CloudFormation begins their names with the stack's, cut where
    that is long; whose they are, their tag says."""
    for name in account.buckets.named(stack_name(flow).lower()[:24], account.region):
        if (account.buckets.tags(name) or {}).get(FLOW_TAG) == flow:
            yield name


def _is_of_the_flow(bucket: str, flow: str, account: Account) -> bool:
    tags = account.buckets.tags(bucket)
    return tags is None or tags.get(FLOW_TAG) == flow


def _machines(flow: str, account: Account) -> Iterator[str]:
    """The state machines that runs have made for the flow."""
    for is_protected in (False, True):
        arn = account.identity.state_machine(account.region, Names(flow, is_protected).machine)
        found = account.machines.find(arn)
        if found is not None and found.tags.get(FLOW_TAG) == flow:
            yield arn


def _check_idle(flow: str, doomed: Doomed, account: Account) -> None:
    """Raises InputError, where runs of the flow go on: without their roles they could not even be stopped."""
    live = [
        (run.name, machine.endswith("_protected"))
        for machine in doomed.machines
        for run in account.executions.running(machine)
    ]
    if live:
        names = ", ".join(name for name, _ in live)
        commands = "; ".join(f"mlci stop {name}{' --protected' if is_protected else ''}" for name, is_protected in live)
        raise InputError(
            f'the flow "{flow}" runs, so nothing was deleted: {names}', f"Wait for it, or stop it: {commands}"
        )


def _going(doomed: Doomed, account: Account) -> Iterator[Line]:
    if doomed.stack is not None:
        yield Line(f'stack "{doomed.stack.name}" in {account.region}: to be deleted', "bold")
        if doomed.stack.condition != "empty":
            held = account.stacks.resources(doomed.stack.id)
            gone = [(name, kind) for name, kind in held if kind not in _KEPT]
            width = max((len(name) for name, _ in gone), default=0)
            yield from (Line(f"  - {name:{width}}  {kind}") for name, kind in gone)
    for machine in doomed.machines:
        yield Line(f"  - {machine.rpartition(':')[2]}  AWS::StepFunctions::StateMachine, with its versions and history")
    if doomed.bucket and doomed.is_bucket_to_go:
        yield Line(f"  - {doomed.bucket}  THE BUCKET, with every version of every object", "bold red")


def _whole(doomed: Doomed) -> str:
    return ", and everything in the bucket" if doomed.bucket and doomed.is_bucket_to_go else ""


def _staying(doomed: Doomed) -> Iterator[Line]:
    if doomed.bucket and not doomed.is_bucket_to_go:
        yield Line(f"stays: the bucket {doomed.bucket}, with code, data, results and baselines", "bold")
    if images := _images(doomed):
        yield Line(f"stays: the repository of images {images} (ECR)", "bold")
    if _made_provider(doomed):
        yield Line("stays: the account's provider for GitHub Actions, which others may use as well", "bold")


def _left(flow: str, doomed: Doomed) -> Iterator[Line]:
    images = _images(doomed)
    if doomed.bucket and not doomed.is_bucket_to_go:
        yield Line(f"The bucket {doomed.bucket} is still there. A new stack can have it:")
        yield Line(f"  mlci bootstrap --existing-bucket {doomed.bucket}")
        yield Line("or it can go, with all that is in it:")
        yield Line(f"  mlci bootstrap --delete --delete-bucket --existing-bucket {doomed.bucket}")
    if images:
        yield Line(f"The images are still there; to have them gone as well: {_without_images(images)}")
    if not images and (doomed.is_bucket_to_go or not doomed.bucket):
        yield Line(f'Nothing of the flow "{flow}" is left in the account.')


def _images(doomed: Doomed) -> str | None:
    return doomed.stack.parameters.get("EcrRepository") if doomed.stack else None


def _made_provider(doomed: Doomed) -> bool:
    """Whether the stack made the provider that its roles for GitHub Actions trust."""
    values = doomed.stack.parameters if doomed.stack else {}
    return values.get("Trigger") == "actions" and not values.get("OidcProvider")


def _without_images(repository: str) -> str:
    return f"aws ecr delete-repository --force --repository-name {repository}"


def _delete_stack(stack: Stack, account: Account, person: Person) -> None:
    stop = StopSignal()
    with person.listening() as interrupts:
        ended = attend(
            lambda: deleted(stack, account, person, stop),
            interrupts,
            lambda why: stop.set(error="mlci.Stopped", cause=why),
        )
    if ended.condition != "gone":
        hint = "Run again to see what became of it."
        raise Stopped(f'stopped waiting; CloudFormation goes on deleting the stack "{stack.name}".', hint=hint)
