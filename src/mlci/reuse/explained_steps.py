"""The steps of a flow that a name on the command line means: a step, a cell, or all cells of a step with a matrix."""

from __future__ import annotations

from mlci.errors import InputError, Problem
from mlci.flow.models import Flow
from mlci.flow.names import written_name
from mlci.flow.problems import listed, nearest


def named_steps(option: str, name: str, flow: Flow) -> tuple[str, ...]:
    """Return the names of the steps in the flow that an option names.

    Raises: InputError, if the flow has none of that name.
    """
    found = tuple(step for step in flow.steps if name in (step, written_name(step)))
    if not found:
        written = tuple(dict.fromkeys(map(written_name, flow.steps)))
        near = nearest(name, written)
        hint = f'Did you mean "{near}"?' if near else f"The flow has {listed(written)}."
        raise InputError([Problem(option, 0, 0, f'the flow has no step "{name}"', hint)])
    return found
