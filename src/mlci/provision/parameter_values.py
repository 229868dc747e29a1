"""The values of the stack's parameters: from options, the current stack, the repository, or defaults, in that order."""

from __future__ import annotations

import re
from collections.abc import Mapping

from mlci.backends.aws.cloudformation_stacks import Stack
from mlci.errors import InputError, Problem
from mlci.provision.context import Account, RepositoryContext
from mlci.provision.stack_parameters import GITHUB, HOST, PARAMETERS, check
from mlci.stage import Repository, Staged

#: The value of `--changed-files` that stands for a pattern of the files that the flow reads.
INPUTS_KEYWORD = "inputs"
_PATTERN_MAX_CHARS = 4_000


def resolve_values(
    options: Mapping[str, str], current: Mapping[str, str], repository: RepositoryContext
) -> dict[str, str]:
    """Return the value of every parameter; an empty string if it has none.

    Raises: InputError, with every invalid value.
    """
    host = next(each["GitHubHost"] for each in (options, current, {"GitHubHost": GITHUB}) if "GitHubHost" in each)
    inferred = {"Repository": repository.name_on(host), "BaseBranch": repository.base_branch}
    values: dict[str, str] = {}
    for parameter in PARAMETERS:
        name = parameter.name
        sources = (options.get(name), current.get(name), inferred.get(name), parameter.default)
        values[name] = next(value for value in sources if value is not None)
    if values["Repository"] != current.get("Repository") and "RepositoryId" not in options:
        values["RepositoryId"] = ""  # it is the other repository's
    if not values["Repository"] and repository.origin and HOST.accepts(host):
        hint = "Name a repository there, owner/name, or the host of a GitHub Enterprise Server: --github-host."
        raise InputError([Problem("--repository", 0, 0, f"Git's origin, {repository.origin}, is not on {host}", hint)])
    values["FlowFile"] = repository.flow_file
    if values["ChangedFiles"] == INPUTS_KEYWORD:
        values["ChangedFiles"] = repository.changed_files()
    if values["Trigger"] == "actions" and values["Repository"] and not values["RepositoryId"]:
        values["RepositoryId"] = repository.repository_id(values["Repository"]) or ""
    check(values)
    return values


def current_values(stack: Stack | None) -> Mapping[str, str]:
    """Return the values of a stack's parameters; none if the stack was never completed."""
    return stack.parameters if stack is not None and stack.condition == "ready" else {}


def verify_values(values: Mapping[str, str], stack: Stack | None, account: Account) -> dict[str, str]:
    """Check the resources that values refer to, and return the values with those that only the account knows.

    Raises: InputError, with every problem.
    """
    values = {**values, "OidcProvider": _oidc_provider(values, stack, account)}
    problems = list(account.preflight.problems(values))
    if problems:
        raise InputError(problems)
    return {**values, "Connected": "true" if _is_connected(values, stack, account) else "false"}


def _is_connected(values: Mapping[str, str], stack: Stack | None, account: Account) -> bool:
    """Return True if the stack can have projects. Existing projects stay, whatever the status of their connection.

    Raises: InputError, if the projects would move to a connection that is not available yet.
    """
    current = current_values(stack)
    is_same = values["Connection"] == current.get("Connection", "")
    if current.get("Connected") == "true" and is_same:
        return True
    own_connection = stack.outputs.get("ConnectionArn") if stack is not None and is_same else None
    if is_available(values["Connection"] or own_connection, account):
        return True
    if current.get("Connected") == "true":
        what = "the stack can't switch to a connection whose handshake is not complete"
        hint = "Complete it first, in the console: Developer Tools, Settings, Connections."
        raise InputError([Problem("--connection", 0, 0, what, hint)])
    return False


def is_available(connection: str | None, account: Account) -> bool:
    """Return True if a connection can be used. None stands for one that does not exist yet."""
    response = account.connections.find(connection) if connection else None
    return response is not None and response.status == "AVAILABLE"


def file_pattern(repository: Repository, flow_file: str, staged: Staged) -> str:
    """Return a pattern of the files that the flow and its build read. Folders replace files if the files are too many.

    Raises: InputError, if even that pattern is too long.
    """
    files = {flow_file, "buildspec.yaml"}
    for unit in staged.code.values():
        files.update(file.path for file in unit.files)
    for data in staged.data.values():
        path = repository.relative(repository.find(data.path))
        files.add(f"{path}/" if data.is_folder else path)
    for attempt in (files, {f"{name.rpartition('/')[0]}/" if "/" in name else name for name in files}):
        parts = (re.escape(name) + (".*" if name.endswith("/") else "") for name in sorted(attempt))
        pattern = f"^({'|'.join(parts)})$"
        if len(pattern) <= _PATTERN_MAX_CHARS:
            return pattern
    hint = "Write a pattern, such as '^(flow.yaml|src/.*)$'."
    raise InputError("--changed-files inputs: the flow reads too many files for a pattern", hint)


def changed_values(values: Mapping[str, str], stack: Stack | None) -> list[tuple[str, str | None, str]]:
    """Return the parameters to show: those that change, or, for a new stack, those that differ from the default. Each
    is a name, the value before (None for a new stack), and the value after."""
    current = current_values(stack)
    before = {parameter.name: current.get(parameter.name, parameter.default) for parameter in PARAMETERS}
    return [(name, old if stack else None, values[name]) for name, old in before.items() if old != values[name]]


def _oidc_provider(values: Mapping[str, str], stack: Stack | None, account: Account) -> str:
    """Return the ARN of the OIDC provider for GitHub, or an empty string if the stack creates it.

    An account has at most one: the stack uses an existing one, and creates a new one if that is gone.
    """
    current, chosen = current_values(stack), values["OidcProvider"]
    if values["Trigger"] != "actions" or (chosen and chosen != current.get("OidcProvider")):
        return chosen
    is_created_by_stack = current.get("Trigger") == "actions" and not current.get("OidcProvider")
    return "" if is_created_by_stack else (account.preflight.oidc_provider() or "")
