"""`secrets:` of a flow: where each secret is kept. Its value is never known here."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import get_args

from mlci.flow.invalid_value import InvalidValue
from mlci.flow.models import Json, Secret, SecretService, secret_variable
from mlci.flow.names import check_name
from mlci.flow.problems import Problems, nearest
from mlci.flow.yaml_document import Path
from mlci.flow.yaml_scalars import describe
from mlci.step_types.keys import NameRule

SERVICES: tuple[SecretService, ...] = get_args(SecretService)
_FORMS = "Write ssm:/path/of/parameter, or secretsmanager:name"
_NAME = NameRule(
    "a secret", re.compile(r"[A-Za-z_][A-Za-z0-9_-]*"), 64, "letters, digits, - and _, beginning with a letter"
)
#: A parameter's name. Source: https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_PutParameter.html
_PARAMETER = re.compile(r"/?[A-Za-z0-9_.-]+|(?:/[A-Za-z0-9_.-]+)+")
_MAX_PARAMETER_CHARS = 1_011
#: A secret's name, or its ARN with the six characters at its end.
#: Source: https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_CreateSecret.html (Name)
_SECRET_NAME = re.compile(r"[A-Za-z0-9/_+=.@-]{1,512}")
_SECRET_ARN = re.compile(
    r"arn:aws[a-z-]*:secretsmanager:[a-z0-9-]+:[0-9]{12}:secret:[A-Za-z0-9/_+=.@-]+-[A-Za-z0-9]{6}"
)
#: Builds may read the parameters of their flow below this path, those of pull requests too.
_OWN_PARAMETERS = "/mlci/"


def build_secrets(written: Json, problems: Problems) -> dict[str, Secret]:
    """Return the secrets by name. A wrong one is reported, and left out or replaced by a stand-in."""
    if not isinstance(written, dict):
        hint = 'Write "name: ssm:/path/of/parameter"'
        problems.at(("secrets",), f'"secrets" must be a mapping, but is {describe(written)}', hint)
        return {}
    _check_names(written, problems)
    secrets = {name: _secret(name, value, problems) for name, value in written.items()}
    return {name: secret for name, secret in secrets.items() if secret}


def _check_names(written: Mapping[str, Json], problems: Problems) -> None:
    variables: dict[str, str] = {}
    for name in written:
        twin = variables.setdefault(secret_variable(name), name)
        try:
            check_name(_NAME, name)
        except InvalidValue as invalid:
            problems.at_key(("secrets", name), invalid.what, invalid.hint)
            continue
        if twin != name:
            what = f'the secrets "{twin}" and "{name}" have one variable, {secret_variable(name)}'
            problems.at_key(("secrets", name), what, "Rename one")


def _secret(name: str, written: Json, problems: Problems) -> Secret | None:
    from mlci.flow.schema_models import SecretModel
    from mlci.flow.validation_messages import validated

    path: Path = ("secrets", name)
    if isinstance(written, str):
        return Secret(name, *_source(written, path, problems))
    if not isinstance(written, dict):
        what = f'the secret "{name[:80]}" must be text or a mapping, but is {describe(written)}'
        problems.at(path, what, _FORMS)
        return None
    values = validated(SecretModel, written, path, {"from": ""}, problems)
    if not isinstance(written.get("from"), str):
        problems.suspect((*path, "from"))  # it was reported
    service, where = _source(values.from_, (*path, "from"), problems)
    return Secret(name, service, where, values.kms_key, values.pull_request)


def _source(text: str, path: Path, problems: Problems) -> tuple[SecretService, str]:
    """Return the service and the name in it; report a problem where the text is no source."""
    service, colon, where = text.partition(":")
    if not problems.is_suspect(path):
        found = _problem(service if colon else "", where)
        if found:
            problems.at(path, f'"{text[:80]}" is no source of a secret: {found[0]}', found[1])
    return "secretsmanager" if service == "secretsmanager" else "ssm", where


def _problem(service: str, where: str) -> tuple[str, str] | None:
    """Return what is wrong with a source, and a hint; None if it is one."""
    match service:
        case "ssm":
            return _parameter_problem(where)
        case "secretsmanager" if where.startswith("arn:"):
            hint = "Copy the secret's ARN from the console, with the six characters at its end, or write its name"
            return None if _SECRET_ARN.fullmatch(where) else ("the ARN is not a secret's", hint)
        case "secretsmanager":
            hint = "Its name has at most 512 letters, digits and / _ + = . @ -"
            return None if _SECRET_NAME.fullmatch(where) else ("Secrets Manager allows no such name", hint)
        case _:
            near = nearest(service, SERVICES)
            return "its service is missing or unknown", f'Did you mean "{near}:{where[:60]}"?' if near else _FORMS


def _parameter_problem(where: str) -> tuple[str, str] | None:
    if where.startswith("arn:"):
        return "a parameter is named, without an ARN", "Write ssm:/path/of/parameter"
    if not _PARAMETER.fullmatch(where) or len(where) > _MAX_PARAMETER_CHARS:
        hint = "Its name has letters, digits and . _ -, and a path begins with /: ssm:/team/wandb"
        return "Parameter Store allows no such name", hint
    if re.match(r"/?(aws|ssm)", where, re.IGNORECASE):
        return 'names of parameters that begin with "aws" or "ssm" are AWS\'s own', "Keep it under another name"
    if f"/{where.lstrip('/')}".startswith(_OWN_PARAMETERS):
        what = f"parameters below {_OWN_PARAMETERS} are mlci's settings, and builds of pull requests read them"
        return what, "Keep it under another path"
    return None
