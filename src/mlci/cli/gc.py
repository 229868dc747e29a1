"""`mlci gc`: deletes what nothing needs any more, on this machine or in the bucket on AWS."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

import click

from mlci.cli.baseline import session_options
from mlci.cli.flow_file import build_of_flow, displayed, load_flow, own_runs_of
from mlci.cli.options import RunOptions, json_option
from mlci.cli.output import echo, echo_document
from mlci.cli.run_context import backend_name, backend_options
from mlci.errors import CloudError, InputError
from mlci.report.untrusted_text import console_text

if TYPE_CHECKING:
    from mlci.gc.collect import Bucket, BucketSurvey, Collected
    from mlci.gc.plan import Limits
    from mlci.report.gc_table import Retained
    from mlci.runs.clean import Leftover
    from mlci.runs.run_folder import Runs

_MAX_KEEP_S = 36_500 * 86_400

keep_option = click.option(
    "--keep",
    default="30d",
    show_default=True,
    metavar="DURATION",
    envvar="MLCI_GC_KEEP",
    help="Delete nothing that is younger, such as 90d; at least a day. Code and data stay for 15d at least.",
)


@click.command("gc")
@session_options(
    keep_option,
    click.option("--dry-run", "is_dry", is_flag=True, help="Show what would be deleted, and delete nothing."),
    click.option("--yes", is_flag=True, help="Do not ask."),
    json_option,
)
def command(options: RunOptions, keep: str, is_dry: bool, yes: bool, as_json: bool) -> int:
    """Delete what nothing needs any more: old runs, and the code, data and records of steps that no run uses.

    What is younger than --keep stays. Of what is older, all stays that a run which goes on, a baseline, a registered
    or deployed model, or the newest record of a step refers to. Shows the sizes, and asks.

    --cloud chooses the place: .mlci, or the bucket on AWS, with the code of pull requests and of the base branch.
    `mlci policy gc` prints the rights that it takes there: it is for a person, and builds do not have them. A bucket
    that keeps versions has what was deleted for 30 days more. `mlci clean` empties this machine, whatever the age.

    \b
    Examples:
      mlci gc --dry-run
      mlci gc --keep 90d --cloud aws
    """
    from mlci.gc.collect import delete, survey
    from mlci.gc.plan import Limits

    limits = Limits(datetime.now(timezone.utc), _duration(keep))
    runs, cloud = own_runs_of(options.flow_file), backend_name(options)[0]
    with _bucket(options, runs, cloud, limits) as bucket:
        seen = survey(bucket, limits)
        folders = _folders(runs, bucket.flow, seen, limits) if cloud == "local" else []
        items = _items(bucket, seen, folders)
        if not as_json:
            _show(items)
        if not is_dry and any(each.goes for each in items):
            _ask(items, yes)
            items = _delete(bucket, delete(bucket, seen, limits), folders, items)
    if as_json:
        from mlci.report.gc_table import gc_json

        document = gc_json(bucket.flow, cloud, int(limits.keep.total_seconds()), is_dry, items)
        echo_document(json.dumps(document, indent=2) + "\n")
    else:
        _conclude(items, is_dry)
    _check_all_gone(items, cloud)
    return 0


def _duration(keep: str) -> timedelta:
    """Raises: InputError, for what is no duration."""
    from mlci.flow import parse_duration
    from mlci.flow.invalid_value import InvalidValue

    try:
        seconds = parse_duration(keep)
    except InvalidValue as invalid:
        raise InputError(f"--keep: {invalid.what}", invalid.hint) from invalid
    if seconds > _MAX_KEEP_S:
        raise InputError(f'--keep: "{keep}" is longer than a century', "Such as 30d")
    return timedelta(seconds=seconds)


@contextmanager
def _bucket(options: RunOptions, runs: Runs, cloud: str, limits: Limits) -> Iterator[Bucket]:
    from mlci.backends import configure
    from mlci.gc.collect import Bucket

    flow, build = load_flow(options.flow_file), build_of_flow(options.flow_file)
    backend = configure(cloud, backend_options(flow, options, build))
    name = backend.location.bucket
    with backend.stored() as store, backend.registry() as registry:
        yield Bucket(flow.name, name, store, registry, runs.running, lambda: _inputs(runs, limits), _log)


def _inputs(runs: Runs, limits: Limits) -> list[str]:
    """Returns the inputs of the runs on this machine that stay: their reports rest on what these name."""
    before = _before(limits)
    return [json.dumps(each.execution_input() or {}) for each in runs.all() if not _is_old(each.run_id, before)]


def _log(text: str) -> None:
    print(console_text(text), file=sys.stderr)


def _folders(runs: Runs, flow: str, seen: BucketSurvey, limits: Limits) -> list[Leftover]:
    """Returns the folders of old runs on this machine, but for those whose outputs stay, and those of killed jobs."""
    from mlci.runs.clean import run_folders, work_folders

    staying = {unit.run_id for unit in seen.units} - {unit.run_id for unit in seen.unneeded}
    before = _before(limits)
    old = [each for each in runs.all() if _is_old(each.run_id, before) and each.run_id not in staying]
    own = [each for each in old if (start := each.started()) is not None and start.flow == flow]
    return [*run_folders(own), *work_folders(runs, before)]


def _before(limits: Limits) -> datetime:
    from mlci.gc.plan import GRACE

    return limits.now - max(limits.keep, GRACE)


def _is_old(run_id: str, before: datetime) -> bool:
    return run_id < f"{before:%Y%m%d-%H%M%S}"


def _items(bucket: Bucket, seen: BucketSurvey, folders: list[Leftover]) -> list[Retained]:
    from mlci.report.gc_table import Retained

    doomed = set(seen.unneeded)
    items = [Retained(unit.kind, bucket.uri(unit), unit.size_bytes, unit in doomed) for unit in seen.units]
    return items + [Retained(f"{each.kind}, here", displayed(each.path), each.size_bytes, True) for each in folders]


def _show(items: list[Retained]) -> None:
    from mlci.report.console import table
    from mlci.report.gc_table import HEAD, gc_rows

    if items:
        table(HEAD, gc_rows(items), sys.stdout)


def _ask(items: list[Retained], yes: bool) -> None:
    from mlci.cli.provisioning import terminal_prompt
    from mlci.provision.prompt import require_consent
    from mlci.report.formatting import size

    total = size(sum(each.size_bytes for each in items if each.goes))
    require_consent(terminal_prompt(yes), f"Delete {total}?", "deleted")


def _delete(bucket: Bucket, deletion: Collected, folders: list[Leftover], items: list[Retained]) -> list[Retained]:
    """Deletes the folders as well, and returns the items with what became of each. One that somebody needs by now
    stays."""
    left = {bucket.uri(unit): reason for unit, reason in deletion.left.items()}
    left |= {displayed(each.path): "it is in use, or belongs to another user" for each in folders if not each.remove()}
    gone = {bucket.uri(unit) for unit in deletion.gone} | {displayed(each.path) for each in folders}
    return [
        replace(each, goes=each.place in gone or each.place in left, reason=left.get(each.place, ""))
        if each.goes
        else each
        for each in items
    ]


def _conclude(items: list[Retained], is_dry: bool) -> None:
    from mlci.report.formatting import size

    going = [each for each in items if each.goes and not each.reason]
    if is_dry:
        echo("Nothing was deleted: --dry-run.")
    elif not any(each.goes for each in items):
        echo("There is nothing to delete.")
    else:
        echo(f"deleted {size(sum(each.size_bytes for each in going))}")


def _check_all_gone(items: list[Retained], cloud: str) -> None:
    """Raises: CloudError, with one line for each reason why something was not deleted."""
    reasons: dict[str, list[str]] = {}
    for each in items:
        if each.reason:
            reasons.setdefault(each.reason, []).append(each.place)
    if not reasons:
        return
    parts = [f"{_places(places)}: {reason}" for reason, places in reasons.items()]
    is_denied = any("AccessDenied" in reason for reason in reasons)
    hint = "`mlci policy gc` prints the rights that it takes." if cloud == "aws" and is_denied else ""
    raise CloudError(f"not deleted: {'; '.join(parts)}", hint=hint)


def _places(places: list[str]) -> str:
    return f"{places[0]} and {len(places) - 1} more" if len(places) > 1 else places[0]
