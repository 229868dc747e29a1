"""The command line: options → typed values → one call. `options` holds the options, `opening` what a command needs.

Imports that only one command needs stand in that command, so that `mlci --help` and `mlci logs` start at once.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, NoReturn

import click

from mlci import __version__
from mlci.cli.context import (
    around,
    build_around,
    caller,
    checked_settings,
    cloud_name,
    duration_s,
    job_settings,
    listening,
    load_flow,
    open_account,
    open_aws,
    opened,
    policies_of,
    read_file,
    region_of,
    runs_beside,
    shown_settings_of,
    stack_template,
    surroundings,
    terminal,
)
from mlci.cli.options import (
    Choice,
    aws_options,
    debug_option,
    flow_option,
    isolation_option,
    look_options,
    param_option,
    parameter_options,
    protected_option,
    run_options,
)
from mlci.errors import InputError, MlciError, Stopped

if TYPE_CHECKING:
    from mlci_emulator.jobs.isolation import Isolation


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="mlci")
def cli() -> None:
    """Continuous integration for machine-learning models.

    A flow (flow.yaml) says how a model is made and which metrics it must meet. `mlci run` runs it as a Step Functions
    state machine and fails where a metric misses its limit.

    \b
    Exit codes: 0 the gate held     1 the gate was missed     2 the input is wrong, nothing was started
                3 a step failed     4 stopped or timed out
    """


@cli.command()
@run_options
def run(timeout: str | None, attach: str, debug: bool, **chosen: Any) -> int:
    """Run the flow: stage, deploy, execute, judge, report.

    \b
    Examples:
      mlci run
      mlci run --param max_depth=6 --param min_auc=0.98
      mlci run --flow flows/nightly.yaml --timeout 45m
      mlci run --cloud aws --bucket my-bucket
    """
    from mlci.report.console import summary
    from mlci.run import run as run_flow

    with opened(Choice.of(**chosen), duration_s("--timeout", timeout), attach == "auto") as ready:
        result = run_flow(ready.flow, ready.around, ready.cloud)
    click.echo(summary(result, _shown(ready.around.folder.sibling(result.run_id).path)))
    return result.exit_code


@cli.command()
@look_options
def plan(debug: bool, **chosen: Any) -> int:
    """Show what a run would do, and touch nothing.

    What it would upload, how it would change the state machine, and what it would run.
    """
    from mlci.report.plan_preview import preview
    from mlci.run import prepare, read_baseline

    with opened(Choice.of(**chosen)) as ready:
        flow, cloud = ready.flow, ready.cloud
        planned, compiled = prepare(flow, ready.around, read_baseline(flow, ready.around.target, cloud))
        cloud.check(planned)
        change = cloud.change(flow.name, compiled.definition)
        live = [live.name for live in cloud.live(flow.name)]
        click.echo(preview(planned, compiled.definition, cloud.missing(planned.uploads), change, live))
    return 0


@cli.command()
@look_options
def config(debug: bool, **chosen: Any) -> int:
    """Show the settings of a run, and where each comes from.

    Of a run on AWS: the region, the bucket, the roles, who calls, and what this build is.
    """
    from mlci.configuration import NAMES
    from mlci.report.console import table

    choice = Choice.of(**chosen)
    cloud, why = cloud_name(choice)
    flow, build = load_flow(choice.flow_file, choice.params), build_around(choice.flow_file)
    settings = shown_settings_of(flow, choice)
    rows = [("cloud", cloud, why), ("build", str(build), build.url or "")]
    rows += [(name, settings.get(name) or "–", settings.found[name].origin or "not set") for name in NAMES]
    rows.append(("caller", *_caller(settings.get("region"))))
    table(("setting", "value", "from"), rows, sys.stdout)
    return 0


@cli.command()
@click.argument("run_id", metavar="RUN")
@flow_option
@aws_options
@protected_option
@debug_option
def stop(run_id: str, flow_file: Path, protected: bool, debug: bool, **aws: Any) -> int:
    """Stop a run on AWS, with all of its jobs.

    RUN is its id, or, where it was started here, the beginning or end of it. A local run stops with its process.
    """
    choice = Choice.of(flow_file, "aws", (), "auto", protected, **aws)
    flow, runs = load_flow(flow_file), runs_beside(flow_file)
    known = [
        folder.run_id for folder in runs.all() if folder.run_id.startswith(run_id) or folder.run_id.endswith(run_id)
    ]
    wanted = known[0] if len(known) == 1 else run_id
    settings = checked_settings(flow, choice)
    cloud = open_aws(flow, settings, None, lambda job: runs.folder(wanted).log(job), click.echo, protected)
    click.echo(f"run {wanted}: {cloud.stop(flow.name, wanted, 'mlci stop')}")
    return 0


@cli.command()
@flow_option
@param_option
@debug_option
def validate(flow_file: Path, params: Sequence[str], debug: bool) -> int:
    """Check the flow, its scripts and its data.

    Nothing is changed. All that is wrong is told at once, with file, line and column.
    """
    import mlci_asl as asl
    from mlci.backends.local import check_jobs
    from mlci.build import Build
    from mlci.run import prepare

    flow = load_flow(flow_file, params)
    planned, compiled = prepare(flow, surroundings(flow_file, Build()), {})
    check_jobs(planned)
    asl.load(compiled.definition)
    click.echo(f"{flow_file} is valid: {_count(len(flow.steps), 'step')}, {_count(len(flow.gate), 'rule')} in the gate")
    return 0


@cli.command()
@flow_option
@param_option
@debug_option
def definition(flow_file: Path, params: Sequence[str], debug: bool) -> int:
    """Print the state machine's definition.

    It is what the flow compiles to, in the Amazon States Language, the same for every cloud.
    """
    from mlci.build import Build
    from mlci.run import prepare

    _, compiled = prepare(load_flow(flow_file, params), surroundings(flow_file, Build()), {})
    click.echo(compiled.definition)
    return 0


@cli.command()
@click.argument("role", required=False)
@flow_option
@aws_options
@debug_option
def policy(role: str | None, flow_file: Path, debug: bool, **aws: Any) -> int:
    """Print what each role may do, derived from the flow.

    As IAM policy documents, by role; of ROLE, one document. `mlci bootstrap` makes these roles. Needs no account: where
    the account, the bucket or a role is not known, `*` stands in its place.
    """
    documents = policies_of(Choice.of(flow_file, None, (), "auto", protected=False, **aws))
    if role is not None and role not in documents:
        raise InputError(f'there is no role "{role}"', f"Roles: {', '.join(documents)}")
    click.echo(json.dumps(documents if role is None else documents[role], indent=2))
    return 0


@cli.command()
@flow_option
@param_option
@debug_option
def graph(flow_file: Path, params: Sequence[str], debug: bool) -> int:
    """Draw the flow as a Mermaid graph.

    GitHub shows it as a picture where it stands in a ```mermaid block.
    """
    from mlci.report.mermaid import mermaid

    click.echo(mermaid(load_flow(flow_file, params)), nl=False)
    return 0


@cli.command()
@debug_option
def schema(debug: bool) -> int:
    """Print the JSON schema of flow.yaml.

    Editors complete and check a flow by it: let the first line be `# yaml-language-server: $schema=FILE`.
    """
    from mlci.flow import schema as flow_schema

    click.echo(json.dumps(flow_schema(), indent=2))
    return 0


@cli.command()
@click.argument("definition_file", metavar="DEFINITION", type=click.Path(dir_okay=False, path_type=Path))
@click.option(
    "--input",
    "input_file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="A JSON file: the execution's input. Default: {}",
)
@click.option(
    "--store",
    required=True,
    envvar="MLCI_STORE",
    type=click.Path(file_okay=False, path_type=Path),
    help="The folder that stands for S3: s3://bucket/key is DIR/bucket/key.",
)
@click.option(
    "--function",
    "functions",
    multiple=True,
    metavar="NAME=FILE.py:HANDLER",
    help="A Lambda function that tasks may invoke. Each invocation is a process of its own.",
)
@isolation_option
@debug_option
def execute(
    definition_file: Path,
    input_file: Path | None,
    store: Path,
    functions: Sequence[str],
    isolation: Isolation,
    debug: bool,
) -> int:
    """Execute any definition on the local cloud.

    Its tasks may be SageMaker processing and training jobs, Lambda functions, calls of S3, and messages to SNS, SQS and
    EventBridge, which are recorded in .mlci/records under the store. It needs no flow.

    Prints the execution's output. Exit code 0 where it succeeded, 3 where it failed, 4 where it was stopped.
    """
    from mlci.cli.execute import execute_file, read_functions

    given = read_file(input_file).decode("utf-8", "replace") if input_file else "{}"
    with listening() as interrupts:
        return execute_file(
            read_file(definition_file).decode("utf-8", "replace"),
            str(definition_file),
            given,
            job_settings(
                store / ".mlci-work", lambda job: store / ".mlci-logs" / f"{job}.log", sys.executable, isolation
            ),
            store,
            interrupts,
            read_functions(functions),
        )


@cli.command()
@flow_option
@click.argument("words", metavar="[RUN] STEP", nargs=-1, required=True)
@debug_option
def logs(flow_file: Path, words: Sequence[str], debug: bool) -> int:
    """Print the log of a step.

    Of the newest run, or of RUN: an id, or the beginning or end of one.
    """
    if len(words) > 2:
        raise InputError("`mlci logs` takes a step, or a run and a step", "Example: mlci logs 3f9c2a train")
    folder = runs_beside(flow_file).find(words[0] if len(words) == 2 else None)
    log, known = folder.log(words[-1]), folder.logged()
    if words[-1] not in known:
        raise InputError(
            f'run {folder.run_id} has no log of a step "{words[-1]}"', f"It has: {', '.join(known) or 'none'}"
        )
    with log.open("rb") as file:
        sys.stdout.buffer.write(file.read())
    return 0


@cli.command("list")
@flow_option
@debug_option
def listruns_beside(flow_file: Path, debug: bool) -> int:
    """List the runs, the newest first."""
    from mlci.report.console import table
    from mlci.report.run_list import row

    rows = [row(run.run_id, run.result()) for run in runs_beside(flow_file).all()]
    if not rows:
        click.echo("There are no runs yet. Start one: mlci run")
        return 0
    table(("run", "status", "started", "time", "commit", "gate"), rows, sys.stdout)
    return 0


@cli.command()
@flow_option
@click.argument("wanted", metavar="[RUN]", required=False)
@debug_option
def show(flow_file: Path, wanted: str | None, debug: bool) -> int:
    """Show what became of a run.

    The newest, or RUN: an id, or the beginning or end of one.
    """
    from mlci.report.run_list import describe

    folder = runs_beside(flow_file).find(wanted)
    click.echo(describe(folder.run_id, folder.result(), _shown(folder.path)))
    return 0


@cli.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path), default=".")
@debug_option
def init(folder: Path, debug: bool) -> int:
    """Put a small working flow into a folder.

    It is ready for `mlci run`, and, with its buildspec.yaml, for `mlci bootstrap`. FOLDER is this one by default; files
    that exist are never changed.
    """
    from mlci.scaffold import install

    for path in install(folder):
        click.echo(f"wrote {path}")
    where = "" if folder == Path() else f"cd {folder} && "
    click.echo(f"Ready. Next: {where}mlci run")
    return 0


@cli.command("buildspec")
@debug_option
def print_buildspec(debug: bool) -> int:
    """Print what CodeBuild does for each pull request.

    It goes to the top of the repository: mlci buildspec > buildspec.yaml
    """
    from mlci.scaffold import buildspec

    click.echo(buildspec(), nl=False)
    return 0


@cli.command()
@flow_option
@click.option("--yes", is_flag=True, envvar="MLCI_YES", help="Don't ask before something is changed.")
@click.option("--print", "prints", is_flag=True, help="Only print the template. Needs no account.")
@click.option("--delete", "deletes", is_flag=True, help="Take it all down, but keep the bucket.")
@click.option("--delete-bucket", "with_bucket", is_flag=True, help="With --delete: the bucket goes too, and all in it.")
@click.option("--region", envvar="MLCI_REGION", metavar="TEXT", help="The AWS region of the stack.")
@parameter_options
@debug_option
def bootstrap(
    flow_file: Path,
    yes: bool,
    prints: bool,
    deletes: bool,
    with_bucket: bool,
    region: str | None,
    debug: bool,
    **parameters: str | None,
) -> int:
    """Make an AWS account ready for the flow.

    Creates or changes one CloudFormation stack: bucket, roles, and the two CodeBuild projects. What would change is
    shown, and asked about. Parameters that are not given keep the value that they have. Each can also be set as
    MLCI_<NAME>, such as MLCI_RUN_RETENTION.

    \b
    Examples:
      mlci bootstrap
      mlci bootstrap --print > stack.yaml
      mlci bootstrap --run-retention 30 --yes
      mlci bootstrap --delete
    """
    from mlci.provision.bootstrap import set_up, take_down

    _check_modes(prints, deletes, with_bucket)
    chosen = {name: value for name, value in parameters.items() if value is not None}
    flow = load_flow(flow_file)
    place = region_of(flow, region)
    if prints:
        click.echo(stack_template(flow, flow_file, place), nl=False)
        return 0
    account, person = open_account(flow, place), terminal(yes)
    if deletes:
        return take_down(flow.name, chosen.get("ExistingBucket"), with_bucket, account, person)
    template = stack_template(flow, flow_file, account.region)
    return set_up(flow.name, template, chosen, around(flow, flow_file, account.region), account, person)


@cli.command()
@click.option(
    "--port",
    default=4566,
    show_default=True,
    envvar=["MLCI_SERVE_PORT", "MLCI_PORT"],
    type=click.IntRange(0, 65535),
    help="The port of 127.0.0.1 to listen on; 0 takes any that is free.",
)
@click.option(
    "--data",
    default=".mlci/serve",
    show_default=True,
    envvar=["MLCI_SERVE_DATA", "MLCI_DATA"],
    type=click.Path(file_okay=False, path_type=Path),
    help="The folder that state machines, jobs and objects are kept in.",
)
@click.option(
    "--access-key",
    envvar=["MLCI_SERVE_ACCESS_KEY", "MLCI_ACCESS_KEY"],
    metavar="ID",
    help="The access key id that requests must carry. Default: one is made up.",
)
@click.option(
    "--region",
    default="us-east-1",
    show_default=True,
    envvar=["MLCI_SERVE_REGION", "MLCI_REGION"],
    help="The region to print. Requests may name any.",
)
@isolation_option
@click.option("--verbose", is_flag=True, envvar=["MLCI_SERVE_VERBOSE", "MLCI_VERBOSE"], help="A line for each request.")
@debug_option
def serve(
    port: int,
    data: Path,
    access_key: str | None,
    region: str,
    isolation: Isolation,
    verbose: bool,
    debug: bool,
) -> int:
    """Be an AWS endpoint on this machine.

    Step Functions and SageMaker jobs run here, S3 is a folder, moto is behind for the rest. Only 127.0.0.1 is bound,
    and each request must carry the access key id that is printed, since it runs code.

    \b
    Examples:
      mlci serve --port 4566 --data .mlci/serve
      mlci serve --access-key dev &
      export AWS_ENDPOINT_URL=http://127.0.0.1:4566 AWS_ACCESS_KEY_ID=dev \\
             AWS_SECRET_ACCESS_KEY=mlci AWS_DEFAULT_REGION=us-east-1
      aws stepfunctions list-state-machines
      python -c 'import boto3; print(boto3.client("s3").list_buckets()["Buckets"])'
    """
    from importlib.util import find_spec

    missing = [name for name in ("waitress", "moto", "flask") if find_spec(name) is None]
    if missing:
        raise InputError(
            f"mlci serve needs {' and '.join(missing)}, not installed here", "Install it: pip install 'mlci[serve]'"
        )
    from mlci.backends.local import translated
    from mlci.interrupts import next_interrupt
    from mlci_emulator.server.server import ServeSettings
    from mlci_emulator.server.server import serve as serve_until

    settings = ServeSettings(
        port, data, access_key, region, isolation, sys.executable, dict(os.environ), verbose, debug
    )
    with listening() as interrupts, translated():
        code = serve_until(settings, lambda: next_interrupt(interrupts))
        sys.stdout.flush()
        os._exit(code)  # all is closed, and to take down what moto holds would take Python another second


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command; its exit code. No exception leaves: Python's own code for one is 1, which means "gate missed"."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # a terminal that can't show "✔" shows "?", and the run goes on
    signal.signal(signal.SIGTERM, _terminated)
    try:
        code = cli.main(args=arguments, prog_name="mlci", standalone_mode=False)
        return code if isinstance(code, int) else 0
    except MlciError as error:
        return _fail(str(error), error.exit_code)
    except click.Abort:
        return _fail("stopped before anything was started.", Stopped.exit_code)
    except click.ClickException as error:
        error.show()
        return InputError.exit_code
    except KeyboardInterrupt:
        return _fail("stopped before anything was started.", Stopped.exit_code)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # whoever read us (`| head`) has gone
        return 0
    except Exception as error:  # noqa: BLE001 - the one broad handler: no traceback, and never exit code 1
        what = f"an error inside of mlci: {type(error).__name__}: {error}. Please report it, with what --debug shows."
        return _fail(what, MlciError.exit_code)


def _terminated(number: int, frame: FrameType | None) -> NoReturn:
    """SIGTERM while nothing runs yet ends mlci as Ctrl-C does; while a run goes on, `listening` hears it."""
    raise KeyboardInterrupt


def _fail(what: str, code: int) -> int:
    """Tells an error on standard error; the traceback only where it is asked for."""
    if "--debug" in sys.argv or os.environ.get("MLCI_DEBUG", "").lower() in ("1", "true", "yes", "on"):
        import traceback

        traceback.print_exc()
    print(f"mlci: {what}", file=sys.stderr)
    return code


def _check_modes(prints: bool, deletes: bool, with_bucket: bool) -> None:
    if prints and deletes:
        raise InputError("--print and --delete exclude each other")
    if with_bucket and not deletes:
        raise InputError("--delete-bucket goes with --delete", "To keep the bucket, leave it out.")


def _caller(region: str | None) -> tuple[str, str]:
    """Who calls AWS, or why that is not known, for a table."""
    if region is None:
        return "–", "no region, no call"
    try:
        return caller(region).arn, "sts:GetCallerIdentity"
    except InputError as error:
        return "–", str(error).splitlines()[0]


def _shown(path: Path) -> str:
    """A path as the user would type it: relative where it lies below the working directory."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
