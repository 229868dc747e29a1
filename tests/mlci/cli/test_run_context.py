"""The pages around a build: those of a repository on the GitHub that the build is of, and no other's."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from mlci.build_environment.build import Build
from mlci.cli.run_context import links_of

ACTIONS = {"GITHUB_SERVER_URL": "https://git.example.com"}
STACK = {"MLCI_GITHUB_HOST": "git.example.com"}


@pytest.mark.parametrize(
    ("host", "environment", "is_linked"),
    [
        ("github.com", {}, True),
        ("github.com", {"GITHUB_SERVER_URL": "https://github.com"}, True),
        ("git.example.com", ACTIONS, True),
        ("git.example.com", STACK, True),
        ("octo.ghe.com", {"GITHUB_SERVER_URL": "https://octo.ghe.com"}, True),
        ("git.example.com", {}, False),
        ("github.com", ACTIONS, False),
        ("github.com", STACK, False),
        ("github.evil.example", {}, False),
        ("github.com.evil.example", {}, False),
        ("evil-github.com", {}, False),
        ("octo.ghe.com", {}, False),
        ("git.example.com.evil.example", STACK, False),
    ],
)
def test_a_repository_is_linked_on_the_github_of_the_build(
    host: str, environment: Mapping[str, str], is_linked: bool
) -> None:
    links = links_of(Build("pull_request", repository=f"{host}/octo/model", pull_request=7), environment)
    page = f"https://{host}/octo/model" if is_linked else ""
    assert (links.repository, links.pull_request) == (page, f"{page}/pull/7" if page else "")


def test_a_build_of_no_repository_and_a_run_that_is_no_build_link_none() -> None:
    assert links_of(Build("push"), {}).repository == ""
    assert links_of(Build("local", repository="github.com/octo/model"), {}).repository == ""
