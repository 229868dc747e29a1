"""Builds, from the variables of CodeBuild and GitHub Actions, and from git."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest

from mlci.build_environment.build import Build, build_of, repository_name
from mlci.build_environment.git import GitState

COMMIT = "0123456789abcdef0123456789abcdef01234567"
CODEBUILD = {
    "CODEBUILD_BUILD_ID": "models:b1e6661e-e4f2-4156-9ab9-82a19EXAMPLE",
    "CODEBUILD_BUILD_URL": "https://eu-west-1.console.aws.amazon.com/codebuild/home#/builds/models:b1e6661e/view/new",
    "CODEBUILD_INITIATOR": "GitHub-Hookshot/37a2b16",
    "CODEBUILD_RESOLVED_SOURCE_VERSION": COMMIT,
    "CODEBUILD_START_TIME": "1795428930000",
    "CODEBUILD_SOURCE_REPO_URL": "https://github.com/octo/model.git",
}
PULL_REQUEST = {
    **CODEBUILD,
    "CODEBUILD_SOURCE_VERSION": "pr/7",
    "CODEBUILD_WEBHOOK_TRIGGER": "pr/7",
    "CODEBUILD_WEBHOOK_EVENT": "PULL_REQUEST_UPDATED",
    "CODEBUILD_WEBHOOK_HEAD_REF": "refs/heads/better/trees",
    "CODEBUILD_WEBHOOK_BASE_REF": "refs/heads/main",
}
PUSH = {
    **CODEBUILD,
    "CODEBUILD_SOURCE_VERSION": COMMIT,
    "CODEBUILD_WEBHOOK_TRIGGER": "branch/main",
    "CODEBUILD_WEBHOOK_EVENT": "PUSH",
    "CODEBUILD_WEBHOOK_HEAD_REF": "refs/heads/main",
}
NO_GIT = GitState()


def built(environment: dict[str, str], git: GitState = NO_GIT) -> Build:
    return build_of(environment, git)


def test_a_pull_request() -> None:
    build = built(PULL_REQUEST)
    assert (build.kind, build.pull_request, build.branch, build.base_branch) == (
        "pull_request",
        7,
        "better/trees",
        "main",
    )
    assert (build.id, build.commit, build.repository) == (
        CODEBUILD["CODEBUILD_BUILD_ID"],
        COMMIT,
        "github.com/octo/model",
    )
    assert build.url == CODEBUILD["CODEBUILD_BUILD_URL"]
    assert build.started == datetime(2026, 11, 23, 10, 15, 30, tzinfo=timezone.utc)
    assert str(build) == "pull request 7 by GitHub-Hookshot/37a2b16"
    assert not build.is_trusted


def test_a_fork_whose_branch_is_called_like_the_base_branch_is_not_trusted() -> None:
    build = built({**PULL_REQUEST, "CODEBUILD_WEBHOOK_HEAD_REF": "refs/heads/main"})
    assert build.branch == build.base_branch == "main"
    assert not build.is_trusted


def test_a_push_to_the_base_branch_is_trusted() -> None:
    build = built(PUSH)
    assert (build.kind, build.branch, build.base_branch, build.is_trusted) == ("push", "main", "main", True)


@pytest.mark.parametrize(
    ("trigger", "head", "branch"),
    [
        ("branch/other", "refs/heads/other", "other"),
        ("tag/v1", "refs/tags/v1", None),
        ("tag/main", "refs/tags/main", None),
    ],
)
def test_a_push_elsewhere_is_not(trigger: str, head: str, branch: str | None) -> None:
    build = built({**PUSH, "CODEBUILD_WEBHOOK_TRIGGER": trigger, "CODEBUILD_WEBHOOK_HEAD_REF": head})
    assert (build.kind, build.branch, build.base_branch, build.is_trusted) == ("push", branch, None, False)


@pytest.mark.parametrize(
    ("version", "branch", "pull_request", "is_trusted"),
    [
        ("main", "main", None, True),
        ("refs/heads/main^{" + COMMIT + "}", "main", None, True),
        ("feature/x", "feature/x", None, False),
        (COMMIT, None, None, False),
        ("pr/12", None, 12, False),
        ("refs/pull/12/head^{" + COMMIT + "}", None, 12, False),
        ("refs/pull/12/head", None, 12, False),
        ("refs/pull/12/merge", None, 12, False),
        ("refs/pull/12/other", None, None, False),
        ("refs/tags/main", None, None, False),
        ("arn:aws:s3:::pipeline/source.zip", None, None, False),
        ("", None, None, False),
    ],
)
def test_a_build_by_hand(version: str, branch: str | None, pull_request: int | None, is_trusted: bool) -> None:
    build = built({**CODEBUILD, "CODEBUILD_INITIATOR": "ada", "CODEBUILD_SOURCE_VERSION": version})
    assert (build.kind, build.branch, build.pull_request, build.is_trusted) == (
        "manual",
        branch,
        pull_request,
        is_trusted,
    )


@pytest.mark.parametrize(
    ("version", "initiator", "told"),
    [
        (
            "refs/pull/12/head^{" + COMMIT + "}",
            "actions/ml-ci-1",
            "build of pull request 12, started by actions/ml-ci-1",
        ),
        ("refs/heads/main^{" + COMMIT + "}", "ada", "build of main, started by ada"),
        (COMMIT, "", "build of a commit, started by hand"),
    ],
)
def test_a_build_that_no_webhook_started_says_of_what_it_is(version: str, initiator: str, told: str) -> None:
    build = built({**CODEBUILD, "CODEBUILD_INITIATOR": initiator, "CODEBUILD_SOURCE_VERSION": version})
    assert str(build) == told
    assert build.commit == COMMIT


RETRIED = {**CODEBUILD, "CODEBUILD_INITIATOR": "ada", "CODEBUILD_SOURCE_VERSION": COMMIT, "MLCI_BASE_BRANCH": "main"}


def test_a_retried_push_to_the_base_branch_is_trusted_as_the_push_was() -> None:
    """A retried build has no variables of a webhook: a build of `main` would pass and write no baseline."""
    build = built(RETRIED, GitState(COMMIT, remote_tips={"main": COMMIT, "other": "f" * 40}))
    assert (build.kind, build.branch, build.base_branch, build.is_trusted) == ("manual", "main", "main", True)
    assert build.project == "models"


@pytest.mark.parametrize(
    "git",
    [
        NO_GIT,
        GitState(COMMIT, remote_tips={"main": "f" * 40}),
        GitState(COMMIT, remote_tips={"main": "f" * 40, "other": COMMIT}),
    ],
    ids=["tip unknown", "main went on", "another branch"],
)
def test_a_retried_build_of_any_other_commit_is_not_trusted(git: GitState) -> None:
    assert not built(RETRIED, git).is_trusted


def test_a_retried_pull_request_at_the_tip_is_not_trusted() -> None:
    git = GitState(COMMIT, remote_tips={"main": COMMIT})
    assert not built({**RETRIED, "CODEBUILD_SOURCE_VERSION": "pr/7"}, git).is_trusted


def test_the_base_branch_can_be_named() -> None:
    named = {"MLCI_BASE_BRANCH": "develop"}
    assert built({**PUSH, **named}).base_branch == "develop"
    assert not built({**PUSH, **named}).is_trusted
    assert built(named, GitState(COMMIT, "develop", "main")).is_trusted
    assert built({**PULL_REQUEST, **named}).base_branch == "main"  # the pull request says where it goes


def test_outside_of_codebuild_git_says_it() -> None:
    build = built({}, GitState(COMMIT, "main", "main", "git@github.com:octo/model.git"))
    assert build == Build("local", None, None, None, "github.com/octo/model", COMMIT, "main", "main")
    assert build.is_trusted
    assert not built({}, NO_GIT).is_trusted


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://github.com/octo/model.git", "github.com/octo/model"),
        ("ssh://git@github.com:22/octo/model.git", "github.com/octo/model"),
        ("https://user:secret@git.example/octo/model/", "git.example/octo/model"),
        (
            "https://git-codecommit.eu-west-1.amazonaws.com/v1/repos/model",
            "git-codecommit.eu-west-1.amazonaws.com/v1/repos/model",
        ),
        ("/srv/git/model.git", "/srv/git/model"),
        ("", None),
        (None, None),
    ],
)
def test_a_repository_has_one_name_however_it_is_cloned(url: str | None, name: str | None) -> None:
    assert repository_name(url) == name


ACTIONS = {"GITHUB_ACTIONS": "true", "GITHUB_REF": "refs/pull/7/merge", "GITHUB_BASE_REF": "trunk"}
DETACHED = GitState(COMMIT, None, None, "https://github.com/octo/model")


PUSHED = {
    "GITHUB_ACTIONS": "true",
    "GITHUB_EVENT_NAME": "push",
    "GITHUB_REF": "refs/heads/main",
    "GITHUB_SHA": COMMIT,
    "GITHUB_SERVER_URL": "https://github.com",
    "GITHUB_REPOSITORY": "octo/model",
    "GITHUB_RUN_ID": "1658821493",
    "GITHUB_ACTOR": "ada",
}


def test_a_pull_request_in_github_actions_names_its_base() -> None:
    build = built({**PUSHED, **ACTIONS, "GITHUB_EVENT_NAME": "pull_request", "GITHUB_HEAD_REF": "better"}, DETACHED)
    assert (build.kind, build.pull_request, build.base_branch, build.branch) == ("pull_request", 7, "trunk", None)
    assert str(build) == "pull request 7 by ada"
    assert (build.is_build, build.is_trusted) == (True, False)


def test_a_push_in_github_actions_has_its_branch_though_the_checkout_is_detached() -> None:
    build = built(PUSHED, GitState(COMMIT, None, "main"))
    assert (build.kind, build.branch, build.base_branch, build.is_trusted) == ("push", "main", "main", True)
    assert build.url == "https://github.com/octo/model/actions/runs/1658821493"
    assert build.repository == "github.com/octo/model"
    assert build.id is None  # CodeBuild's, by which a build finds its run on AWS again


@pytest.mark.parametrize("event", ["schedule", "workflow_dispatch"])
def test_a_base_branch_that_is_built_by_hand_or_by_the_clock_is_trusted(event: str) -> None:
    build = built({**PUSHED, "GITHUB_EVENT_NAME": event}, GitState(COMMIT, "main", None))
    assert (build.kind, build.base_branch, build.is_trusted) == ("manual", "main", True)


@pytest.mark.parametrize("event", ["push", "workflow_run", "issue_comment", "workflow_dispatch"])
@pytest.mark.parametrize("branch", [None, "main"])
def test_another_commit_than_the_events_is_trusted_by_no_branchs_name(event: str, branch: str | None) -> None:
    """`workflow_run` and `issue_comment` name the default branch, and their jobs may check out a fork's `main`."""
    other = GitState("f" * 40, branch, "main")
    assert not built({**PUSHED, "GITHUB_EVENT_NAME": event}, other).is_trusted


