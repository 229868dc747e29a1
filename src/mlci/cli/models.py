"""`mlci models`: the model registry, and decisions about the models in it."""

from __future__ import annotations

import json
import sys
from datetime import datetime, timezone
from typing import TYPE_CHECKING

import click

from mlci.cli.baseline import session_options
from mlci.cli.flow_file import build_of_flow
from mlci.cli.options import RunOptions, json_option
from mlci.cli.output import echo, echo_document
from mlci.cli.run_context import open_registry
from mlci.errors import InputError

if TYPE_CHECKING:
    from mlci.flow.models import Json
    from mlci.model_registry import Approval, ModelRegistry


@click.command("models")
@click.argument("group", metavar="[GROUP]", required=False)
@click.argument("version", metavar="[VERSION]", type=click.IntRange(min=1), required=False)
@session_options(
    click.option("--approve", "approval", flag_value="Approved", help="Approve this version."),
    click.option("--reject", "approval", flag_value="Rejected", help="Reject this version."),
    click.option("--reason", default="", metavar="TEXT", help="The reason of the decision, which the registry keeps."),
    click.option(
        "--limit", type=click.IntRange(min=1), default=20, show_default=True, help="Show at most so many versions."
    ),
    json_option,
)
def command(
    options: RunOptions,
    group: str | None,
    version: int | None,
    approval: Approval | None,
    reason: str,
    limit: int,
    as_json: bool,
) -> int:
    """List registered models, show one, or decide about it.

    Steps with `uses: register` put models into the registry, as versions of a model package group.

    \b
    mlci models                       the groups
    mlci models churn                 the versions of a group, the newest first
    mlci models churn 3               one version: its metrics, run, commit and params
    mlci models churn 3 --approve --reason "checked by hand"
    mlci models churn 3 --reject --reason "leaks the target"

    The registry keeps who decided, when and why. --cloud chooses the registry: the one in .mlci, or SageMaker's.
    """
    _check_use(group, version, approval, reason)
    if approval:
        _check_rights(options)
    with open_registry(options) as registry:
        if group is None:
            _list_groups(registry, as_json)
        elif version is None:
            _list_versions(registry, group, limit, as_json)
        else:
            _show(registry, group, version, approval, reason, as_json)
    return 0


def _check_use(group: str | None, version: int | None, approval: Approval | None, reason: str) -> None:
    """Raises InputError, if a decision names no version, or a reason no decision."""
    if approval and (group is None or version is None):
        option = "--approve" if approval == "Approved" else "--reject"
        raise InputError(f"{option} needs a group and a version", f"Name them: mlci models churn 3 {option}")
    if reason and not approval:
        raise InputError("--reason is that of a decision", "Add --approve or --reject.")


def _check_rights(options: RunOptions) -> None:
    """Raises InputError inside of a build that is not the base branch's. Elsewhere, IAM decides, or the owner of the
    machine."""
    build = build_of_flow(options.flow_file)
    if build.is_build and not build.is_trusted:
        raise InputError(
            f"models can't be approved or rejected in this {build}",
            f"Do it in a build of {build.base_branch or 'the base branch'}, or outside of builds.",
        )


def _list_groups(registry: ModelRegistry, as_json: bool) -> None:
    from mlci.report.console import table
    from mlci.report.model_list import GROUP_HEAD, group_json, group_row

    groups = [(group, registry.newest(group.name)) for group in registry.groups()]
    if as_json:
        _print({"groups": [group_json(*group) for group in groups]})
    elif not groups:
        echo("No model is registered yet. A step registers one: uses: register (docs/steps/register.md)")
    else:
        table(GROUP_HEAD, [group_row(*group) for group in groups], sys.stdout)


def _list_versions(registry: ModelRegistry, group: str, limit: int, as_json: bool) -> None:
    from mlci.report.console import table
    from mlci.report.model_list import VERSION_HEAD, version_json, version_row

    versions = list(registry.versions(group, limit))
    if as_json:
        _print({"group": group, "versions": [version_json(version) for version in versions]})
    elif not versions:
        echo(f'The group "{group}" has no versions.')
    else:
        table(VERSION_HEAD, [version_row(version) for version in versions], sys.stdout)


def _show(
    registry: ModelRegistry, group: str, number: int, approval: Approval | None, reason: str, as_json: bool
) -> None:
    from mlci.report.model_list import describe_version, version_json

    version = registry.version(group, number)
    if approval:
        version = registry.decide(version, approval, reason, datetime.now(timezone.utc))
    if as_json:
        _print(version_json(version))
    elif approval:
        echo(f"{group}/{number}: {version.decision}")
    else:
        echo(describe_version(version))


def _print(document: dict[str, Json]) -> None:
    echo_document(json.dumps({"schema": 1, **document}, indent=2) + "\n")
