"""`mlci bootstrap --delete`: deletes the state machines of the runs, the stack, and on request the bucket."""

from __future__ import annotations

from collections.abc import Iterator

from mlci.backends.aws.cloudformation_stacks import Stack
from mlci.backends.stop_signal import StopSignal
from mlci.errors import InputError, Stopped
from mlci.interrupts import run_interruptible
from mlci.plan.names import FLOW_TAG, Names
from mlci.provision import image_repositories
from mlci.provision.change_set import find_stack
from mlci.provision.context import Account
from mlci.provision.prompt import Prompt, require_consent
from mlci.provision.stack_execution import delete_stack
from mlci.provision.stack_names import stack_name
from mlci.report.stack_report import Line
from mlci_dataclasses import dataclass

#: The resources that outlive a stack.
_RETAINED_TYPES = ("AWS::S3::Bucket", "AWS::S3::BucketPolicy", "AWS::ECR::Repository", "AWS::IAM::OIDCProvider")


@dataclass(frozen=True)
class TeardownPlan:
    """The resources of a flow. `bucket` is None if none is known; it is deleted only if `deletes_bucket` is set."""

    stack: Stack | None
    machines: tuple[str, ...]
    bucket: str | None
    deletes_bucket: bool


def tear_down(flow: str, bucket: str | None, deletes_bucket: bool, account: Account, prompt: Prompt) -> int:
    """Delete the resources of a flow, and return the exit code.

    `bucket` is the one to delete if no stack names one.

    Raises: InputError, before anything is deleted; Stopped; CloudError.
    """
    plan = _plan_teardown(flow, bucket, deletes_bucket, account)
    _check_idle(flow, plan, account)
    deletions = list(_deletion_lines(plan, account))
    if not deletions:
        prompt.message(
            f'There is nothing to delete: no stack "{stack_name(flow)}" in {account.region}, and no state machine.'
        )
        if deletes_bucket:
            prompt.message("No bucket of the flow was found either. Name one with --existing-bucket.")
        return 0
    prompt.show(deletions)
    prompt.show(list(_retention_lines(plan)))
    require_consent(prompt, f"Delete all of this{_bucket_warning(plan)}?", "deleted")
    for machine in plan.machines:
        account.machines.delete(machine)
        prompt.message(f"deleted the state machine {machine.rpartition(':')[2]}")
    if plan.stack is not None:
        _delete_stack_interruptibly(plan.stack, account, prompt)
    if plan.bucket and plan.deletes_bucket:
        count = account.buckets.empty(plan.bucket)
        account.buckets.delete(plan.bucket)
        prompt.message(f"deleted the bucket {plan.bucket} with {count:,} object versions")
    prompt.show(list(_remaining_lines(flow, plan)))
    return 0


def _plan_teardown(flow: str, bucket: str | None, deletes_bucket: bool, account: Account) -> TeardownPlan:
    stack = find_stack(flow, account)
    found = _stack_bucket(stack, account)
    if found is None and deletes_bucket:
        found = bucket or next(_find_retained_buckets(flow, account), None)
    is_created_by_stack = stack is not None and not stack.parameters.get("ExistingBucket")
    if found is not None and deletes_bucket and not is_created_by_stack and not _is_owned_by(found, flow, account):
        hint = f"To delete it with the flow, tag it with {FLOW_TAG}={flow}. To keep it, leave out --delete-bucket."
        raise InputError(f"the bucket {found} was not created for this flow, so it is not deleted", hint)
    return TeardownPlan(stack, tuple(_find_state_machines(flow, account)), found, deletes_bucket)


def _stack_bucket(stack: Stack | None, account: Account) -> str | None:
    """Return the bucket of a stack, which may have no outputs if it failed."""
    if stack is None or stack.condition == "empty":
        return None
    return stack.outputs.get("Bucket") or account.stacks.physical_id(stack.id, "Bucket")


def _find_retained_buckets(flow: str, account: Account) -> Iterator[str]:
    """Yield the buckets that earlier stacks of the flow left. CloudFormation starts their names with the stack's,
    shortened if that is long; the tag names the flow."""
    for name in account.buckets.list_by_prefix(stack_name(flow).lower()[:24], account.region):
        if (account.buckets.tags(name) or {}).get(FLOW_TAG) == flow:
            yield name


def _is_owned_by(bucket: str, flow: str, account: Account) -> bool:
    tags = account.buckets.tags(bucket)
    return tags is None or tags.get(FLOW_TAG) == flow


