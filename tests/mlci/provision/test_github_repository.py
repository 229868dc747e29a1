"""The ID of a repository, as GitHub answers; no other answer is one."""

from __future__ import annotations

import io
import urllib.request
from collections.abc import Callable
from urllib.error import HTTPError, URLError

import pytest

from mlci.provision.github_repository import public_repository_id


def answer(text: bytes | OSError, requests: list[urllib.request.Request]) -> Callable[..., io.BytesIO]:
    def urlopen(request: urllib.request.Request, timeout: float) -> io.BytesIO:
        assert 0 < timeout <= 10
        requests.append(request)
        if isinstance(text, OSError):
            raise text
        return io.BytesIO(text)

    return urlopen


def test_the_id_is_that_of_the_response(monkeypatch: pytest.MonkeyPatch) -> None:
    requests: list[urllib.request.Request] = []
    monkeypatch.setattr(urllib.request, "urlopen", answer(b'{"id": 1296269, "name": "model"}', requests))
    assert public_repository_id("octo/model") == "1296269"
    [request] = requests
    assert request.full_url == "https://api.github.com/repos/octo/model"
    assert request.get_header("Authorization") is None


@pytest.mark.parametrize(
    "text",
    [
        HTTPError("https://api.github.com", 404, "Not Found", None, None),  # type: ignore[arg-type]
        HTTPError("https://api.github.com", 403, "rate limit exceeded", None, None),  # type: ignore[arg-type]
        URLError("no network"),
        TimeoutError("timed out"),
        b"<html>a proxy's page</html>",
        b"[]",
        b"{}",
        b'{"id": "1296269"}',
        b"\xff",
    ],
    ids=repr,
)
def test_any_other_response_is_no_id(monkeypatch: pytest.MonkeyPatch, text: bytes | OSError) -> None:
    monkeypatch.setattr(urllib.request, "urlopen", answer(text, []))
    assert public_repository_id("octo/private") is None
