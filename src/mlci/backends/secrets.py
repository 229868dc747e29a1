"""The checks that the secrets of a run can be read, before anything starts, and the values that local jobs get."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from mlci.errors import InputError, Problem
from mlci.flow.models import Flow, Secret
from mlci.plan.models import Plan


def check_values(planned: Plan, environment: Mapping[str, str]) -> None:
    """Raise InputError, with every problem, if a local run lacks the value of a secret. An empty one is none."""
    _raise_if_any(
        planned.flow,
        (
            (secret, f"{secret.variable} is not set", "Set it to the value: local runs read nothing from AWS.")
            for secret in _used(planned)
            if not environment.get(secret.variable)
        ),
    )


def check_readers(planned: Plan, is_protected: bool) -> None:
    """Raise InputError, with every problem, if the jobs of a run on AWS may not read a secret."""
    if not is_protected:
        refused = [secret for secret in _used(planned) if not secret.allows_pull_requests]
        _raise_if_any(planned.flow, ((secret, *_refusal(secret)) for secret in refused))


def job_variables(flow: Flow, step: str, environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables by which the starter of a local job gets the secrets of its step, and no others."""
    if step not in flow.steps:
        return {}
    variables = (secret.variable for secret in flow.secrets_of(step))
    return {name: environment[name] for name in variables if name in environment}


def _used(planned: Plan) -> list[Secret]:
    names = {secret.name for step in planned.steps for secret in planned.flow.secrets_of(step)}
    return [planned.flow.secrets[name] for name in sorted(names)]


def _refusal(secret: Secret) -> tuple[str, str]:
    what = "only jobs of the base branch may read it, and this run is not protected"
    cure = f'{secret.name}: {{from: "{secret.source}", pull_request: true}}'
    hint = (
        f"To let jobs of pull requests read it, write {cure}, and run `mlci bootstrap`. "
        "Builds of the base branch's project are protected."
    )
    return what, hint


def _raise_if_any(flow: Flow, found: Iterable[tuple[Secret, str, str]]) -> None:
    problems = list(_problems(flow, found))
    if problems:
        raise InputError(problems)


def _problems(flow: Flow, found: Iterable[tuple[Secret, str, str]]) -> Iterator[Problem]:
    for secret, what, hint in found:
        at = flow.position("secrets", secret.name)
        yield Problem(at.file, at.line, at.column, f'the secret "{secret.name}": {what}', hint)