def _find_state_machines(flow: str, account: Account) -> Iterator[str]:
    """Yield the ARNs of the state machines that runs of the flow created."""
    for is_protected in (False, True):
        arn = account.identity.state_machine(account.region, Names(flow, is_protected).machine)
        machine = account.machines.find(arn)
        if machine is not None and machine.tags.get(FLOW_TAG) == flow:
            yield arn


def _check_idle(flow: str, plan: TeardownPlan, account: Account) -> None:
    """Raise InputError if the flow has running executions: without their roles, nobody could stop their jobs."""
    live = [
        (run.name, machine.endswith("_protected"))
        for machine in plan.machines
        for run in account.executions.running(machine)
    ]
    if live:
        names = ", ".join(name for name, _ in live)
        commands = "; ".join(f"mlci stop {name}{' --protected' if is_protected else ''}" for name, is_protected in live)
        raise InputError(
            f'the flow "{flow}" has running executions, so nothing was deleted: {names}',
            f"Wait for them, or stop them: {commands}",
        )


def _deletion_lines(plan: TeardownPlan, account: Account) -> Iterator[Line]:
    if plan.stack is not None:
        yield Line(f'The stack "{plan.stack.name}" in {account.region} will be deleted:', "bold")
        if plan.stack.condition != "empty":
            resources = account.stacks.resources(plan.stack.id)
            built = image_repositories.LOGICAL_IDS.values()
            deleted = [(name, type_) for name, type_ in resources if type_ not in _RETAINED_TYPES or name in built]
            width = max((len(name) for name, _ in deleted), default=0)
            yield from (Line(f"  - {name:{width}}  {type_}") for name, type_ in deleted)
    for machine in plan.machines:
        yield Line(f"  - {machine.rpartition(':')[2]}  AWS::StepFunctions::StateMachine, with its versions and history")
    if plan.bucket and plan.deletes_bucket:
        yield Line(f"  - {plan.bucket}  THE BUCKET, with every version of every object", "bold red")


def _bucket_warning(plan: TeardownPlan) -> str:
    return ", and everything in the bucket" if plan.bucket and plan.deletes_bucket else ""


def _retention_lines(plan: TeardownPlan) -> Iterator[Line]:
    if plan.bucket and not plan.deletes_bucket:
        yield Line(f"kept: the bucket {plan.bucket}, with code, data, results and baselines", "bold")
    if images := _image_repository_name(plan):
        yield Line(f"kept: the ECR repository {images}", "bold")
    if _created_oidc_provider(plan):
        yield Line("kept: the account's OIDC provider for GitHub Actions, which others may use as well", "bold")


def _remaining_lines(flow: str, plan: TeardownPlan) -> Iterator[Line]:
    images = _image_repository_name(plan)
    if plan.bucket and not plan.deletes_bucket:
        yield Line(f"The bucket {plan.bucket} still exists. To use it in a new stack:")
        yield Line(f"  mlci bootstrap --existing-bucket {plan.bucket}")
        yield Line("To delete it with all its objects:")
        yield Line(f"  mlci bootstrap --delete --delete-bucket --existing-bucket {plan.bucket}")
    if images:
        yield Line(f"The images still exist. To delete them: {_delete_repository_command(images)}")
    if not images and (plan.deletes_bucket or not plan.bucket):
        yield Line(f'Nothing of the flow "{flow}" is left in the account.')


def _image_repository_name(plan: TeardownPlan) -> str | None:
    return plan.stack.parameters.get("EcrRepository") if plan.stack else None


def _created_oidc_provider(plan: TeardownPlan) -> bool:
    """Return True if the stack created the provider that its roles for GitHub Actions trust."""
    values = plan.stack.parameters if plan.stack else {}
    return values.get("Trigger") == "actions" and not values.get("OidcProvider")


def _delete_repository_command(repository: str) -> str:
    return f"aws ecr delete-repository --force --repository-name {repository}"


def _delete_stack_interruptibly(stack: Stack, account: Account, prompt: Prompt) -> None:
    stop = StopSignal()
    with prompt.interrupts() as interrupts:
        result = run_interruptible(
            lambda: delete_stack(stack, account, prompt, stop),
            interrupts,
            lambda reason: stop.set(error="mlci.Stopped", cause=reason),
        )
    if result.condition != "gone":
        hint = "Run again to see the result."
        raise Stopped(f'stopped waiting; CloudFormation continues to delete the stack "{stack.name}".', hint=hint)
