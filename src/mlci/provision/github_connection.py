"""The connection to GitHub: its handshake is the one step that only a person can do, and builds wait for it."""

from __future__ import annotations

from collections.abc import Callable

from mlci.backends.aws.api_calls import Clock
from mlci.backends.aws.codeconnections import POLL_S
from mlci.backends.aws.console_urls import connections_link
from mlci.interrupts import Interrupts
from mlci.provision.context import Account, Person
from mlci.provision.parameter_values import is_available
from mlci.report.stack_report import handshake

#: How soon Ctrl-C is heard.
_WAKES_AFTER_S = 0.25


def connection_page(account: Account) -> str:
    return connections_link(account.identity.partition, account.region)


def shaken_hands(connection: str | None, account: Account, person: Person) -> bool:
    """Whether the connection can be used. A person at a terminal is asked to complete it, and waited for."""
    if is_available(connection, account):
        return True
    if not person.is_there or person.agrees or connection is None:
        return False
    for line in handshake(connection_page(account)):
        person.say(line)
    person.say("Waiting for it. Ctrl-C ends the waiting; running again goes on from here.")
    with person.listening() as interrupts:
        return _waited(lambda: is_available(connection, account), account.connections.api.patience.clock, interrupts)


def _waited(is_done: Callable[[], bool], clock: Clock, interrupts: Interrupts) -> bool:
    """Whether it is done; False where an interrupt came before."""
    while True:
        for _ in range(round(POLL_S / _WAKES_AFTER_S)):
            if not interrupts.empty():
                return False
            clock.sleep(_WAKES_AFTER_S)
        if is_done():
            return True
