"""`mlci report`: what a pull request shows of a build."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mlci.cli.flow_file import read_file
from mlci.cli.options import debug_option, flow_option
from mlci.cli.output import echo
from mlci.errors import CloudError, InputError

if TYPE_CHECKING:
    from mlci.flow.models import Json
    from mlci.pull_request.credentials import Credentials
    from mlci.pull_request.models import BuildReport, PullRequest

_EVENT_MAX_BYTES = 25 << 20
_JOB_RESULTS = ("success", "failure", "cancelled", "skipped")
_NO_TOKEN = "nothing was posted: there is no token (GITHUB_TOKEN, or MLCI_GITHUB_SECRET with the ARN of a secret)"
_COMMENT_MODES = ("always", "on-change", "never")


@click.command("report")
@flow_option
@click.option("--pending", "is_pending", is_flag=True, help="Say that the build has begun: the check is in progress.")
@click.option(
    "--run",
    "run_folder",
    default=".mlci/latest",
    show_default=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="The folder of the run, with result.json and report.md.",
)
@click.option(
    "--job-result",
    type=click.Choice(_JOB_RESULTS),
    default="success",
    show_default=True,
    envvar="MLCI_JOB_RESULT",
    help="What the job of the run ended as.",
)
@click.option(
    "--comment",
    type=click.Choice(_COMMENT_MODES),
    default="always",
    show_default=True,
    envvar="MLCI_COMMENT",
    help="`on-change`: not before a gated metric differs from its baseline, or a run does not pass.",
)
@click.option(
    "--build",
    metavar="ARN",
    envvar="MLCI_BUILD",
    help="Post this build of CodeBuild, whose reports are at MLCI_REPORTS: what the reporter on AWS does.",
)
@debug_option
def command(
    flow_file: Path, is_pending: bool, run_folder: Path, job_result: str, comment: str, build: str | None
) -> int:
    """Post a run to its pull request: a check, and one comment that is edited in place.

    It takes the token of GITHUB_TOKEN, or the one at the ARN in MLCI_GITHUB_SECRET. Without a token that may write, it
    says so in a line: the verdict stands, and so does the exit code.

    \b
    Examples:
      mlci report --pending
      mlci report --run run --job-result failure
      mlci report --comment on-change
    """
    credentials = credentials_of(os.environ)
    if build:
        _post_build(build, os.environ.get("MLCI_REPORTS", ""), comment, credentials)
        return 0
    from mlci.pull_request.actions import report_in_progress, report_of_run
    from mlci.pull_request.result_document import REPORT_MAX_BYTES, RESULT_MAX_BYTES, read_result, report_text

    report = report_in_progress(_flow_name(flow_file), os.environ, _event(os.environ), datetime.now(timezone.utc))
    if not is_pending:
        result = read_result(_part(run_folder / "result.json", RESULT_MAX_BYTES + 1))
        text = report_text(_part(run_folder / "report.md", REPORT_MAX_BYTES))
        report = report_of_run(report, result, text, job_result)
    post(report, comment, credentials)
    return 0


def _post_build(arn: str, reports: str, comment: str, credentials: Credentials | None) -> None:
    """Post a build of CodeBuild, by what CodeBuild and the bucket have of it.

    Raises: InputError, CloudError.
    """
    from mlci.backends.aws.codebuild_reports import CodeBuildReports
    from mlci.pull_request.github_calls import Busy, PyGithubCalls, Unposted
    from mlci.pull_request.reporter import collect_report

    if credentials is None:
        echo(_NO_TOKEN)
        return

    def head(pull_request: PullRequest) -> str:
        calls = PyGithubCalls(credentials, pull_request.api_url, pull_request.repository)
        return calls.head(pull_request.number)

    try:
        report = collect_report(CodeBuildReports.open(arn, reports), head)
    except (Unposted, Busy) as error:
        echo(f"nothing was posted: {error.reason}")
        return
    if report is None:
        echo("nothing was posted: the build is of no pull request")
        return
    post(report, comment, credentials)


def post(report: BuildReport, comment: str, credentials: Credentials | None) -> None:
    """Post a report, and print a line about each part. GitHub's answers change no exit code."""
    from mlci.pull_request.github_calls import PyGithubCalls
    from mlci.pull_request.posting import Poster

    if credentials is None:
        echo(_NO_TOKEN)
        return
    pull_request = report.pull_request
    calls = PyGithubCalls(credentials, pull_request.api_url, pull_request.repository)
    for line in Poster(calls, comment).post(report):  # type: ignore[arg-type]  # click has checked it
        echo(line)


def credentials_of(environment: Mapping[str, str]) -> Credentials | None:
    """The credentials that the environment has, or names by an ARN; None if there are none that can be read."""
    from mlci.pull_request.credentials import parse_credentials, read_secret

    if token := environment.get("GITHUB_TOKEN", "").strip():
        return parse_credentials(token, "GITHUB_TOKEN")
    arn = environment.get("MLCI_GITHUB_SECRET", "").strip()
    if not arn:
        return None
    from mlci.backends.aws import secret_values
    from mlci.backends.aws.session import open_session

    try:
        session = open_session(arn.split(":")[3] if arn.count(":") > 3 else "none")
        return read_secret(
            arn,
            lambda each: secret_values.read_secret(session.api("secretsmanager"), each),
            lambda each: secret_values.read_parameter(session.api("ssm"), each),
        )
    except CloudError as error:
        echo(f"nothing can be posted: {error}")
        return None


def _flow_name(flow_file: Path) -> str:
    """The name of the flow in a file, whatever else is in it: a flow with a mistake has a report as well.

    Raises: InputError.
    """
    import yaml

    from mlci.flow import MAX_BYTES
    from mlci.flow.invalid_value import InvalidValue
    from mlci.flow.names import FLOW, check_name

    try:
        document = yaml.safe_load(read_file(flow_file, MAX_BYTES + 1))
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise InputError(f'"{flow_file}" is no YAML', "`mlci validate` says where.") from error
    name = document.get("flow") if isinstance(document, dict) else None
    try:
        check_name(FLOW, str(name or ""))
    except InvalidValue as invalid:
        raise InputError(f'"{flow_file}": {invalid.what}', invalid.hint) from invalid
    return str(name)


def _event(environment: Mapping[str, str]) -> Json:
    """The event that started the workflow.

    Raises: InputError.
    """
    file = environment.get("GITHUB_EVENT_PATH")
    if not file or environment.get("GITHUB_ACTIONS") != "true":
        raise InputError(
            "`mlci report` posts from a job of GitHub Actions, and this is none",
            "On AWS, the reporter of `mlci bootstrap --github-secret` posts (docs/pull-requests.md).",
        )
    try:
        event: Json = json.loads(read_file(Path(file), _EVENT_MAX_BYTES))
    except (ValueError, RecursionError) as error:
        raise InputError(f'"{file}" is no JSON') from error
    return event


def _part(file: Path, max_bytes: int) -> bytes | None:
    """The first bytes of a file; None if there is none."""
    try:
        with file.open("rb") as stream:
            return stream.read(max_bytes)
    except OSError:
        return None
