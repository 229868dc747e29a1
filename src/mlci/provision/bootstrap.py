"""`mlci bootstrap`: an account made ready for a flow by one stack, and taken down again.

`set_up` is the line: what there is → what is wanted → what would change → what was agreed to → done → what is next.
`settling` knows the values, `changing` and `executing` one change of the stack, `connecting` the handshake of the
connection, `ending` how it is all taken down.
"""

from __future__ import annotations

from collections.abc import Mapping

from mlci.backends.aws.cloudformation_stacks import Stack
from mlci.provision.change_set import changed, cleared, present_stack
from mlci.provision.context import Account, Around, Person
from mlci.provision.desired_stack import Wanted
from mlci.provision.github_connection import connection_page, shaken_hands
from mlci.provision.parameter_values import checked, present_values, settled
from mlci.provision.teardown import take_down
from mlci.report.stack_report import Line, Setup, made, next_steps

__all__ = ["Account", "Around", "Person", "set_up", "take_down"]


def set_up(
    flow: str, template: str, chosen: Mapping[str, str], around: Around, account: Account, person: Person
) -> int:
    """Makes or changes the stack of a flow; the exit code. `chosen` are the parameters that were given.

    Raises: InputError, before anything is made; Stopped and CloudError, with nothing left half made.
    """
    found = present_stack(flow, account)
    values = checked(settled(chosen, present_values(found), around), found, account)
    before = cleared(found, account, person)
    wanted = Wanted(flow, template, values)
    stack = changed(wanted, before, account, person, asks=True)
    if values["Connected"] == "false" and shaken_hands(stack.outputs.get("ConnectionArn"), account, person):
        wanted = Wanted(flow, template, {**values, "Connected": "true"})
        stack = changed(wanted, stack, account, person, asks=stack is before)
    person.show(_told(wanted, stack, around, account))
    return 0


def _told(wanted: Wanted, stack: Stack, around: Around, account: Account) -> list[Line]:
    is_connected = wanted.values["Connected"] == "true"
    setup = Setup(
        flow=wanted.flow,
        region=account.region,
        repository=wanted.values["Repository"],
        outputs=stack.outputs,
        uses_actions=wanted.values["Trigger"] == "actions",
        has_buildspec=(around.root / "buildspec.yaml").is_file(),
        connection_page=None if is_connected else connection_page(account),
        run_again="mlci bootstrap" + (f" --flow {around.flow_file}" if around.flow_file != "flow.yaml" else ""),
    )
    return [Line(f'stack "{stack.name}" is there', "bold"), *made(setup), *next_steps(setup)]