@pytest.mark.parametrize("ref", ["refs/heads/feature", "refs/tags/main", "refs/heads/gh-readonly-queue/main/pr-7-abc"])
def test_what_is_not_the_base_branch_is_not_trusted(ref: str) -> None:
    assert not built({**PUSHED, "GITHUB_REF": ref}, GitState(COMMIT, "main", "main")).is_trusted


def test_a_pull_request_whose_number_is_not_known_is_trusted_by_no_branchs_name() -> None:
    """With `pull_request_target`, GITHUB_REF is the base branch, whatever is checked out."""
    target = {**PUSHED, "GITHUB_EVENT_NAME": "pull_request_target", "GITHUB_BASE_REF": "main"}
    assert built(target, DETACHED).kind == "pull_request"
    assert not built(target, GitState(COMMIT, "main", "main")).is_trusted
    assert not built(target, DETACHED).is_trusted


def test_a_base_branch_that_nothing_names_is_not_guessed() -> None:
    assert built({**PUSH, "CODEBUILD_WEBHOOK_HEAD_REF": "refs/heads/trunk"}).base_branch is None
    assert built({**PUSHED, "GITHUB_REF": "refs/heads/trunk"}, DETACHED).base_branch is None


def test_outside_of_ci_it_is_no_build() -> None:
    assert not built({}, DETACHED).is_build
    assert built(PUSH).is_build
