"""The values of the stack's parameters: chosen, as they are, as the repository says, or the default, in that order."""

from __future__ import annotations

import re
from collections.abc import Mapping

from mlci.backends.aws.cloudformation_stacks import Stack
from mlci.errors import InputError, Problem
from mlci.provision.context import Account, Around
from mlci.provision.stack_parameters import PARAMETERS, check
from mlci.stage import Repository, Staged

#: What `--changed-files` is where the pattern is to be made of the files that the flow reads.
OF_THE_INPUTS = "inputs"
_PATTERN_MAX_CHARS = 4_000


def settled(chosen: Mapping[str, str], present: Mapping[str, str], around: Around) -> dict[str, str]:
    """Every parameter's value; the empty text where there is none.

    Raises: InputError, with all that can't be.
    """
    usual = {"Repository": around.name, "BaseBranch": around.base_branch}
    values: dict[str, str] = {}
    for parameter in PARAMETERS:
        name = parameter.name
        places = (chosen.get(name), present.get(name), usual.get(name), parameter.default)
        values[name] = next(value for value in places if value is not None)
    if not values["Repository"] and around.origin:
        hint = "CodeBuild is set up for GitHub alone; name a repository there, owner/name."
        raise InputError([Problem("--repository", 0, 0, f"git's origin, {around.origin}, is not on GitHub", hint)])
    values["FlowFile"] = around.flow_file
    if values["ChangedFiles"] == OF_THE_INPUTS:
        values["ChangedFiles"] = around.changed_files()
    check(values)
    return values


def present_values(stack: Stack | None) -> Mapping[str, str]:
    """The values that a stack has; those of one that was never made do not count."""
    return stack.parameters if stack is not None and stack.condition == "ready" else {}


def checked(values: Mapping[str, str], stack: Stack | None, account: Account) -> dict[str, str]:
    """The values, once what they name is found in the account, and with what only the account knows.

    Raises: InputError, with all that is wrong.
    """
    known = {**values, "OidcProvider": _provider(values, stack, account)}
    problems = list(account.preflight.problems(known))
    if problems:
        raise InputError(problems)
    return {**known, "Connected": "true" if _is_connected(values, stack, account) else "false"}


def _is_connected(values: Mapping[str, str], stack: Stack | None, account: Account) -> bool:
    """Whether there can be projects. Once there are, they stay, whatever becomes of the connection.

    Raises: InputError, where they would have to go over to a connection that can't be used yet.
    """
    present = present_values(stack)
    is_same = values["Connection"] == present.get("Connection", "")
    if present.get("Connected") == "true" and is_same:
        return True
    made_here = stack.outputs.get("ConnectionArn") if stack is not None and is_same else None
    if is_available(values["Connection"] or made_here, account):
        return True
    if present.get("Connected") == "true":
        what = "the stack can't go over to a connection whose handshake is not done"
        hint = "Complete it in the console (Developer Tools, Settings, Connections) first."
        raise InputError([Problem("--connection", 0, 0, what, hint)])
    return False


def is_available(connection: str | None, account: Account) -> bool:
    """Whether a connection can be used; None is one that the stack has yet to make."""
    found = account.connections.find(connection) if connection else None
    return found is not None and found.status == "AVAILABLE"


def pattern_of(repository: Repository, flow_file: str, staged: Staged) -> str:
    """A pattern of the files that the flow reads, and of what builds it. Folders stand for their files where one by one
    they would be too many.

    Raises: InputError, where there is no pattern that is short enough.
    """
    files = {flow_file, "buildspec.yaml"}
    for unit in staged.code.values():
        files.update(file.path for file in unit.files)
    for data in staged.data.values():
        place = repository.relative(repository.find(data.path))
        files.add(f"{place}/" if data.is_folder else place)
    for attempt in (files, {f"{name.rpartition('/')[0]}/" if "/" in name else name for name in files}):
        parts = (re.escape(name) + (".*" if name.endswith("/") else "") for name in sorted(attempt))
        pattern = f"^({'|'.join(parts)})$"
        if len(pattern) <= _PATTERN_MAX_CHARS:
            return pattern
    hint = "Write one yourself, such as '^(flow.yaml|src/.*)$'."
    raise InputError("--changed-files inputs: the flow reads too many files for a pattern", hint)


def differing(values: Mapping[str, str], stack: Stack | None) -> list[tuple[str, str | None, str]]:
    """The parameters to show: those that change, or, at a creation, those that are not as usual."""
    present = present_values(stack)
    before = {parameter.name: present.get(parameter.name, parameter.default) for parameter in PARAMETERS}
    return [(name, was if stack else None, values[name]) for name, was in before.items() if was != values[name]]


def _provider(values: Mapping[str, str], stack: Stack | None, account: Account) -> str:
    """The provider of GitHub's tokens. An account has at most one, so where there is one that this stack did not make,
    the stack can only use it; where the one that it used is gone, it makes another."""
    present, given = present_values(stack), values["OidcProvider"]
    if values["Trigger"] != "actions" or (given and given != present.get("OidcProvider")):
        return given
    made_here = present.get("Trigger") == "actions" and not present.get("OidcProvider")
    return "" if made_here else (account.preflight.provider() or "")
