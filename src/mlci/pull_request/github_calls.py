"""The calls to GitHub, by PyGithub. This is the only module that knows it, and translates its exceptions.

PyGithub's own retries are off: a rate limit may last an hour, and a build does not wait for that. `posting` retries.
Sources: https://docs.github.com/en/rest and https://docs.github.com/en/rest/using-the-rest-api/best-practices-for-using-the-rest-api
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

from mlci.errors import InputError
from mlci.pull_request.credentials import Credentials, GitHubApp, GitHubToken, redacted
from mlci.report.untrusted_text import one_line
from mlci_dataclasses import dataclass

if TYPE_CHECKING:
    from github import Github
    from github.Repository import Repository

_TIMEOUT_S = 15
_PER_PAGE = 100
_MESSAGE_MAX_CHARS = 200
#: GitHub asks for a minute where a secondary limit names no time.
_SECONDARY_WAIT_S = 60.0


class Unposted(Exception):
    """GitHub rejected a call, and a retry would not help. `status` is that of the response; 0 if there was none."""

    def __init__(self, reason: str, status: int = 0) -> None:
        super().__init__(reason)
        self.reason, self.status = reason, status


class Busy(Exception):
    """GitHub could not answer now. `wait_s` is the time that it asks for; None if it names none."""

    def __init__(self, reason: str, wait_s: float | None = None) -> None:
        super().__init__(reason)
        self.reason, self.wait_s = reason, wait_s


@dataclass(frozen=True)
class PostedCheck:
    """A check run of a commit."""

    id: int
    build: str
    status: str
    conclusion: str | None


@dataclass(frozen=True)
class PostedStatus:
    """A commit status."""

    state: str
    created: datetime


@dataclass(frozen=True)
class PostedComment:
    """A comment on a pull request."""

    id: int
    login: str
    body: str
    is_bot: bool = False


class GitHubCalls(Protocol):
    """The calls of one repository. Each raises Unposted or Busy."""

    @property
    def may_create_checks(self) -> bool: ...

    def login(self) -> str: ...

    def head(self, number: int) -> str: ...

    def checks(self, commit: str, name: str) -> Sequence[PostedCheck]: ...

    def create_check(self, **parameters: Any) -> int: ...

    def update_check(self, check: int, **parameters: Any) -> None: ...

    def statuses(self, commit: str, context: str) -> Sequence[PostedStatus]: ...

    def create_status(self, commit: str, **parameters: str) -> None: ...

    def comments(self, number: int) -> Sequence[PostedComment]: ...

    def create_comment(self, number: int, body: str) -> int: ...

    def update_comment(self, number: int, comment: int, body: str) -> None: ...

    def delete_comment(self, number: int, comment: int) -> None: ...


class PyGithubCalls:
    """The calls by PyGithub, with a token or as an App. Nothing is sent before the first call."""

    def __init__(self, credentials: Credentials, api_url: str, repository: str, write_delay_s: float = 1.0) -> None:
        self._credentials, self._api_url, self._name = credentials, api_url, repository
        self._write_delay_s = write_delay_s
        self._opened: Repository | None = None
        self._login = ""

    @property
    def may_create_checks(self) -> bool:
        of = self._credentials.of
        return isinstance(of, GitHubApp) or of.may_create_checks

    def login(self) -> str:
        """Return the account that comments are written as; "" for an App of which only a token is there."""
        with self._translated():
            self._repository()
            return self._login

    def head(self, number: int) -> str:
        with self._translated():
            return self._repository().get_pull(number).head.sha

    def checks(self, commit: str, name: str) -> Sequence[PostedCheck]:
        with self._translated():
            runs = self._repository().get_commit(commit).get_check_runs(check_name=name, filter="all")
            return [PostedCheck(run.id, run.external_id or "", run.status, run.conclusion) for run in runs]

    def create_check(self, **parameters: Any) -> int:
        with self._translated():
            return self._repository().create_check_run(**parameters).id

    def update_check(self, check: int, **parameters: Any) -> None:
        with self._translated():
            self._repository().get_check_run(check).edit(**parameters)

    def statuses(self, commit: str, context: str) -> Sequence[PostedStatus]:
        """Return the newest status of the context, if the commit has one.

        Source: https://docs.github.com/en/rest/commits/statuses#get-the-combined-status-for-a-specific-reference
        """
        with self._translated():
            combined = self._repository().get_commit(commit).get_combined_status()
            return [PostedStatus(each.state, each.created_at) for each in combined.statuses if each.context == context]

    def create_status(self, commit: str, **parameters: str) -> None:
        with self._translated():
            self._repository().get_commit(commit).create_status(**parameters)

    def comments(self, number: int) -> Sequence[PostedComment]:
        with self._translated():
            found = self._repository().get_issue(number).get_comments()
            return [
                PostedComment(
                    each.id,
                    getattr(each.user, "login", ""),
                    each.body or "",
                    getattr(each.user, "type", "") == "Bot",
                )
                for each in found
            ]

    def create_comment(self, number: int, body: str) -> int:
        with self._translated():
            return self._repository().get_issue(number).create_comment(body).id

    def update_comment(self, number: int, comment: int, body: str) -> None:
        with self._translated():
            self._repository().get_issue(number).get_comment(comment).edit(body)

    def delete_comment(self, number: int, comment: int) -> None:
        with self._translated():
            self._repository().get_issue(number).get_comment(comment).delete()

    def _repository(self) -> Repository:
        """Return the repository. Objects of it are lazy: they send no request of their own."""
        if self._opened is None:
            self._opened = self._client().get_repo(self._name)
        return self._opened

    def _client(self) -> Github:
        from github import Auth, Github, GithubIntegration

        settings: dict[str, Any] = {
            "base_url": self._api_url,
            "timeout": _TIMEOUT_S,
            "retry": None,
            "per_page": _PER_PAGE,
            "seconds_between_requests": None,
            "seconds_between_writes": self._write_delay_s,
            "user_agent": "mlci",
            "lazy": True,
        }
        of = self._credentials.of
        if isinstance(of, GitHubToken):
            client = Github(auth=Auth.Token(of.value), **settings)
            if not of.is_installation:
                self._login = client.get_user().login
            return client
        integration = GithubIntegration(auth=Auth.AppAuth(of.app_id, of.private_key), **settings)
        self._login = f"{integration.get_app().slug}[bot]"
        installation = of.installation
        if installation is None:
            installation = integration.get_repo_installation(*self._name.split("/", 1)).id
        return Github(auth=Auth.Token(integration.get_access_token(installation).token), **settings)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Raises: Unposted or Busy, in the place of what PyGithub, requests and PyJWT raise."""
        try:
            import github
            import jwt
            import requests
        except ImportError as error:
            raise InputError(
                "PyGithub is not installed, which posts to pull requests", "pip install mlci[github]"
            ) from error
        try:
            yield
        except github.GithubException as error:
            raise self._error(error.status, error.message or _message(error.data), error.headers or {}) from None
        except requests.RequestException as error:
            raise Busy(f"GitHub can't be reached: {self._safe(type(error).__name__)}") from None
        except (jwt.PyJWTError, ValueError) as error:  # of a private key that is none
            raise Unposted(self._safe(f"{self._credentials.origin} does not work: {type(error).__name__}")) from None

    def _error(self, status: int, message: str, headers: dict[str, str]) -> Unposted | Busy:
        origin, text = self._credentials.origin, self._safe(message)
        headers = {name.lower(): str(value) for name, value in headers.items()}
        wait_s = _wait_s(status, message, headers)
        if wait_s is not None or status >= 500:
            return Busy(f"GitHub answered {status}: {text}", wait_s)
        match status:
            case 401:
                return Unposted(f"{origin} is not valid: {text}", status)
            case 403 | 404:
                return Unposted(f"{origin} lacks a right on {self._name}: {text}", status)
        return Unposted(f"GitHub answered {status}: {text}", status)

    def _safe(self, text: str) -> str:
        return one_line(redacted(text, self._credentials.secrets))[:_MESSAGE_MAX_CHARS]


def _message(data: object) -> str:
    return str(data.get("message", "")) if isinstance(data, dict) else ""


def _wait_s(status: int, message: str, headers: dict[str, str]) -> float | None:
    """Return the time after which a rejected call may be tried again; None if it is not about a limit.

    Source: https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api#exceeding-the-rate-limit
    """
    if status not in (403, 429):
        return None
    retry_after, reset = headers.get("retry-after", ""), headers.get("x-ratelimit-reset", "")
    if retry_after.isdigit():
        return float(retry_after)
    if headers.get("x-ratelimit-remaining") == "0" and reset.isdigit():
        return max(1.0, int(reset) - time.time())
    return _SECONDARY_WAIT_S if status == 429 or "rate limit" in message.lower() else None
