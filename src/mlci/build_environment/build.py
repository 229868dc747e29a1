"""The build that runs now, from the variables of CodeBuild and GitHub Actions, and from git.

Source: https://docs.aws.amazon.com/codebuild/latest/userguide/build-env-ref-env-vars.html. CODEBUILD_BUILD_URL is set
as well, and not on that page, so it may be missing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Literal

from mlci.build_environment.git import GitState
from mlci_dataclasses import dataclass

Kind = Literal["pull_request", "push", "manual", "local"]

#: A branch of this name is taken for the base branch where nothing names another.
_USUAL_BASES = ("main", "master")
_COMMIT = r"[0-9a-f]{40}(?:[0-9a-f]{24})?"
#: `refs/heads/main^{<commit>}` is how CodeBuild names a branch at a commit, and `refs/pull/7/head^{<commit>}` a pull
#: request: what .github/workflows/ml-ci.yml asks for, so that what is built is what GitHub Actions was started for.
#: Source: https://docs.aws.amazon.com/codebuild/latest/userguide/sample-source-version.html
_AT_COMMIT = r"(?P<name>.*?)(?:\^\{(?P<commit>[0-9a-f]+)\})?"


@dataclass(frozen=True)
class Build:
    """One build. `branch` is the head's branch, None where a tag or a bare commit is built, and `base_branch` the one
    that pull requests go to. `id` is None outside of CodeBuild. A build that no push and no pull request started is
    "manual", whether a person, a schedule or another build did; it may be of a pull request as well, and then it has a
    `pull_request`. `started` is None where the CI system does not tell it."""

    kind: Kind = "local"
    id: str | None = None
    url: str | None = None
    initiator: str | None = None
    repository: str | None = None
    commit: str | None = None
    branch: str | None = None
    base_branch: str | None = None
    pull_request: int | None = None
    started: datetime | None = None

    @property
    def project(self) -> str | None:
        """The CodeBuild project; None outside of CodeBuild."""
        return self.id.partition(":")[0] if self.id else None

    @property
    def is_build(self) -> bool:
        """Says whether a CI system runs it, and not a person on a machine of theirs."""
        return self.kind != "local"

    @property
    def is_trusted(self) -> bool:
        """Says whether it builds merged code: the base branch itself, and no pull request.

        A fork's pull request may come from a branch with the base branch's name.
        """
        return self.pull_request is None and self.branch is not None and self.branch == self.base_branch

    def __str__(self) -> str:
        of = f"pull request {self.pull_request}" if self.pull_request else self.branch or "a commit"
        what = {
            "pull_request": of,
            "push": f"push to {self.branch}" if self.branch else "push of a tag",
            "manual": f"build of {of}, started",
            "local": "run outside of a build",
        }[self.kind]
        return f"{what} by {self.initiator or 'hand'}" if self.kind == "manual" or self.initiator else what


def build_of(environment: Mapping[str, str], git: GitState) -> Build:
    """Returns the build that runs now.

    The variables of CodeBuild and GitHub Actions come before git, and `MLCI_BASE_BRANCH` before both, but for a pull
    request, which names its base itself. `base_branch` is None where none of them names it.
    """
    variables = {name: value.strip() for name, value in environment.items() if value.strip()}
    base = variables.get("MLCI_BASE_BRANCH") or git.base_branch
    if "CODEBUILD_BUILD_ID" in variables:
        return _in_codebuild(variables, git, base)
    if variables.get("GITHUB_ACTIONS") == "true":
        return _in_github_actions(variables, git, base)
    return Build(repository=repository_name(git.remote), commit=git.commit, branch=git.branch, base_branch=base)


def is_build(environment: Mapping[str, str]) -> bool:
    """Returns True in CodeBuild, and in other CI systems, which set CI.

    Source: https://docs.github.com/en/actions/reference/workflows-and-actions/variables (CI is always true there)

    >>> is_build({"CI": "true"}), is_build({"CI": "false"}), is_build({"CODEBUILD_BUILD_ID": "models:1"})
    (True, False, True)
    """
    return "CODEBUILD_BUILD_ID" in environment or environment.get("CI", "").lower() in ("true", "1")


def _in_codebuild(variables: Mapping[str, str], git: GitState, base: str | None) -> Build:
    """Returns the build of CodeBuild.

    A build that is retried has the source version of the first one, which is a commit for a push, and no webhook's
    variables. It is a build of the base branch if that commit is still the branch's newest: an older commit's metrics
    must not replace those of a newer one.
    """
    version = re.fullmatch(_AT_COMMIT, variables.get("CODEBUILD_SOURCE_VERSION", ""))
    trigger = variables.get("CODEBUILD_WEBHOOK_TRIGGER", "")
    source = trigger or (version["name"] if version else "")
    head = variables.get("CODEBUILD_WEBHOOK_HEAD_REF") or source
    pull_request = _pull_request_number(source)
    commit = variables.get("CODEBUILD_RESOLVED_SOURCE_VERSION") or git.commit
    branch = git.branch if not head else _branch(head)
    if branch is None and re.fullmatch(_COMMIT, source) and base and git.remote_tips.get(base) == source == commit:
        branch = base
    into = _branch(variables.get("CODEBUILD_WEBHOOK_BASE_REF", "")) if pull_request else None
    return Build(
        kind=("pull_request" if pull_request else "push") if trigger else "manual",
        id=variables["CODEBUILD_BUILD_ID"],
        url=variables.get("CODEBUILD_BUILD_URL") or variables.get("CODEBUILD_PUBLIC_BUILD_URL"),
        initiator=variables.get("CODEBUILD_INITIATOR"),
        repository=repository_name(variables.get("CODEBUILD_SOURCE_REPO_URL") or git.remote),
        commit=commit,
        branch=branch,
        base_branch=into or base or (branch if branch in _USUAL_BASES else None),
        pull_request=pull_request,
        started=_start(variables.get("CODEBUILD_START_TIME", "")),
    )


def _start(milliseconds: str) -> datetime | None:
    """Returns the time that CodeBuild gives in milliseconds since 1970; None for anything else.

    >>> _start("1764583530000"), _start("yesterday")
    (datetime.datetime(2025, 12, 1, 10, 5, 30, tzinfo=datetime.timezone.utc), None)
    """
    is_time = milliseconds.isascii() and milliseconds.isdigit() and len(milliseconds) < 15
    return datetime.fromtimestamp(int(milliseconds) / 1000, timezone.utc) if is_time else None


def _in_github_actions(variables: Mapping[str, str], git: GitState, base: str | None) -> Build:
    """Returns the build of a job of GitHub Actions, which checks out the merge of a pull request, and no branch.

    Events such as `pull_request_target`, `workflow_run` and `issue_comment` name the default branch and its commit,
    whatever a job checks out. So a branch is built where its own commit is checked out, and by no pull request's event.

    Source: https://docs.github.com/en/actions/reference/workflows-and-actions/variables (GITHUB_BASE_REF is set for
    pull requests only) and events-that-trigger-workflows (GITHUB_SHA and GITHUB_REF of each event)
    """
    into, event = variables.get("GITHUB_BASE_REF"), variables.get("GITHUB_EVENT_NAME", "")
    pull_request = _pull_request_number(variables.get("GITHUB_REF", ""))
    is_of_event = git.commit is not None and git.commit == variables.get("GITHUB_SHA")
    branch = _branch(variables.get("GITHUB_REF", "")) if is_of_event and not into else None
    kind: Kind = "pull_request" if into or pull_request else "push" if event == "push" else "manual"
    server, repository, run = (variables.get(f"GITHUB_{name}", "") for name in ("SERVER_URL", "REPOSITORY", "RUN_ID"))
    return Build(
        kind=kind,
        url=f"{server}/{repository}/actions/runs/{run}" if run else None,
        initiator=variables.get("GITHUB_ACTOR"),
        repository=repository_name(git.remote or (f"{server}/{repository}" if repository else None)),
        commit=git.commit,
        branch=branch,
        base_branch=into or base or (branch if branch in _USUAL_BASES else None),
        pull_request=pull_request,
    )


def _pull_request_number(source: str) -> int | None:
    """Returns the number of a pull request.

    >>> _pull_request_number("pr/7"), _pull_request_number("refs/pull/7/head"), _pull_request_number("main")
    (7, 7, None)
    """
    match = re.fullmatch(r"pr/(\d+)|refs/pull/(\d+)/(?:head|merge)", source)
    return int(match[1] or match[2]) if match else None


def _branch(ref: str) -> str | None:
    """Returns the branch that a reference or a trigger names; None for a tag, a pull request or a commit.

    >>> _branch("refs/heads/feature/x"), _branch("branch/main"), _branch("tag/v1"), _branch("pr/7")
    ('feature/x', 'main', None, None)
    """
    if ref.startswith(("refs/heads/", "branch/")):
        return ref.removeprefix("refs/heads/").removeprefix("branch/")
    if not ref or ref.startswith(("refs/", "tag/", "pr/")) or ":" in ref or re.fullmatch(_COMMIT, ref):
        return None  # with a colon it is an object of S3, which a pipeline hands over
    return ref


def repository_name(url: str | None) -> str | None:
    """Returns the name of a repository from the URL that was cloned, without its credentials.

    >>> repository_name("git@github.com:octo/model.git"), repository_name("https://x:token@github.com/octo/model.git")
    ('github.com/octo/model', 'github.com/octo/model')
    """
    if not url:
        return None
    plain = re.sub(r"^[a-z][a-z0-9+.-]*://", "", url.strip())
    plain = re.sub(r"^[^/]*@", "", plain)
    host, colon, path = plain.partition(":")
    if colon and "/" not in host:
        plain = f"{host}/{re.sub(r'^[0-9]+/', '', path)}"  # scp's way of writing it, or a port
    return plain.rstrip("/").removesuffix(".git") or None
