"""The checks of a run on this machine before anything is started: its definition, and the requests of its jobs."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path

from mlci.backends.enum_values import UnlistedValue, problem_of
from mlci.backends.local_errors import translate_emulator_errors
from mlci.backends.sent_requests import sent_requests
from mlci.errors import InputError, Problem
from mlci.flow.models import Json
from mlci.plan.models import Plan
from mlci.stage.cache import NO_CACHE, Cache, code_stamp


def check_definition(definition: str, cache: Cache) -> None:
    """Raises InputError with every problem of a definition and its place in it. One that was right before, as the cache
    knows, is not looked at again."""

    def check() -> None:
        from mlci_emulator.embedded import load_definition

        with translate_emulator_errors():
            load_definition(definition)

    cache.check_once(["definition", code_stamp(_folders("mlci_asl")), definition], check)


def _folders(package: str, *within: str) -> list[Path]:
    """Returns the folders of a package, which is not imported, or those within it."""
    found = find_spec(package)
    folders = [Path(folder) for folder in (found.submodule_search_locations if found else None) or ()]
    return [folder / name for folder in folders for name in within] or folders


_NEEDS_CONTAINER = "Give it a script by `run:`, use --isolation container where there is a runtime, or use --cloud aws"


def check_jobs(
    planned: Plan,
    problem_of_instances: Callable[[int], str] = lambda count: "",
    runs_in_image: Callable[[str], bool] = lambda image: False,
    cache: Cache = NO_CACHE,
) -> None:
    """Raises InputError if SageMaker would reject a request of the plan, or the emulator can't run it.

    `problem_of_instances` returns why a job with a number of instances can't run, or "". A job on an image that
    `runs_in_image` may start as its image does. Requests that had no problem before, as the cache knows, are not looked
    at again, but for those of several instances, which this machine may run no more.
    """

    def check() -> None:
        wrong, elsewhere = _job_problems(planned, problem_of_instances, runs_in_image)
        if wrong or elsewhere:
            raise InputError([*wrong, *elsewhere])

    if any(step.instance_count > 1 for step in planned.flow.steps.values()):
        check()
    else:
        cache.check_once(_key_of_jobs(planned, runs_in_image), check)


def jobs_for_aws_alone(planned: Plan, cache: Cache) -> Sequence[Problem]:
    """Returns why jobs of the plan that are right on AWS can't run on this machine.

    Raises: InputError, if SageMaker would reject a request of the plan.
    """
    with contextlib.suppress(InputError):
        check_jobs(planned, cache=cache)
        return []
    wrong, elsewhere = _job_problems(planned, lambda count: "", lambda image: False)
    if wrong:
        raise InputError(wrong)
    return elsewhere


def _key_of_jobs(planned: Plan, runs_in_image: Callable[[str], bool]) -> list[Json]:
    """Returns all that the check of a plan's jobs depends on, apart from the run's id."""
    sent = {
        name: [[each.service, each.action, dict(each.request)] for each in sent_requests(planned, name)]
        for name in planned.steps
    }
    started: list[Json] = [
        [bool(planned.flow.steps[name].values.get("entrypoint")), runs_in_image(step.image)]
        for name, step in planned.steps.items()
    ]
    code = code_stamp(_folders("mlci_emulator", "jobs", "protocol"))
    return ["jobs", [[*file] for file in code], started, json.dumps(sent).replace(planned.target.run_id, "run")]


def _job_problems(
    planned: Plan, problem_of_instances: Callable[[int], str], runs_in_image: Callable[[str], bool]
) -> tuple[list[Problem], list[Problem]]:
    """Returns what SageMaker would reject, and what only this machine can't run."""
    from mlci_emulator.jobs import requests
    from mlci_emulator.jobs.readable_requests import read_requests
    from mlci_emulator.protocol import sagemaker_validation

    wrong: list[Problem] = []
    elsewhere: list[Problem] = []
    for name in planned.steps:
        sent = [each for each in sent_requests(planned, name) if each.service == "sagemaker"]
        unlisted = [
            UnlistedValue(problem.path, str(problem.value), problem.shape.metadata["enum"])
            for each in sent
            for problem in sagemaker_validation.problems(each.action, each.request)
            if problem.kind == "enum"
        ]
        if unlisted:
            wrong += [problem_of(planned.flow, name, value) for value in unlisted]
            continue
        if planned.flow.steps[name].values.get("entrypoint") and not runs_in_image(planned.steps[name].image):
            at = planned.flow.position("steps", name, "entrypoint")
            what = f'step "{name}": its entry point is in the container of {planned.steps[name].image}'
            elsewhere.append(Problem(at.file, at.line, at.column, what, _NEEDS_CONTAINER))
            continue
        try:
            count = read_requests({each.action: each.request for each in sent}, runs_in_image)
            if problem := problem_of_instances(count):
                at = planned.flow.position("steps", name, "instance_count")
                elsewhere.append(Problem(at.file, at.line, at.column, f'step "{name}": {problem}'))
        except (requests.MalformedRequest, requests.InvalidRequest, requests.UnsupportedRequest) as error:
            at = planned.flow.position("steps", name, "request")
            found = elsewhere if isinstance(error, requests.UnsupportedRequest) else wrong
            found.append(Problem(at.file, at.line, at.column, f'step "{name}": {error}'))
    return wrong, elsewhere
