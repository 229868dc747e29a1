"""The command line: options → typed values → one call. What the environment, the terminal and the clock say is read
here and handed on.

Imports that only one command needs stand in that command, so that `mlci --help` and `mlci logs` start at once.
"""

from __future__ import annotations

import json
import os
import queue
import secrets
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import click

from mlci import __version__
from mlci.errors import InputError, MlciError, Problem, Stopped

if TYPE_CHECKING:
    from mlci.cloud.local.isolation import Isolation
    from mlci.cloud.local.jobs import Settings
    from mlci.cloud.protocol import Cloud
    from mlci.flow.models import Flow
    from mlci.interrupts import Interrupts
    from mlci.run import Surroundings
    from mlci.runs import Runs

_Command = TypeVar("_Command", bound=Callable[..., Any])

flow_option = click.option(
    "--flow",
    "flow_file",
    default="flow.yaml",
    show_default=True,
    envvar="MLCI_FLOW",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The flow file. Paths in it are relative to its folder.",
)
param_option = click.option(
    "--param",
    "params",
    multiple=True,
    metavar="NAME=VALUE",
    help="Another value for a param of the flow. MLCI_PARAM_<NAME> does the same.",
)
isolation_option = click.option(
    "--isolation",
    type=click.Choice(["auto", "namespace", "link", "paths"]),
    default="auto",
    show_default=True,
    envvar="MLCI_ISOLATION",
    help="How a local job gets its own /opt/ml. `auto` takes the first that works here.",
)
debug_option = click.option(
    "--debug", is_flag=True, envvar="MLCI_DEBUG", help="Show a traceback where something goes wrong."
)


def run_options(command: _Command) -> _Command:
    """The options of `mlci run`, which `python pipeline.py` takes as well."""
    for option in reversed(
        (
            flow_option,
            click.option(
                "--cloud",
                type=click.Choice(["local", "aws"]),
                envvar="MLCI_CLOUD",
                help="Where to run. Default: aws inside of CodeBuild, local elsewhere.",
            ),
            param_option,
            click.option(
                "--timeout",
                envvar="MLCI_TIMEOUT",
                metavar="DURATION",
                help="Stop the run after this long, such as 90s, 30m or 2h, and exit with 4.",
            ),
            isolation_option,
            debug_option,
        )
    ):
        command = option(command)
    return command


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
def run(
    flow_file: Path,
    cloud: str | None,
    params: Sequence[str],
    timeout: str | None,
    isolation: Isolation,
    debug: bool,
) -> int:
    """Run the flow: stage, deploy, execute, judge, report.

    \b
    Examples:
      mlci run
      mlci run --param max_depth=6 --param min_auc=0.98
      mlci run --flow flows/nightly.yaml --timeout 45m
    """
    from mlci.report.console import summary
    from mlci.run import run as run_flow

    flow = _load(flow_file, params)
    around = _surroundings(flow_file, _duration("--timeout", timeout))
    screen = around.watcher
    with _cloud(cloud, flow, flow_file, around, isolation) as on:
        result = run_flow(flow, around, on)
    screen.say(summary(result, _shown(around.folder.path)))
    return result.exit_code


@cli.command()
@flow_option
@param_option
@debug_option
def validate(flow_file: Path, params: Sequence[str], debug: bool) -> int:
    """Check the flow, its scripts and its data.

    Nothing is changed. All that is wrong is told at once, with file, line and column.
    """
    from mlci import asl
    from mlci.cloud.local.cloud import check_jobs
    from mlci.run import prepare

    flow = _load(flow_file, params)
    planned, compiled = prepare(flow, _surroundings(flow_file), {})
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
    from mlci.run import prepare

    _, compiled = prepare(_load(flow_file, params), _surroundings(flow_file), {})
    click.echo(compiled.definition)
    return 0


@cli.command()
@flow_option
@param_option
@debug_option
def graph(flow_file: Path, params: Sequence[str], debug: bool) -> int:
    """Draw the flow as a Mermaid graph.

    GitHub shows it as a picture where it stands in a ```mermaid block.
    """
    from mlci.report.graph import mermaid

    click.echo(mermaid(_load(flow_file, params)), nl=False)
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
@isolation_option
@debug_option
def execute(
    definition_file: Path,
    input_file: Path | None,
    store: Path,
    isolation: Isolation,
    debug: bool,
) -> int:
    """Execute any definition on the local cloud.

    It may hold SageMaker processing and training jobs, and needs no flow.

    Prints the execution's output. Exit code 0 where it succeeded, 3 where it failed, 4 where it was stopped.
    """
    from mlci.execute import execute_file

    given = _read(input_file).decode("utf-8", "replace") if input_file else "{}"
    with _listening() as interrupts:
        return execute_file(
            _read(definition_file).decode("utf-8", "replace"),
            str(definition_file),
            given,
            _job_settings(
                store / ".mlci-work", lambda job: store / ".mlci-logs" / f"{job}.log", sys.executable, isolation
            ),
            store,
            interrupts,
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
    folder = _runs(flow_file).find(words[0] if len(words) == 2 else None)
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
def list_runs(flow_file: Path, debug: bool) -> int:
    """List the runs, the newest first."""
    from mlci.report.console import table
    from mlci.report.history import row

    rows = [row(run.run_id, run.result()) for run in _runs(flow_file).all()]
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
    from mlci.report.history import describe

    folder = _runs(flow_file).find(wanted)
    click.echo(describe(folder.run_id, folder.result(), _shown(folder.path)))
    return 0


@cli.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path), default=".")
@debug_option
def init(folder: Path, debug: bool) -> int:
    """Put a small working flow into a folder.

    It is ready for `mlci run`. FOLDER is this one by default; files that exist are never changed.
    """
    from mlci.template import install

    for path in install(folder):
        click.echo(f"wrote {path}")
    where = "" if folder == Path() else f"cd {folder} && "
    click.echo(f"Ready. Next: {where}mlci run")
    return 0


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
    """SIGTERM while nothing runs yet ends mlci as Ctrl-C does; while a run goes on, `_listening` hears it."""
    raise KeyboardInterrupt


