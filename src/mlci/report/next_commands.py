"""The commands that somebody who reads a report types next."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from datetime import timedelta

from mlci.report.result import Result, Status
from mlci.report.value_changes import scalar
from mlci_dataclasses import dataclass

#: The time for which an acceptance is proposed.
_ACCEPTED_FOR = timedelta(days=30)
_MOST_ACCEPTED = 3
_REPRODUCE = "Reproduce it on this machine"


@dataclass(frozen=True)
class NextCommand:
    """A command for a shell, and its purpose."""

    purpose: str
    command: str


def next_commands(result: Result) -> list[NextCommand]:
    """Return the commands that are of use after a run, by what came of it."""
    return list(_commands(result))


def next_command(result: Result) -> str:
    """Return the command that somebody types first after a run that did not pass; "" after one that did."""
    if result.status is Status.PASSED:
        return ""
    commands = next_commands(result)
    if result.status is not Status.GATE_MISSED:
        return commands[0].command
    if result.cloud == "local" and not result.build:  # it can be looked at where it ran
        return f"mlci {'diff' if result.baseline.run_id else 'open'}{flow_option(result.flow_file)}"
    return next(each.command for each in commands if each.purpose == _REPRODUCE)


def _commands(result: Result) -> Iterator[NextCommand]:
    failed = [name for name, step in result.steps.items() if step.status == "failed"]
    run, where = shlex.quote(result.run_id), run_options(result.flow_file, result.cloud)
    for step in failed[:1]:
        yield NextCommand("Read its whole log", f"mlci logs {run} {shlex.quote(step)}{where}")
    if result.status is not Status.PASSED:
        if result.build:
            yield NextCommand("Run it again", f"aws codebuild retry-build --id {shlex.quote(result.build)}")
        yield NextCommand(_REPRODUCE, _reproduced(result))
    if result.status is Status.PASSED and any(step.status == "reused" for step in result.steps.values()):
        yield NextCommand("Run every step again, and reuse nothing", f"{_local_run(result)} --fresh")
    if result.status is Status.GATE_MISSED and result.baseline.run_id:
        command = f"mlci diff {shlex.quote(result.baseline.run_id)} {run}{where}"
        yield NextCommand("Compare it with the baseline", command)
    if result.status is Status.GATE_MISSED and result.is_dirty:
        purpose = "Commit it and run it again, before anybody accepts it: an acceptance is of a commit"
        yield NextCommand(purpose, f"git commit -a && {_local_run(result)}")
    elif result.status is Status.GATE_MISSED and result.commit:  # an acceptance is of a commit
        until = (result.started + _ACCEPTED_FOR).date()
        missed = dict.fromkeys(judged.bound.rule.metric for judged in result.rules if not judged.held)
        for metric in list(missed)[:_MOST_ACCEPTED]:
            command = f"mlci accept {run} {shlex.quote(metric)} --because '…' --until {until}{where}"
            yield NextCommand(f"Accept {metric} as it is, with the base branch's rights", command)


def _reproduced(result: Result) -> str:
    # Changes that the commit does not hold are on the machine where it ran, and are to stay there.
    checkout = f"git checkout {result.commit} && " if result.commit and not result.is_dirty else ""
    return f"{checkout}{_local_run(result)}"


def _local_run(result: Result) -> str:
    params = "".join(f" --param {shlex.quote(f'{name}={scalar(result.params[name])}')}" for name in result.overridden)
    return f"mlci run --cloud local{flow_option(result.flow_file)}{params}"


def run_options(flow_file: str, cloud: str) -> str:
    """Return the options by which a command finds a run of a flow, wherever it is typed.

    >>> run_options("flow.yaml", "local"), run_options("a b/flow.yaml", "aws")
    ('', " --flow 'a b/flow.yaml' --cloud aws")
    """
    return f"{flow_option(flow_file)}{' --cloud aws' if cloud == 'aws' else ''}"


def flow_option(flow_file: str) -> str:
    """Return the option that names a flow's file; "" for the one that is found without."""
    return f" --flow {shlex.quote(flow_file)}" if flow_file != "flow.yaml" else ""
