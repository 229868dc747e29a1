"""The check of Glue jobs before a local run, which runs Python shell jobs, and needs an HTTP server for them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib.util import find_spec

from mlci.backends.sent_requests import sent_requests
from mlci.errors import InputError, Problem
from mlci.flow.models import Json
from mlci.plan.models import Plan

_SERVER = "waitress"


def check_glue(planned: Plan, has_server: bool = find_spec(_SERVER) is not None) -> None:
    """Raises InputError, with every problem, if a Glue job of the plan can't run here."""
    if problems := glue_problems(planned, has_server):
        raise InputError(problems)


def glue_problems(planned: Plan, has_server: bool = find_spec(_SERVER) is not None) -> list[Problem]:
    """Returns why Glue jobs of the plan can't run here."""
    return [
        Problem(at.file, at.line, at.column, f'step "{name}": {what}', hint)
        for name in planned.steps
        for each in sent_requests(planned, name)
        if each.action == "CreateJob"
        for key, what, hint in _problems(each.request, has_server)
        for at in [planned.flow.position("steps", name, key)]
    ]


def _problems(request: Mapping[str, Json], has_server: bool) -> Iterator[tuple[str, str, str]]:
    """Yield the key of the step, what is wrong, and what to do."""
    command, arguments = request.get("Command"), request.get("DefaultArguments")
    name = command.get("Name") if isinstance(command, dict) else None
    if name != "pythonshell":
        kind = {"glueetl": "Spark", "gluestreaming": "Spark streaming", "glueray": "Ray"}.get(str(name), str(name))
        yield "type", f"the local cloud has no {kind}", "Run on AWS, with --cloud aws, or write type: pythonshell"
    for argument in ("--extra-py-files", "--extra-files", "--extra-jars"):
        if isinstance(arguments, dict) and argument in arguments:
            yield "request", f"the local cloud does not do {argument} of a Glue job", "Use include, or --cloud aws"
    if not has_server:
        yield "uses", "a Glue script reads S3, for which the local cloud needs a server", "pip install 'mlci[serve]'"
