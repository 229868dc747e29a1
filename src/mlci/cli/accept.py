"""`mlci accept`: the decision that a run may miss its gate."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mlci.aws_settings import AwsSettingName
from mlci.cli.decide import user_name
from mlci.cli.flow_file import build_of_flow, own_runs_of
from mlci.cli.options import RunOptions, aws_options, cloud_option, debug_option, flow_option
from mlci.cli.output import echo, echo_document
from mlci.cli.run_context import RunSession, open_run
from mlci.errors import InputError
from mlci_dataclasses import dataclass

if TYPE_CHECKING:
    from mlci.decisions.acceptances import GateMisses
    from mlci.gate.acceptance import Acceptance, AcceptedMiss

#: A decision that stands for longer is a change of the gate, which the flow should say.
_LONGEST = timedelta(days=366)


@click.command("accept")
@click.argument("run", metavar="[RUN]", required=False)
@click.argument("metric", metavar="[METRIC]", required=False)
@click.option("--because", metavar="TEXT", help="Why; the reports show it.")
@click.option("--until", metavar="DATE", help="The last day on which it counts, such as 2026-12-31: a year at most.")
@click.option("--list", "lists", is_flag=True, help="List the acceptances that count, instead.")
@click.option("--all", "is_all", is_flag=True, help="With --list: those that expired or were revoked, too.")
@click.option("--revoke", metavar="ID", help="Take an acceptance of the list back, instead.")
@click.option("--json", "is_json", is_flag=True, help="With --list: print JSON, for other programs.")
@click.option("--commit", metavar="SHA", help="The run's commit, whole, where git does not know it here.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@flow_option
@cloud_option
@aws_options
@debug_option
def command(
    run: str | None,
    metric: str | None,
    because: str | None,
    until: str | None,
    lists: bool,
    is_all: bool,
    revoke: str | None,
    is_json: bool,
    commit: str | None,
    yes: bool,
    flow_file: Path,
    cloud: str | None,
    aws: Mapping[AwsSettingName, str | None],
) -> int:
    """Accept that a run has missed the rules on a metric.

    RUN is the run's id, the beginning or end of it, or "latest"; METRIC is the metric's name in the gate. It counts for
    runs of the same commit, of commits that build on it, and of steps in which nothing has changed since, until the
    date; and for nothing worse. Shows what is accepted, and asks. Start the build again then: its verdict says who
    accepted what.

    It is kept with the baselines, so on AWS it takes the right to write there (`mlci policy accepter`).
    """
    options = RunOptions(flow_file, cloud, aws=aws)
    if lists:
        return _list(options, is_all, is_json)
    if is_all or is_json:
        raise InputError(f"{'--all' if is_all else '--json'} is of use with --list alone", "mlci accept --list --all")
    _check_rights(flow_file)
    if revoke is not None:
        return _revoke(options, revoke)
    if not run or not metric:
        what = "an acceptance needs the metric that it is about" if run else "an acceptance needs a run and a metric"
        raise InputError(what, "Such as: mlci accept latest evaluate.auc --because … --until …")
    return _accept(options, run, metric, _Decision(_reason(because), _date(until), commit, yes))


@dataclass(frozen=True)
class _Decision:
    """The reason and the last day of an acceptance, the commit that a person says it is of, and whether to ask."""

    because: str
    until: date
    commit: str | None
    yes: bool


def _accept(options: RunOptions, run: str, metric: str, decision: _Decision) -> int:
    from mlci.decisions.acceptances import write_acceptance
    from mlci.gate import Acceptance
    from mlci.plan import run_id

    run, options = _found_here(options, run)
    with open_run(options) as session:
        missed = _missed(session, run, metric)
        misses = _not_accepted(session, missed, metric)
        _check_commit(session, missed, decision.commit)
        _ask(missed, misses, decision)
        now = datetime.now(timezone.utc)
        target = session.context.target
        accepted = Acceptance(
            metric=metric,
            run_id=missed.run_id,
            commit=missed.commit,
            by=_who(session),
            because=decision.because,
            until=decision.until,
            created=now,
            id=run_id(now, os.urandom(2).hex()),
            flow=session.flow.name,
            base_branch=_base_branch(session),
            misses=misses,
        )
        uri = write_acceptance(accepted, target, session.cloud)
    echo(f"run {missed.run_id}: accepted by {accepted.by} until {accepted.until}, as {accepted.id}")
    echo(f"in: {uri}")
    echo("Start the build again: what has not changed is reused, and the verdict counts this.")
    return 0


def _ask(missed: GateMisses, misses: Sequence[AcceptedMiss], decision: _Decision) -> None:
    """Shows all that an acceptance covers, of what a build of a pull request may have written, and asks.

    Raises: InputError, without a terminal and --yes; Stopped, if the answer is no.
    """
    from mlci.cli.provisioning import terminal_prompt
    from mlci.provision.prompt import require_consent

    echo(f"to accept of run {missed.run_id}, of commit {missed.commit}, until {decision.until}:")
    for miss in misses:
        for number, (name, text) in enumerate(miss.fields.items()):
            echo(f"{'    ' if number else '  '}{name}: {_plain(text)}")
    require_consent(terminal_prompt(decision.yes), "Is this what you have seen, and may it pass?", "accepted")


def _plain(text: str) -> str:
    """Returns text in which nothing can look like a line or a field of its own."""
    text = " ".join(text.split())
    return text if text.isascii() and text.isprintable() else json.dumps(text)


def _check_commit(session: RunSession, missed: GateMisses, given: str | None) -> None:
    """Raises InputError, unless the run is of a commit that only its own branch builds on."""
    from mlci.build_environment.git import branch_tips
    from mlci.decisions.acceptances import check_commit

    context = session.context
    tips = branch_tips(context.repository.root, _base_branch(session))
    check_commit(missed, tips, context.history, given, session.cloud.name == "local")


def _list(options: RunOptions, is_all: bool, is_json: bool) -> int:
    from mlci.gate.accepted import IN_FORCE, state
    from mlci.report.console import table

    with open_run(options, out=sys.stderr) as session:
        branch, found = _base_branch(session), _read(session)
    today = datetime.now(timezone.utc).date()
    states = [(each, state(each, today)) for each in found]
    shown = [(each, state) for each, state in states if is_all or state == IN_FORCE]
    if is_json:
        documents = [{**each.to_json(), "state": state} for each, state in shown]
        echo_document(json.dumps(documents, indent=2) + "\n")
        return 0
    if not found:
        echo(f"nothing was accepted for {branch}")
    if shown:
        head = ("id", "metric", "run", "until", "by", "state", "because")
        rows = [
            (each.id, each.metric, each.run_id, str(each.until), each.by, state, each.because) for each, state in shown
        ]
        table(head, rows, sys.stdout)
    if len(shown) < len(found):
        echo(f"{len(found) - len(shown)} that expired or were revoked: add --all")
    return 0


def _revoke(options: RunOptions, name: str) -> int:
    from mlci.decisions.acceptances import write_acceptance

    with open_run(options) as session:
        near = [each for each in _read(session) if each.id.startswith(name) or each.id.endswith(name)]
        if len(near) != 1:
            what = "more than one acceptance is" if near else "no acceptance is"
            raise InputError(f'{what} called "{name}"', "`mlci accept --list` shows them.")
        write_acceptance(replace(near[0], revoked_by=_who(session)), session.context.target, session.cloud)
    echo(f"{near[0].id} counts no more: {near[0].metric} of run {near[0].run_id}")
    return 0


def _found_here(options: RunOptions, run: str) -> tuple[str, RunOptions]:
    """Returns the id of a run, whole where it was started here, and the options with the cloud that it is on."""
    runs = own_runs_of(options.flow_file)
    folder = runs.here_or_elsewhere(run)
    start = folder.started()
    if start is None:
        return folder.run_id, options
    if options.cloud not in (None, start.cloud):
        raise InputError(f"run {folder.run_id} is on the {start.cloud} cloud", f"Leave out --cloud {options.cloud}.")
    return folder.run_id, replace(options, cloud=start.cloud)


def _missed(session: RunSession, run: str, metric: str) -> GateMisses:
    """Returns what a run missed of its gate. Raises: InputError, if it is not one run of this flow that did."""
    from mlci.decisions.acceptances import read_misses

    flow = session.flow.name
    found = read_misses(flow, run, session.context.target.bucket, session.cloud)
    if len(found) > 1:
        raise InputError(
            f'more than one run is called "{run}"', f"There are: {_plain(', '.join(each.run_id for each in found))}"
        )
    if found:
        return found[0]
    folder = session.context.folder.sibling(run)
    result = folder.result() if folder.path.is_dir() else None
    if result is None:
        what = f'no run "{run}" of {flow} on the {session.cloud.name} cloud has missed its gate'
        raise InputError(what, "The report of a run names it. Add --cloud aws for a run on AWS.")
    if result["flow"] != flow:
        raise InputError(f'run {run} is of the flow "{result["flow"]}", and not of "{flow}"', "Name its file: --flow.")
    rules: Any = result["rules"]
    for rule in rules:
        accepted = rule.get("acceptance")
        if accepted and metric in (rule.get("metric"), accepted["metric"]):
            raise _accepted_then(session, run, metric, str(accepted["id"]))
    if result.get("partial"):
        raise InputError(f"run {run} is of a part of the flow, and has no verdict", "Run the whole flow: mlci run")
    status = str(result["status"]).replace("_", " ")
    raise InputError(f"run {run} has not missed its gate ({status}), so there is nothing to accept")


def _not_accepted(session: RunSession, missed: GateMisses, metric: str) -> tuple[AcceptedMiss, ...]:
    """Returns the misses of a metric. Raises: InputError, where there are none, or all of them are accepted."""
    from mlci.gate.accepted import Acceptances

    if not missed.of(metric) and metric in missed.accepted:
        raise _accepted_then(session, missed.run_id, metric, missed.accepted[metric])
    misses = _misses_of(missed, metric)
    found = Acceptances(_read(session))
    today = datetime.now(timezone.utc).date()
    accepted = [found.of_miss(missed.run_id, miss, today) for miss in misses]
    if (first := accepted[0]) and all(accepted):
        raise _accepted_already(metric, first)
    return misses


def _accepted_then(session: RunSession, run: str, metric: str, name: str) -> InputError:
    """Returns the error for a run whose miss of the metric passed by an acceptance, which may not count any more."""
    from mlci.gate.accepted import IN_FORCE, state

    own = next((each for each in _read(session) if each.id == name), None)
    ended = state(own, datetime.now(timezone.utc).date()) if own else "it is gone"
    if own and ended == IN_FORCE:
        return _accepted_already(metric, own)
    what = f'the miss of "{metric}" in run {run} was accepted then, as {_plain(name)}, and {_plain(ended)} since'
    return InputError(what, "Run it again first, and accept what that run misses.")


def _accepted_already(metric: str, accepted: Acceptance) -> InputError:
    what = f'the miss of "{metric}" is accepted already, by {accepted.by} until {accepted.until}: {accepted.because}'
    return InputError(what, f"For another reason or date, revoke it first: mlci accept --revoke {accepted.id}")


def _read(session: RunSession) -> tuple[Acceptance, ...]:
    from mlci.decisions.acceptances import read_acceptances

    _base_branch(session)
    context = session.context
    return read_acceptances(session.flow.name, context.target, session.cloud, context.reporter.log)


def _misses_of(missed: GateMisses, metric: str) -> tuple[AcceptedMiss, ...]:
    """Returns the misses of a metric. Raises: InputError, where there are none."""
    from mlci.flow.problems import nearest

    found = missed.of(metric)
    if found:
        return found
    named = _plain(", ".join(dict.fromkeys(missed.written)))
    if metric in missed.metrics:
        raise InputError(f'run {missed.run_id} has not missed a rule on "{metric}" that blocks', f"It missed: {named}")
    near = nearest(metric, missed.metrics)
    hint = f'Did you mean "{_plain(near)}"?' if near else f"It missed: {named}"
    raise InputError(f'the gate of run {missed.run_id} has no rule on "{metric}"', hint)


def _reason(because: str | None) -> str:
    if because is None or not because.strip():
        raise InputError("an acceptance needs a reason", "Give it: --because '…'. The reports show it.")
    return " ".join(because.split())


def _date(until: str | None) -> date:
    """Returns the last day of an acceptance. Raises: InputError."""
    today = datetime.now(timezone.utc).date()
    hint = f"Such as --until {today + timedelta(days=30)}"
    if until is None:
        raise InputError("an acceptance needs an end", hint)
    try:
        day = date.fromisoformat(until)
    except ValueError as error:
        raise InputError(f'"{until}" is no date', hint) from error
    if day < today:
        raise InputError(f"{day} is over: today is {today} (UTC)", hint)
    if day > today + _LONGEST:
        raise InputError(f"{day} is more than a year away", f"{hint}. What is to stay is a change of the gate.")
    return day


def _check_rights(flow_file: Path) -> None:
    """Raises InputError inside of a build that is not the base branch's. Elsewhere, IAM decides, or the owner of the
    machine."""
    build = build_of_flow(flow_file)
    if build.is_build and not build.is_trusted:
        raise InputError(
            f"nothing can be accepted in this {build}",
            f"Do it in a build of {build.base_branch or 'the base branch'}, or outside of builds.",
        )


def _base_branch(session: RunSession) -> str:
    branch = session.context.target.base_branch
    if branch is None:
        raise InputError("the base branch is not known", "Name it: MLCI_BASE_BRANCH=main.")
    return branch


def _who(session: RunSession) -> str:
    """Returns who decides: whoever the credentials belong to, and on this machine its user."""
    if session.cloud.name == "local":
        return user_name()
    from mlci.backends.aws.backend import AwsCloud

    assert isinstance(session.cloud, AwsCloud)
    return session.cloud.target.identity.arn
