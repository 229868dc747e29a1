"""One change of the stack: proposed, shown, and agreed to. No way out leaves half a stack."""

from __future__ import annotations

from mlci.backends.aws.api_calls import DENIED_CODES, AwsError
from mlci.backends.aws.cloudformation_stacks import ChangeSet, Stack
from mlci.backends.aws.state_machines import FLOW_TAG
from mlci.errors import InputError
from mlci.provision.context import Account, Person, agree
from mlci.provision.desired_stack import Wanted
from mlci.provision.parameter_values import differing
from mlci.provision.stack_execution import deleted, executed
from mlci.provision.stack_names import stack_name
from mlci.report.stack_report import Line, change_set_lines


def found_stack(flow: str, account: Account) -> Stack | None:
    """The flow's stack; None where there is none.

    Raises: InputError, for a stack that is not the flow's, or that is at work.
    """
    stack = account.stacks.find(stack_name(flow))
    if stack is None or stack.condition == "gone":
        return None
    if stack.condition == "busy":
        hint = "Wait until that has ended, and run again: aws cloudformation describe-stack-events --stack-name"
        raise InputError(f'the stack "{stack.name}" is at work ({stack.status})', f"{hint} {stack.name}")
    if stack.condition != "empty":
        _check_owner(stack, flow)
    return stack


def present_stack(flow: str, account: Account) -> Stack | None:
    """The flow's stack, to be changed; None where there is none.

    Raises: InputError, for a stack that is not the flow's, or that can't be changed now.
    """
    stack = found_stack(flow, account)
    if stack is not None and stack.condition == "stuck":
        hint = f"aws cloudformation continue-update-rollback --stack-name {stack.name}"
        raise InputError(f'the stack "{stack.name}" could not be set back ({stack.status})', f"Have that done: {hint}")
    return stack


def cleared(stack: Stack | None, account: Account, person: Person) -> Stack | None:
    """The stack, where it can be changed. What failed before, or was never filled, is deleted; then there is none.

    Raises: InputError, where nobody is there to agree; Stopped, where they don't; CloudError, where it failed.
    """
    if stack is None or stack.condition == "ready":
        return stack
    if stack.condition == "empty":
        person.say(f'the stack "{stack.name}" is deleted first: it is empty, left by a change set that nobody executed')
    else:
        person.say(f'the stack "{stack.name}" has to be deleted first: it failed before ({stack.status})')
        agree(person, "Delete it?", "changed")
    deleted(stack, account, person)
    return None


def _check_owner(stack: Stack, flow: str) -> None:
    """Raises InputError, where mlci did not make the stack for this flow."""
    owner = stack.tags.get(FLOW_TAG)
    if owner is None:
        hint = f"Name the flow otherwise, or, if it is yours to give, tag the stack with {FLOW_TAG}={flow}."
        raise InputError(f'the stack "{stack.name}" exists already, and mlci did not make it', hint)
    if owner != flow:
        raise InputError(f'the stack "{stack.name}" belongs to the flow "{owner}"', "Name this flow otherwise.")


def changed(wanted: Wanted, stack: Stack | None, account: Account, person: Person, asks: bool) -> Stack:
    """The stack as wanted; the very same where nothing was to be changed.

    Raises: InputError, where nobody is there to agree; Stopped, where they don't; CloudError, where it failed.
    """
    change_set = _proposed(wanted, stack, account)
    if change_set is None:
        assert stack is not None, "a creation always changes something"
        person.say(f'the stack "{stack.name}" is as it should be: no changes')
        return stack
    try:
        person.show(_shown(wanted, stack, change_set, account))
        if asks:
            agree(person, "Make these changes?", "changed")
    except BaseException:
        account.stacks.discard(change_set)
        raise
    return executed(change_set, wanted, account, person)


def _proposed(wanted: Wanted, stack: Stack | None, account: Account) -> ChangeSet | None:
    try:
        return account.stacks.propose(wanted.proposal(stack))
    except AwsError as error:
        if error.code in DENIED_CODES:
            hint = "Whoever runs `mlci bootstrap` needs rights on CloudFormation, and on all that the stack makes."
            raise InputError(f"{error.operation}: {error.message}", hint) from error
        if error.code == "ValidationError":
            raise InputError(f"CloudFormation refuses the stack: {error.message}") from error
        raise


def _shown(wanted: Wanted, stack: Stack | None, change_set: ChangeSet, account: Account) -> list[Line]:
    what = "to be created" if stack is None else "to be changed"
    head = f'stack "{wanted.stack}" in {account.region}, account {account.identity.account}: {what}'
    lines = change_set_lines(change_set.changes, differing(wanted.values, stack))
    return [Line(head, "bold"), *lines]
