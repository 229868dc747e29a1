"""The steps that the command line asks to run, whatever earlier runs have made: by --fresh, or by --only and --from."""

from __future__ import annotations

from mlci.cli.options import ALL_STEPS
from mlci.flow.models import Flow
from mlci.flow.part import Part


def fresh_steps(fresh: str, flow: Flow) -> dict[str, str]:
    """Return the steps that --fresh names, with the reason why they run.

    Raises: InputError, if the flow has no such step.
    """
    from mlci.reuse.explained_steps import named_steps

    if fresh == ALL_STEPS:
        return dict.fromkeys(flow.steps, "--fresh")
    return dict.fromkeys(named_steps("--fresh", fresh, flow), f"--fresh {fresh}") if fresh else {}


def asked_steps(part: Part, flow: Flow) -> dict[str, str]:
    """Return the steps that --only and --from name, and all that depend on those of --from."""
    option = "--only" if part.only else "--from" if part.first else ""
    return dict.fromkeys(flow.steps, option) if option else {}
