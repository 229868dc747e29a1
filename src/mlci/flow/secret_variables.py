"""The variables of a step that hold secrets: the job's starter sets them, so they are kept apart from the others."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

from mlci.flow.models import SECRET_VARIABLE_PREFIX, Json, SecretValue, StepOutput, Text
from mlci.flow.problems import Problems

if TYPE_CHECKING:
    from mlci.flow.written_step import WrittenStep
    from mlci.flow.yaml_document import Path

_ISOLATION = "EnableNetworkIsolation"


def split_variables(
    step: WrittenStep,
    variables: Mapping[str, tuple[Text, Path]],
    requested: Mapping[str, Json],
    place: Callable[..., Path],
    problems: Problems,
) -> tuple[dict[str, Text], dict[str, Text]]:
    """Return the variables without secrets, and those with. `variables` have their places in the file.

    `requested` is the request with the fields that keys become, and `place` returns the place of a key's field.

    Reports variables that the starter can't set, and steps that can't reach AWS.
    """
    env: dict[str, Text] = {}
    secrets: dict[str, Text] = {}
    for name, (text, path) in variables.items():
        (secrets if _secrets_in(text) else env)[name] = text
        _check_name(name, path, problems)
        if name in secrets and any(isinstance(part, StepOutput) for part in text):
            what = f'"{name}" holds a secret and the output of a step'
            problems.at(path, what, "Write the output in a variable of its own")
    request = step.raw.get("request")
    variable_fields = request.get("Environment") if isinstance(request, dict) else None
    for name in variable_fields if isinstance(variable_fields, dict) else ():
        _check_name(name, step.path("request", "Environment", name), problems)
    if secrets and step.step_type.container is None and step.is_type_known:
        _refuse_secrets(step, {name: variables[name][1] for name in secrets}, problems)
        secrets = {}
    elif secrets and step.runs_on_build:
        _refuse_secrets_in_build(step, {name: variables[name][1] for name in secrets}, problems)
        secrets = {}
    elif secrets:
        secret = next(name for text in secrets.values() for name in _secrets_in(text))
        for path in isolations(dict(requested), ()):  # the container has no network to read a secret by
            what = (
                f'step "{step.name}" reads the secret "{secret}" from AWS, and network isolation cuts it off from AWS'
            )
            problems.at_key(place("network_isolation", *path), what, "Remove one of them")
    return env, secrets


def _refuse_secrets_in_build(step: WrittenStep, places: Mapping[str, Path], problems: Problems) -> None:
    """Report the secrets of a step that the build runs: its script has no credentials to read them by."""
    for variable, path in places.items():
        what = f'"{variable}" holds a secret, and step "{step.name}" runs in the build, where no script gets any'
        place = step.path("runs-on") if path[0] == "defaults" else path
        problems.at(place, what, "Write runs-on: sagemaker, or give the secret to another step")


def _refuse_secrets(step: WrittenStep, places: Mapping[str, Path], problems: Problems) -> None:
    """Report the secrets of a step that runs no script: none of mlci's code is there to read them.

    Those of `defaults` are for the other steps.
    """
    for variable, path in places.items():
        if path[0] == "defaults":
            continue
        what = f'"{variable}" holds a secret, which only the script of a step can read'
        problems.at(path, what, f'Read it in the code of "{step.name}", or remove it')


def _secrets_in(text: Text) -> list[str]:
    return [part.name for part in text if isinstance(part, SecretValue)]


def _check_name(variable: str, path: Path, problems: Problems) -> None:
    """Report a variable by which the starter would take a value of the request for a secret's."""
    if variable.startswith(SECRET_VARIABLE_PREFIX):
        what = f"variables that begin with {SECRET_VARIABLE_PREFIX} are mlci's own, and scripts don't get them"
        problems.at_key(path, what, "Give it another name")


def isolations(request: Json, path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """Yield the paths in a request at which network isolation is switched on."""
    for name, value in request.items() if isinstance(request, dict) else ():
        if name == _ISOLATION and value is True:
            yield (*path, name)
        yield from isolations(value, (*path, name))
