"""`mlci serve`: the emulator as an AWS endpoint."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mlci.cli.options import isolation_option
from mlci.cli.signals import interrupt_signals
from mlci.errors import InputError

if TYPE_CHECKING:
    from mlci.backends.isolation import Isolation


@click.command("serve")
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
    help="The folder for state machines, jobs and objects.",
)
@click.option(
    "--access-key",
    envvar=["MLCI_SERVE_ACCESS_KEY", "MLCI_ACCESS_KEY"],
    metavar="ID",
    help="The access key id that requests must carry. Default: a random one.",
)
@click.option(
    "--region",
    default="us-east-1",
    show_default=True,
    envvar=["MLCI_SERVE_REGION", "MLCI_REGION"],
    help="The region to print. Requests may name any.",
)
@click.option(
    "--warm-pool-quota",
    type=click.IntRange(min=0),
    envvar=["MLCI_SERVE_WARM_POOL_QUOTA", "MLCI_WARM_POOL_QUOTA"],
    help="The instances of each type that SageMaker's warm pools may hold. Default: any number; AWS begins with 0.",
)
@isolation_option
@click.option(
    "--verbose", "is_verbose", is_flag=True, envvar=["MLCI_SERVE_VERBOSE", "MLCI_VERBOSE"], help="Log each request."
)
@click.option("--debug", "is_debug", is_flag=True, envvar="MLCI_DEBUG", help="Show the traceback of an error.")
def command(
    port: int,
    data: Path,
    access_key: str | None,
    region: str,
    warm_pool_quota: int | None,
    isolation: Isolation,
    is_verbose: bool,
    is_debug: bool,
) -> int:
    """Serve an AWS endpoint on this machine.

    Step Functions and SageMaker jobs run here, S3 is a folder, and moto answers for the other services. Listens on
    127.0.0.1 only, and each request must carry the access key id that is printed, because requests can run code.

    \b
    Examples:
      mlci serve --port 4566 --data .mlci/serve
      mlci serve --access-key dev &
      export AWS_ENDPOINT_URL=http://127.0.0.1:4566 AWS_ACCESS_KEY_ID=dev \\
             AWS_SECRET_ACCESS_KEY=mlci AWS_DEFAULT_REGION=us-east-1
      aws stepfunctions list-state-machines
      python -c 'import boto3; print(boto3.client("s3").list_buckets()["Buckets"])'
    """
    _check_installed()
    from mlci.backends.container_runtime import find_runtime
    from mlci.backends.local import emulator_runtime
    from mlci.backends.local_errors import translate_emulator_errors
    from mlci.backends.project_python import project_python
    from mlci.interrupts import next_interrupt
    from mlci_emulator.server.serve import ServeSettings, serve

    python = project_python(os.environ, [Path.cwd()], sys.executable)
    runtime = emulator_runtime(find_runtime(os.environ) if isolation == "container" else None)
    settings = ServeSettings(
        port,
        data,
        access_key,
        region,
        isolation,
        python.executable,
        dict(os.environ),
        is_verbose,
        is_debug,
        runtime,
        warm_pool_quota,
    )
    print(f"# {python}")
    with interrupt_signals() as interrupts, translate_emulator_errors():
        code = serve(settings, lambda: next_interrupt(interrupts))
        sys.stdout.flush()
        os._exit(code)  # all is closed, and to take down what moto holds would take Python another second


def _check_installed() -> None:
    missing = [name for name in ("waitress", "moto", "flask") if find_spec(name) is None]
    if missing:
        raise InputError(
            f"mlci serve needs {' and '.join(missing)}, not installed here",
            "Install the extra from a checkout: pip install '.[serve]'",
        )
