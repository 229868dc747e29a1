"""Each request and each answer of posting, held against GitHub's own description of its API by Prism, which stands
between mlci and the pretended GitHub. The nightly check has both (.ci/nightly, .ci/github_api.mjs)."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from mlci.pull_request.credentials import Credentials, GitHubApp, GitHubToken
from mlci.pull_request.github_calls import PyGithubCalls
from mlci.pull_request.models import Annotation
from mlci.pull_request.posting import Poster
from support.fake_github import FakeGitHub, Fault, private_key, served
from support.posted_reports import COMMIT, OLDER, FakeClock, report

PRISM, DESCRIPTION = os.environ.get("MLCI_PRISM"), os.environ.get("MLCI_GITHUB_DESCRIPTION")

pytestmark = pytest.mark.skipif(
    not (PRISM and DESCRIPTION), reason="MLCI_PRISM and MLCI_GITHUB_DESCRIPTION name no Prism and no description"
)


@pytest.fixture(scope="module")
def github() -> Iterator[FakeGitHub]:
    """A GitHub that is asked through Prism alone: the addresses in its answers are Prism's, too."""
    folder = Path(DESCRIPTION or "")
    fake = FakeGitHub(templates=json.loads((folder / "templates.json").read_text()))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with served(fake) as upstream:
        command = [PRISM or "", "proxy", str(folder / "github.json"), upstream, "--port", str(port), "--errors"]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as prism:
            try:
                _wait_for(port, prism)
                fake.url = f"http://127.0.0.1:{port}"
                yield fake
            finally:
                prism.terminate()


def _wait_for(port: int, prism: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + 60
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            assert prism.poll() is None, "Prism has ended"
            assert time.monotonic() < end, "Prism does not answer"
            time.sleep(0.2)


@pytest.fixture(autouse=True)
def emptied(github: FakeGitHub) -> None:
    for kept in (github.comments, github.checks, github.statuses, github.requests, github.faults):
        kept.clear()
    github.head = COMMIT


def poster(github: FakeGitHub, of: GitHubApp | GitHubToken) -> Poster:
    calls = PyGithubCalls(Credentials(of, "the secret"), github.url, github.repository, write_delay_s=0)
    return Poster(calls, clock=FakeClock().clock())


@pytest.mark.parametrize(
    "of",
    [GitHubApp("7", private_key()), GitHubToken(f"ghs_{'a' * 36}"), GitHubToken(f"ghp_{'a' * 36}")],
    ids=["an App", "GITHUB_TOKEN", "a person's token"],
)
def test_two_commits_of_a_pull_request(github: FakeGitHub, of: GitHubApp | GitHubToken) -> None:
    annotations = tuple(Annotation("flow.yaml", n + 1, "auc", "auc misses its limit") for n in range(60))
    first = [report("in_progress", OLDER, "b1"), replace(report("gate_missed", OLDER, "b1"), annotations=annotations)]
    second = [report("in_progress", COMMIT, "b2", minutes=9), report("passed", COMMIT, "b2", minutes=9)]
    lines = [line for each in (*first, *second) for line in poster(github, of).post(each)]
    assert not [line for line in lines if "not posted" in line]
    if isinstance(of, GitHubToken) and not of.may_create_checks:
        assert [each["state"] for each in github.statuses] == ["pending", "failure", "pending", "success"]
    else:
        assert [each["conclusion"] for each in github.checks] == ["failure", "success"]
        assert len(github.checks[0]["annotations"]) == 60
    [body] = github.bodies
    assert "## verdict of b2" in body
    assert "Earlier commits (1)" in body


def test_a_throttled_post_is_repeated(github: FakeGitHub) -> None:
    limit = Fault(403, "You have exceeded a secondary rate limit.", {"Retry-After": "5"})
    github.faults = [("PATCH /repos/octo/model/check-runs", limit), ("POST /repos/octo/model/issues", limit)]
    post = poster(github, GitHubToken(f"ghs_{'a' * 36}")).post
    lines = [*post(report("in_progress")), *post(report("passed"))]
    assert lines[-2:] == ["the check mlci/iris/report is success", "the comment is up to date"]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("check-runs", {"name": "mlci/iris/report"}),
        ("check-runs", {"name": "x", "head_sha": COMMIT, "status": "completed", "conclusion": "great"}),
        (f"statuses/{COMMIT}", {"state": "in_progress"}),
        ("issues/7/comments", {"text": "x"}),
        ("checks", {}),
    ],
)
def test_prism_refuses_what_github_would(github: FakeGitHub, path: str, body: dict[str, str]) -> None:
    """Else, that it refuses nothing above would say nothing."""
    request = urllib.request.Request(
        f"{github.url}/repos/octo/model/{path}",
        json.dumps(body).encode(),
        {"Content-Type": "application/json", "Authorization": "token x"},
        method="POST",
    )
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request, timeout=20)
    assert refused.value.code in (404, 422)
    assert github.requests == []
