"""Reports posted to a GitHub that keeps state: checks, statuses, one comment; faults, limits, and races."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest

from mlci.pull_request.comment import read_comment
from mlci.pull_request.credentials import Credentials, GitHubApp, GitHubToken
from mlci.pull_request.github_calls import PyGithubCalls
from mlci.pull_request.models import Annotation, BuildReport
from mlci.pull_request.posting import PostClock, Poster
from support.fake_github import FakeGitHub, Fault, private_key, served
from support.posted_reports import COMMIT, OLDER, FakeClock, report

TOKEN = f"ghs_{'a' * 36}"


@pytest.fixture
def github() -> Iterator[FakeGitHub]:
    fake = FakeGitHub()
    with served(fake):
        yield fake


def calls(github: FakeGitHub, token: str = TOKEN) -> PyGithubCalls:
    credentials = Credentials(GitHubToken(token), "GITHUB_TOKEN")
    return PyGithubCalls(credentials, github.url, github.repository, write_delay_s=0)


def poster(github: FakeGitHub, clock: FakeClock | None = None, token: str = TOKEN) -> Poster:
    return Poster(calls(github, token), clock=(clock or FakeClock()).clock())


def test_a_check_run_is_opened_and_ended_and_a_comment_written(github: FakeGitHub) -> None:
    post = poster(github).post
    assert list(post(report("in_progress"))) == ["the check mlci/iris/report is in progress"]
    [check] = github.checks
    assert (check["name"], check["head_sha"], check["status"]) == ("mlci/iris/report", COMMIT, "in_progress")
    assert github.comments == []

    lines = list(post(report()))
    assert lines == ["the check mlci/iris/report is success", "the comment is up to date"]
    [check] = github.checks
    assert (check["status"], check["conclusion"], check["external_id"]) == ("completed", "success", "b1")
    assert check["output"]["title"] == "passed by b1"
    assert github.bodies[0].startswith("<!-- mlci:iris -->\n")
    assert "## verdict of b1" in github.bodies[0]


def test_lazy_objects_send_no_requests_of_their_own(github: FakeGitHub) -> None:
    list(poster(github).post(report()))
    assert github.requests == [
        f"GET /repos/octo/model/commits/{COMMIT}/check-runs",
        "POST /repos/octo/model/check-runs",
        "GET /repos/octo/model/pulls/7",
        "GET /repos/octo/model/issues/7/comments",
        "POST /repos/octo/model/issues/7/comments",
        "GET /repos/octo/model/issues/7/comments",
        "GET /repos/octo/model/issues/7/comments",
    ]


def test_the_next_commit_edits_the_comment_and_folds_the_one_before(github: FakeGitHub) -> None:
    list(poster(github).post(report("gate_missed", OLDER, "b1")))
    list(poster(github).post(report("passed", COMMIT, "b2", minutes=30)))
    [body] = github.bodies
    assert "## verdict of b2" in body
    assert "## verdict of b1" not in body
    assert "<summary>Earlier commits (1)</summary>" in body
    assert "gate\\_missed by b1" in body


def test_an_older_commit_never_takes_the_place_of_a_newer_one(github: FakeGitHub) -> None:
    list(poster(github).post(report("passed", COMMIT, "b2", minutes=30)))
    list(poster(github).post(report("failed", OLDER, "b1")))
    list(poster(github).post(report("failed", OLDER, "b3", minutes=60)))  # a build of the older one, started again
    [body] = github.bodies
    assert "## verdict of b2" in body
    assert body.count("<code>bbbbbbb</code>") == 1
    assert "failed by b3" in body


def test_events_in_the_wrong_order_leave_the_check_ended(github: FakeGitHub) -> None:
    list(poster(github).post(report("failed")))
    assert list(poster(github).post(report("in_progress"))) == ["the check mlci/iris/report has ended already"]
    assert list(poster(github).post(report("failed")))[1] == "the comment has this report already"
    [check] = github.checks
    assert (check["status"], check["conclusion"]) == ("completed", "failure")


def test_each_build_of_a_commit_has_a_check_run_of_its_own(github: FakeGitHub) -> None:
    for build in ("b1", "b2"):
        list(poster(github).post(report("in_progress", build=build)))
    list(poster(github).post(report("passed", build="b1")))
    assert {check["external_id"]: check["status"] for check in github.checks} == {
        "b1": "completed",
        "b2": "in_progress",
    }


@pytest.mark.parametrize("count", [0, 1, 50, 51, 120])
def test_annotations_are_sent_in_batches_of_fifty(github: FakeGitHub, count: int) -> None:
    annotations = tuple(Annotation("flow.yaml", n + 1, "auc", "auc misses its limit") for n in range(count))
    list(poster(github).post(replace(report("gate_missed"), annotations=annotations)))
    [check] = github.checks
    assert [each["start_line"] for each in check["annotations"]] == list(range(1, count + 1))


@pytest.mark.parametrize("token", [f"ghp_{'a' * 36}", f"github_pat_{'a' * 60}"])
def test_a_personal_token_posts_statuses(github: FakeGitHub, token: str) -> None:
    post = poster(github, token=token).post
    list(post(report("in_progress")))
    assert next(post(report("gate_missed"))) == "the status mlci/iris/report is failure"
    assert [status["state"] for status in github.statuses] == ["pending", "failure"]
    assert {status["context"] for status in github.statuses} == {"mlci/iris/report"}
    assert github.checks == []


def test_a_late_start_does_not_reopen_a_status(github: FakeGitHub) -> None:
    post = poster(github, token=f"ghp_{'a' * 36}").post
    list(post(report("passed")))
    assert list(post(report("in_progress"))) == ["the status mlci/iris/report has ended already"]
    assert [status["state"] for status in github.statuses] == ["success"]


def test_an_app_without_the_right_to_checks_posts_statuses(github: FakeGitHub) -> None:
    github.scopes.remove("checks")
    assert next(poster(github).post(report())) == "the status mlci/iris/report is success"


def test_a_read_only_token_is_said_in_a_line(github: FakeGitHub) -> None:
    github.scopes.clear()
    lines = list(poster(github).post(report()))
    reason = "GITHUB_TOKEN lacks a right on octo/model: Resource not accessible by integration"
    assert lines == [f"neither the check nor the comment was posted: {reason}"]
    assert not any(TOKEN in line for line in lines)


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (Fault(401, "Bad credentials"), "GITHUB_TOKEN is not valid: Bad credentials"),
        (Fault(404, "Not Found"), "GITHUB_TOKEN lacks a right on octo/model: Not Found"),
        (Fault(422, f"No commit found for SHA: {TOKEN}"), "GitHub answered 422: No commit found for SHA: ***"),
    ],
)
def test_what_no_retry_helps_is_not_tried_again(github: FakeGitHub, fault: Fault, reason: str) -> None:
    clock = FakeClock()
    github.faults = [("GET /repos/octo/model/pulls", fault)] * 2
    assert list(poster(github, clock).post(report()))[1] == f"the comment was not posted: {reason}"
    assert clock.waits == []


@pytest.mark.parametrize(
    ("fault", "waits"),
    [
        (Fault(502), [1.0]),
        (Fault(503, "Unavailable"), [1.0]),
        (Fault(429, "Too Many Requests", {"Retry-After": "7"}), [7.0]),
        (Fault(403, "You have exceeded a secondary rate limit. Please wait.", {}), [60.0]),
        (Fault(403, "You have exceeded a secondary rate limit.", {"Retry-After": "9"}), [9.0]),
    ],
)
def test_what_passes_is_tried_again(github: FakeGitHub, fault: Fault, waits: list[float]) -> None:
    clock = FakeClock()
    github.faults = [("POST /repos/octo/model/check-runs", fault)]
    assert list(poster(github, clock).post(report("in_progress"))) == ["the check mlci/iris/report is in progress"]
    assert clock.waits == waits
    assert len(github.checks) == 1


def test_a_report_that_github_finds_invalid_does_not_keep_the_check_open(github: FakeGitHub) -> None:
    list(poster(github).post(report("in_progress")))
    invalid = Fault(422, "Invalid request. path is invalid")
    github.faults = [("PATCH /repos/octo/model/check-runs", invalid), ("POST /repos/octo/model/issues", invalid)]
    annotated = replace(report("gate_missed"), annotations=(Annotation("a\u202e", 1, "auc", "auc"),))
    lines = list(poster(github).post(annotated))
    why = "(without its report: GitHub answered 422: Invalid request. path is invalid)"
    assert lines == [f"the check mlci/iris/report is failure {why}", f"the comment is up to date {why}"]
    [check] = github.checks
    assert (check["status"], check["annotations"]) == ("completed", [])
    [body] = github.bodies
    assert "gate\\_missed by b1" in body
    assert "## verdict" not in body


def test_a_build_has_so_many_annotations_and_no_more(github: FakeGitHub) -> None:
    annotations = tuple(Annotation("flow.yaml", 1, "auc", "auc") for _ in range(5_000))
    list(poster(github).post(replace(report("gate_missed"), annotations=annotations)))
    assert len(github.checks[0]["annotations"]) == 200
    assert len([each for each in github.requests if "check-runs" in each and not each.startswith("GET")]) == 4


def test_an_hour_is_not_waited_for(github: FakeGitHub) -> None:
    clock = FakeClock()
    limit = Fault(403, "API rate limit exceeded for installation ID 5.", {"Retry-After": "3600"})
    github.faults = [("GET /repos/octo/model/commits", limit)]
    [line] = poster(github, clock).post(report("in_progress"))
    assert line == "the check was not posted: GitHub answered 403: API rate limit exceeded for installation ID 5."
    assert clock.waits == []


def test_parts_that_fail_for_two_reasons_have_a_line_each(github: FakeGitHub) -> None:
    github.faults = [
        ("GET /repos/octo/model/commits", Fault(401, "Bad credentials")),
        *[("GET /repos/octo/model/pulls", Fault(422, "No commit found"))] * 2,
    ]
    assert list(poster(github).post(report())) == [
        "the check was not posted: GITHUB_TOKEN is not valid: Bad credentials",
        "the comment was not posted: GitHub answered 422: No commit found",
    ]


def test_a_github_that_is_down_ends_after_the_time_limit(github: FakeGitHub) -> None:
    clock = FakeClock()
    github.faults = [("", Fault(500))] * 100
    lines = list(poster(github, clock).post(report()))
    assert lines == ["neither the check nor the comment was posted: GitHub answered 500: Server Error"]
    assert clock.now <= 120


def test_what_was_carried_out_though_it_failed_is_not_done_twice(github: FakeGitHub) -> None:
    github.faults = [
        ("POST /repos/octo/model/check-runs", Fault(502, is_late=True)),
        ("POST /repos/octo/model/issues", Fault(502, is_late=True)),
    ]
    list(poster(github).post(report()))
    assert (len(github.checks), len(github.comments)) == (1, 1)


def test_a_marker_that_somebody_else_wrote_is_not_the_comment(github: FakeGitHub) -> None:
    theirs = github.comment_by("mallory", "<!-- mlci:iris -->\n## passed\n")
    list(poster(github).post(report()))
    assert theirs["body"] == "<!-- mlci:iris -->\n## passed\n"
    assert len(github.comments) == 2


def test_a_comment_of_another_flow_stays(github: FakeGitHub) -> None:
    list(poster(github).post(report()))
    list(poster(github).post(replace(report(), flow="iris-2")))
    assert len(github.comments) == 2


def test_a_comment_is_found_behind_hundreds(github: FakeGitHub) -> None:
    for number in range(250):
        github.comment_by("octocat", f"remark {number}")
    for build in ("b1", "b2"):
        list(poster(github).post(report(build=build)))
    assert len(github.comments) == 251


@pytest.mark.slow
def test_many_builds_at_once_leave_one_comment_and_the_newest_report(github: FakeGitHub) -> None:
    """Real threads and time, as reporters of several builds that end together."""
    commits = [f"{number:x}" * 40 for number in range(5)]
    github.head = commits[-1]
    reports = [report("passed", commit, f"b{n}", minutes=n) for n, commit in enumerate(commits)]

    def work(each: BuildReport) -> None:
        # On a busy machine, a reporter takes much longer from reading the comment to writing it.
        clock = PostClock(sleep=lambda seconds: time.sleep(seconds * 5))
        list(Poster(calls(github), clock=clock).post(each))

    threads = [threading.Thread(target=work, args=(each,)) for each in reversed(reports)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    [body] = github.bodies
    comment = read_comment("iris", body)
    assert comment is not None
    assert comment.entries[0].commit == github.head
    assert "## verdict of b4" in body
    assert len(github.checks) == 5


@pytest.mark.parametrize(
    ("mode", "states", "count"),
    [
        ("never", ["failed", "passed"], 0),
        ("always", ["passed"], 1),
        ("on-change", ["passed"], 0),
        ("on-change", ["failed"], 1),
    ],
)
def test_the_comment_modes(github: FakeGitHub, mode: str, states: list[str], count: int) -> None:
    for number, state in enumerate(states):
        each = replace(report(state, build=f"b{number}", minutes=number), has_changes=state != "passed")  # type: ignore[arg-type]
        list(replace(poster(github), comment=mode).post(each))  # type: ignore[arg-type]
    assert len(github.comments) == count


def test_on_change_keeps_a_comment_up_to_date(github: FakeGitHub) -> None:
    on_change = replace(poster(github), comment="on-change")
    list(on_change.post(report("gate_missed", OLDER, "b1")))
    list(on_change.post(replace(report("passed", COMMIT, "b2", minutes=9), has_changes=False)))
    assert "## verdict of b2" in github.bodies[0]


@pytest.mark.parametrize("installation", [None, 5])
def test_an_app_posts_as_itself_with_a_token_of_its_installation(github: FakeGitHub, installation: int | None) -> None:
    key = private_key()
    app = PyGithubCalls(Credentials(GitHubApp("7", key, installation), "the secret"), github.url, "octo/model", 0)
    lines = list(Poster(app, clock=FakeClock().clock()).post(report()))
    assert lines == ["the check mlci/iris/report is success", "the comment is up to date"]
    assert f"ghs_{'i' * 36}" in github.tokens
    assert ("GET /repos/octo/model/installation" in github.requests) == (installation is None)
    assert not any(key in each or "PRIVATE" in each for each in github.tokens)


def test_a_key_that_is_none_is_said_without_it(github: FakeGitHub) -> None:
    key = "-----BEGIN RSA PRIVATE KEY-----\nMIIEowIBAAKCAQEA\n-----END RSA PRIVATE KEY-----"
    app = PyGithubCalls(Credentials(GitHubApp("7", key), "the secret"), github.url, "octo/model", 0)
    lines = list(Poster(app, clock=FakeClock().clock()).post(report()))
    [line] = lines
    assert line.startswith("neither the check nor the comment was posted: the secret does not work")
    assert "MIIE" not in "".join(lines)
