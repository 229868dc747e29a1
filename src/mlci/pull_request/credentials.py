"""The token or the GitHub App that posts. Neither is ever in a message: `redacted` is what each line passes through."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import field

from mlci.errors import InputError
from mlci_dataclasses import dataclass

#: Tokens are of these characters.
#: Source: https://github.blog/engineering/platform-security/behind-githubs-new-authentication-token-formats/
_TOKEN = re.compile(r"[A-Za-z0-9_.-]{20,2000}")
#: The beginning of the tokens of an App's installation, of which GITHUB_TOKEN in a workflow is one.
_INSTALLATION = "ghs_"
#: The beginnings of a person's tokens, which may create no check run.
_PERSONAL = ("ghp_", "github_pat_", "gho_", "ghu_")
_HINT = (
    'It holds a token, {"token": "…"}, or an App: {"app_id": 1234, "private_key": "-----BEGIN …"}, '
    'with "installation_id" if it is known'
)
_ARN = re.compile(r"arn:[a-z-]+:(?P<service>secretsmanager|ssm):[a-z0-9-]+:\d{12}:(?:secret:|parameter/).+")


@dataclass(frozen=True)
class GitHubApp:
    """A GitHub App with a private key. `installation` is looked up where it is None."""

    app_id: str
    private_key: str = field(repr=False)
    installation: int | None = None


@dataclass(frozen=True)
class GitHubToken:
    """A token, of an App's installation or of a person."""

    value: str = field(repr=False)

    @property
    def may_create_checks(self) -> bool:
        """False for a person's token: only Apps create check runs."""
        return not self.value.startswith(_PERSONAL)

    @property
    def is_installation(self) -> bool:
        return self.value.startswith(_INSTALLATION)


@dataclass(frozen=True)
class Credentials:
    """The token or App that posts, and where it came from, for messages."""

    of: GitHubApp | GitHubToken
    origin: str

    @property
    def secrets(self) -> tuple[str, ...]:
        return (self.of.private_key if isinstance(self.of, GitHubApp) else self.of.value,)


def parse_credentials(text: str, origin: str) -> Credentials:
    """Return the credentials that a secret holds.

    Raises: InputError, which shows nothing of the secret.
    """
    document: object = text.strip()
    if text.lstrip().startswith("{"):
        try:
            document = json.loads(text)
        except (ValueError, RecursionError):
            raise InputError(f"{origin} is no JSON", f"{_HINT}.") from None
    if isinstance(document, dict) and {"app_id", "private_key"} <= document.keys():
        installation = document.get("installation_id")
        key = str(document["private_key"]).replace("\\n", "\n")
        is_number = installation is None or re.fullmatch(r"\d{1,18}", str(installation))
        if is_number and re.fullmatch(r"[\w.]{1,50}", str(document["app_id"])) and "PRIVATE KEY-----" in key:
            app = GitHubApp(str(document["app_id"]), key, None if installation is None else int(str(installation)))
            return Credentials(app, origin)
    token = document.get("token") if isinstance(document, dict) else document
    if isinstance(token, str) and _TOKEN.fullmatch(token):
        return Credentials(GitHubToken(token), origin)
    raise InputError(f"{origin} holds no token and no App of GitHub", f"{_HINT}.")


def read_secret(arn: str, secret: Callable[[str], str], parameter: Callable[[str], str]) -> Credentials:
    """Return the credentials at the ARN of a secret of Secrets Manager, or of a parameter of SSM.

    Raises: InputError; and what `secret` and `parameter` raise.
    """
    match = _ARN.fullmatch(arn)
    if match is None:
        raise InputError(
            f'"{arn}" is no ARN of a secret, and none of an SSM parameter', "Such as arn:aws:secretsmanager:…"
        )
    if match["service"] == "secretsmanager":
        return parse_credentials(secret(arn), "the secret of Secrets Manager")
    return parse_credentials(parameter(arn), "the SSM parameter")


def redacted(text: str, secrets: Iterable[str]) -> str:
    """Return the text without these secrets, and without each of their lines.

    >>> redacted("Bad credentials: ghp_0123456789abcdefghij", ["ghp_0123456789abcdefghij"])
    'Bad credentials: ***'
    """
    for secret in secrets:
        for line in sorted({secret, *secret.split("\n")}, key=len, reverse=True):
            if len(line.strip()) >= 8:
                text = text.replace(line, "***")
    return text
