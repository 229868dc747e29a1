"""One change set of the stack: created, previewed, confirmed and executed. An unconfirmed change set is discarded."""

from __future__ import annotations

from mlci.backends.aws.api_calls import DENIED_CODES, AwsError
from mlci.backends.aws.cloudformation_stacks import TEMPLATE_MAX_BYTES, ChangeSet, Stack
from mlci.errors import InputError
from mlci.plan.names import FLOW_TAG
from mlci.provision.context import Account
from mlci.provision.desired_stack import DesiredStack
from mlci.provision.parameter_values import changed_values
from mlci.provision.prompt import Prompt, require_consent
from mlci.provision.stack_execution import delete_stack, execute_change_set
from mlci.provision.stack_names import stack_name
from mlci.report.stack_report import Line, change_set_lines


def find_stack(flow: str, account: Account) -> Stack | None:
    """Return the flow's stack, or None if there is none.

    Raises: InputError, if the stack belongs to something else, or an operation on it is in progress.
    """
    stack = account.stacks.find(stack_name(flow))
    if stack is None or stack.condition == "gone":
        return None
    if stack.condition == "busy":
        hint = "Wait for it to finish, and run again. Its events: aws cloudformation describe-stack-events --stack-name"
        raise InputError(
            f'an operation on the stack "{stack.name}" is in progress ({stack.status})', f"{hint} {stack.name}"
        )
    if stack.condition != "empty":
        _check_owner(stack, flow)
    return stack


def find_updatable_stack(flow: str, account: Account) -> Stack | None:
    """Return the flow's stack, or None if there is none.

    Raises: InputError, if the stack belongs to something else, or can't be updated now.
    """
    stack = find_stack(flow, account)
    if stack is not None and stack.condition == "stuck":
        hint = f"Continue the rollback first: aws cloudformation continue-update-rollback --stack-name {stack.name}"
        raise InputError(f'the stack "{stack.name}" could not be rolled back ({stack.status})', hint)
    return stack


def delete_unusable_stack(stack: Stack | None, account: Account, prompt: Prompt) -> Stack | None:
    """Return the stack if it can be updated. Delete one that failed or was never filled, and return None.

    Raises: InputError, if nobody can confirm the deletion; Stopped, if the answer is no; CloudError, if it fails.
    """
    if stack is None or stack.condition == "ready":
        return stack
    if stack.condition == "empty":
        prompt.message(
            f'Deleting the stack "{stack.name}" first: it is empty, left by a change set that was never executed.'
        )
    else:
        prompt.message(f'The stack "{stack.name}" must be deleted first: an earlier operation failed ({stack.status}).')
        require_consent(prompt, "Delete it?", "changed")
    delete_stack(stack, account, prompt)
    return None


def _check_owner(stack: Stack, flow: str) -> None:
    """Raise InputError if mlci did not create the stack for this flow."""
    owner = stack.tags.get(FLOW_TAG)
    if owner is None:
        hint = f"Rename the flow, or tag the stack with {FLOW_TAG}={flow} to let mlci manage it."
        raise InputError(f'the stack "{stack.name}" exists already, and mlci did not create it', hint)
    if owner != flow:
        raise InputError(f'the stack "{stack.name}" belongs to the flow "{owner}"', "Rename this flow.")


def apply_changes(
    desired: DesiredStack, stack: Stack | None, account: Account, prompt: Prompt, needs_consent: bool
) -> Stack:
    """Return the stack after the update; `stack` itself if nothing has to change.

    Raises: InputError, if nobody can confirm; Stopped, if the answer is no; CloudError, if the update fails.
    """
    change_set = _create_change_set(desired, stack, account)
    if change_set is None:
        assert stack is not None, "a creation always changes something"
        prompt.message(f'The stack "{stack.name}" is up to date: no changes.')
        return stack
    try:
        prompt.show(_preview(desired, stack, change_set, account))
        if needs_consent:
            require_consent(prompt, "Make these changes?", "changed")
    except BaseException:
        account.stacks.discard(change_set)
        raise
    return execute_change_set(change_set, desired, account, prompt)


def _create_change_set(desired: DesiredStack, stack: Stack | None, account: Account) -> ChangeSet | None:
    try:
        template = desired.body or _stored_template(desired, stack, account)
        return account.stacks.create_change_set(desired.change_set_request(stack, template))
    except AwsError as error:
        if error.code in DENIED_CODES:
            hint = "`mlci bootstrap` needs permissions on CloudFormation, and on every resource of the stack."
            raise InputError(f"{error.operation}: {error.message}", hint) from error
        if error.code == "ValidationError":
            raise InputError(f"CloudFormation rejected the stack: {error.message}") from error
        raise


def _stored_template(desired: DesiredStack, stack: Stack | None, account: Account) -> str:
    """Upload a template that is too large for a request, and return its URL. CloudFormation reads it with the caller's
    credentials, so it needs no right of its own."""
    bucket = desired.values.get("ExistingBucket") or (stack.outputs["Bucket"] if stack else "")
    uri, data = desired.stored_template(bucket)
    account.objects.write(uri, data)
    return account.objects.url(uri)


def create_bucket_first(desired: DesiredStack, stack: Stack | None, account: Account, prompt: Prompt) -> Stack | None:
    """Return the stack with its bucket, if the template is too large for a request; else `stack`.

    Raises: InputError, if it is too large for CloudFormation at all; as apply_changes.
    """
    is_sent = desired.body is not None
    if is_sent or stack is not None or desired.values.get("ExistingBucket"):
        return stack
    prompt.message(
        f"The template has more than {TEMPLATE_MAX_BYTES:,} bytes, so CloudFormation reads it from the flow's bucket. "
        "That is created first."
    )
    return apply_changes(desired.with_bucket_alone, stack, account, prompt, needs_consent=True)


def _preview(desired: DesiredStack, stack: Stack | None, change_set: ChangeSet, account: Account) -> list[Line]:
    action = "will be created" if stack is None else "will be updated"
    head = f'The stack "{desired.stack}" in {account.region}, account {account.identity.account}, {action}:'
    lines = change_set_lines(change_set.changes, changed_values(desired.values, stack))
    return [Line(head, "bold"), *lines]
