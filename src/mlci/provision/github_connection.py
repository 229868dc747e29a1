"""The handshake of the connection to GitHub: a user completes it in the console; CodeBuild accepts no project
before."""

from __future__ import annotations

from collections.abc import Callable

from mlci.backends.aws.api_calls import Clock
from mlci.backends.aws.codeconnections import POLL_S
from mlci.backends.aws.console_urls import connections_link
from mlci.interrupts import Interrupts
from mlci.provision.context import Account
from mlci.provision.parameter_values import is_available
from mlci.provision.prompt import Prompt
from mlci.report.stack_report import handshake_instructions

#: The longest delay before Ctrl-C takes effect.
_INTERRUPT_POLL_S = 0.25


def connections_page(account: Account) -> str:
    return connections_link(account.identity.partition, account.region)


def complete_handshake(connection: str | None, account: Account, prompt: Prompt) -> bool:
    """Return True if the connection is available. On a terminal, ask the user to complete it, and wait for that."""
    if is_available(connection, account):
        return True
    if not prompt.is_interactive or prompt.assume_yes or connection is None:
        return False
    for line in handshake_instructions(connections_page(account)):
        prompt.message(line)
    prompt.message("Waiting for the connection. Press Ctrl-C to stop waiting; run the command again to continue.")
    with prompt.interrupts() as interrupts:
        clock = account.connections.api.retry_policy.clock
        return _wait_until(lambda: is_available(connection, account), clock, interrupts)


def _wait_until(is_done: Callable[[], bool], clock: Clock, interrupts: Interrupts) -> bool:
    """Return True once `is_done` does, and False after an interrupt."""
    while True:
        for _ in range(round(POLL_S / _INTERRUPT_POLL_S)):
            if not interrupts.empty():
                return False
            clock.sleep(_INTERRUPT_POLL_S)
        if is_done():
            return True