def _fail(what: str, code: int) -> int:
    """Tells an error on standard error; the traceback only where it is asked for."""
    if "--debug" in sys.argv or os.environ.get("MLCI_DEBUG", "").lower() in ("1", "true", "yes", "on"):
        import traceback

        traceback.print_exc()
    print(f"mlci: {what}", file=sys.stderr)
    return code


def _surroundings(flow_file: Path, timeout_s: float | None = None) -> Surroundings:
    """What a run takes from outside of the flow: the repository, git, the clock, chance, the terminal."""
    from mlci.cloud.local import names
    from mlci.git import git_state
    from mlci.plan import Target, run_id
    from mlci.report.console import Screen
    from mlci.run import Surroundings
    from mlci.stage import Memo, repository_around

    runs, git = _runs(flow_file), git_state(flow_file.resolve().parent)
    target = Target(
        bucket=names.BUCKET,
        job_role=names.JOB_ROLE,
        run_id=run_id(datetime.now(timezone.utc), secrets.token_hex(3)),
        commit=git.commit,
        branch=git.branch,
        base_branch=git.base_branch,
    )
    folder = runs.folder(target.run_id)
    return Surroundings(
        repository=repository_around(flow_file),
        region=names.REGION,
        memo=Memo(Path(os.environ.get("MLCI_CACHE") or runs.home / "cache")),
        target=target,
        folder=folder,
        watcher=Screen(sys.stdout, sys.stdout.isatty(), folder.tail),
        listening=_listening,
        timeout_s=timeout_s,
    )


@contextmanager
def _cloud(
    wanted: str | None, flow: Flow, flow_file: Path, around: Surroundings, isolation: Isolation
) -> Iterator[Cloud]:
    """The cloud that a flow is to run on. Inside of CodeBuild that is AWS, unless another is asked for."""
    from mlci.cloud.local.cloud import local_cloud
    from mlci.plan.names import job_name

    if (wanted or ("aws" if "CODEBUILD_BUILD_ID" in os.environ else "local")) == "aws":
        raise InputError("the aws cloud is not part of this version yet", "Run on the local one: --cloud local")
    home = _runs(flow_file).home
    steps = {job_name(flow.name, step, around.target.run_id): step for step in flow.steps}
    settings = _job_settings(
        home / "work",
        lambda job: around.folder.log(steps[job.rsplit("-", 2)[0]]),
        _python(flow, flow_file),
        isolation,
    )
    with local_cloud(home / "store", settings, around.watcher.say) as cloud:
        yield cloud


def _job_settings(work: Path, logs: Callable[[str], Path], python: str, isolation: Isolation) -> Settings:
    from mlci.cloud.local.jobs import Settings

    return Settings(work.absolute(), logs, python, environment=dict(os.environ), isolation=isolation)


@contextmanager
def _listening() -> Iterator[Interrupts]:
    """While in here, signals that ask for an end are put in the queue."""
    interrupts: Interrupts = queue.SimpleQueue()

    def heard(number: int, frame: FrameType | None) -> None:
        interrupts.put(f"stopped by {signal.Signals(number).name}")

    before = {number: signal.signal(number, heard) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        yield interrupts
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _load(flow_file: Path, params: Sequence[str]) -> Flow:
    from mlci.flow import MAX_BYTES, load, param_overrides

    overrides, origins = param_overrides(params, os.environ)
    return load(_read(flow_file, MAX_BYTES + 1), str(flow_file), overrides, origins)


def _read(file: Path, most_bytes: int = -1) -> bytes:
    try:
        with file.open("rb") as stream:
            return stream.read(most_bytes)
    except FileNotFoundError as error:
        hint = "Make one with `mlci init`, or name another with --flow." if file.suffix in (".yaml", ".yml") else ""
        raise InputError(f'there is no file "{file}"', hint) from error
    except OSError as error:
        raise InputError(f'"{file}" can\'t be read: {error.strerror}', "Is it a file, and may you read it?") from error


def _duration(option: str, text: str | None) -> float | None:
    from mlci.flow import parse_duration
    from mlci.flow.refused import Refused

    if text is None:
        return None
    try:
        return parse_duration(text)
    except Refused as error:
        raise InputError([Problem(option, 0, 0, error.what, error.hint)]) from error


def _python(flow: Flow, flow_file: Path) -> str:
    """The interpreter that local jobs run with: `local: {python: …}`, or the one that runs mlci."""
    import shutil

    if flow.python is None:
        return sys.executable
    place = str(flow_file.resolve().parent / flow.python) if "/" in flow.python else flow.python
    found = shutil.which(place)
    if found is None:
        at = flow.position("local", "python")
        problem = Problem(at.file, at.line, at.column, f'"{flow.python}" is no Python interpreter', "Is it installed?")
        raise InputError([problem])
    return found


def _runs(flow_file: Path) -> Runs:
    from mlci.runs import Runs

    return Runs(flow_file.resolve().parent / ".mlci")


def _shown(path: Path) -> str:
    """A path as the user would type it: relative where it lies below the working directory."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


if __name__ == "__main__":
    sys.exit(main())
