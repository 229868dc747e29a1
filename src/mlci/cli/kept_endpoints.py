"""`mlci run --keep-endpoint`: the endpoints of a local run stay in service until a signal ends it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from mlci.cli.output import echo
from mlci.errors import InputError

if TYPE_CHECKING:
    from mlci.cli.options import RunOptions


def check_keeps_endpoint(options: RunOptions) -> None:
    """Raises InputError for a cloud on which nothing is kept so."""
    from mlci.cli.run_context import backend_name

    name, _ = backend_name(options)
    if name != "local":
        raise InputError(
            f"--keep-endpoint is for the local cloud, and this run is on {name}",
            "Leave it out: on AWS, builds of the base branch keep their endpoints, and no other run does.",
        )


def keep_endpoints(urls: Mapping[str, str]) -> None:
    """Says where the endpoints are, and waits for Ctrl-C, or another signal that asks for an end."""
    from mlci.cli.signals import interrupt_signals

    for line in kept_lines(urls):
        echo(line)
    if urls:
        with interrupt_signals() as interrupts:
            interrupts.get()


def kept_lines(urls: Mapping[str, str]) -> Iterator[str]:
    """Yields the lines about the endpoints that are in service, by their names.

    >>> print(*kept_lines({"mlci-iris--deploy-1": "http://127.0.0.1:8080"}), sep="\\n")
    mlci-iris--deploy-1 is in service until Ctrl-C:
      curl http://127.0.0.1:8080/invocations --header 'Content-Type: text/csv' --data-binary @request.csv
    """
    if not urls:
        yield "no endpoint is in service, so none is kept"
    for name, url in urls.items():
        yield f"{name} is in service until Ctrl-C:"
        yield f"  curl {url}/invocations --header 'Content-Type: text/csv' --data-binary @request.csv"
