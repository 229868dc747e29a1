"""The body of the comment: its marker, its history, its size, and what a hostile build can't do to it."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlci.pull_request.comment import (
    BODY_MAX_CHARS,
    Comment,
    comment_body,
    is_comment_due,
    read_comment,
)
from mlci.pull_request.models import BuildReport, PullRequest
from support.examples import examples

AT = datetime(2026, 11, 23, 10, 15, tzinfo=timezone.utc)
REPORT = BuildReport(
    flow="iris",
    pull_request=PullRequest("octo/model", 7, "a" * 40),
    build="mlci-iris-pull-request:1",
    started=AT,
    state="passed",
    headline="passed: all 3 rules held",
    details_url="https://eu-west-1.console.aws.amazon.com/codesuite/codebuild/x",
    report_url="https://eu-west-1.console.aws.amazon.com/s3/object/b",
    markdown="## ✅ iris: passed\n\n| metric | value |\n| --- | --- |\n| auc | 0.98 |\n",
)
HEX = "0123456789abcdef"


def of(number: int, **changes: object) -> BuildReport:
    """The report of the build with this number, each of a commit of its own, a minute after the one before."""
    commit = f"{number:040x}"
    own = {"pull_request": PullRequest("octo/model", 7, commit), "started": AT + timedelta(minutes=number)}
    return replace(REPORT, build=f"b{number}", **{**own, **changes})  # type: ignore[arg-type]


def read(body: str) -> Comment:
    comment = read_comment("iris", body)
    assert comment is not None
    return comment


def test_a_first_comment_has_the_report_and_links_of_its_own() -> None:
    body = comment_body(REPORT, None, "a" * 40)
    assert body.splitlines()[0] == "<!-- mlci:iris -->"
    assert REPORT.markdown.rstrip() in body
    assert "[`aaaaaaa`](https://github.com/octo/model/commit/" in body
    assert f"[report]({REPORT.report_url})" in body
    assert "Earlier commits" not in body


def test_a_build_without_a_report_has_a_heading() -> None:
    died = replace(REPORT, state="died", headline="ended without a result: <b> @octo", markdown="")
    assert "## ❌ iris: ended without a result: &lt;b&gt; @&#8203;octo\n" in comment_body(died, None, "")


@settings(max_examples=examples(100), deadline=None)
@given(st.permutations(range(6)), st.integers(min_value=0, max_value=5))
def test_the_newest_commit_is_shown_in_whatever_order_reports_come(order: list[int], at_head: int) -> None:
    body = ""
    head = f"{at_head:040x}"
    for number in order:
        present = read_comment("iris", body) if body else None
        body = comment_body(of(number, markdown=f"report {number}\n"), present, head)
    comment = read(body)
    assert comment.entries[0].commit == head
    assert comment.main.startswith(f"report {at_head}\n")
    times = [entry.started for entry in comment.entries[1:]]
    assert times == sorted(times, reverse=True)
    assert len(comment.entries) == 6


def test_posting_again_changes_nothing() -> None:
    body = comment_body(of(2), read(comment_body(of(1), None, "")), "")
    assert comment_body(of(2), read(body), "") == body


def test_of_a_commit_the_newest_build_is_in_the_history() -> None:
    body = comment_body(of(1, state="failed", headline="failed: once"), None, "")
    again = replace(of(1, headline="passed: again"), build="b9", started=AT + timedelta(minutes=5))
    body = comment_body(again, read(body), "")
    body = comment_body(of(8), read(body), "")
    assert "passed: again" in body
    assert "failed: once" not in body


def test_the_history_has_an_end() -> None:
    body = comment_body(of(0), None, "")
    for number in range(1, 40):
        body = comment_body(of(number), read(body), "")
    assert len(read(body).entries) == 12
    assert "<summary>Earlier commits (11)</summary>" in body


@pytest.mark.slow
@settings(max_examples=examples(60), deadline=None)
@given(
    st.sampled_from(["x", "@", "<", "|", "`", "\n", "```\n", "<details>", "-->", "<!-- mlci-history -->\n", "é", "😀"]),
    st.sampled_from(["@<|>-&" * 40, "x", "-->", "<!-- mlci-history -->"]),
    st.integers(min_value=1, max_value=80_000),
)
def test_a_body_is_within_githubs_limit_and_can_be_read_again(text: str, headline: str, count: int) -> None:
    body = comment_body(of(0, headline=headline), None, "")
    for number in range(1, 14):
        body = comment_body(of(number, headline=headline, markdown=text * count), read(body), "")
        assert len(body) <= BODY_MAX_CHARS
    comment = read(body)
    assert len(comment.entries) == 12
    assert {entry.headline for entry in comment.entries} == {headline[:120]}
    assert body.count("<!-- mlci-history -->") == 1


@pytest.mark.parametrize(
    "state",
    ["", "x", "<!-- mlci-state {} -->", '<!-- mlci-state {"entries":[[1]]} -->', '<!-- mlci-state {"entries":3} -->']
    + [
        f"<!-- mlci-state {json.dumps({'entries': [entry]})} -->"
        for entry in (
            ["x", "b", AT.isoformat(), "passed", ""],
            ["a" * 40, "b", "yesterday", "passed", ""],
            ["a" * 40, "b", "2026-01-01T00:00:00", "passed", ""],
            ["a" * 40, "b", AT.isoformat(), "great", ""],
        )
    ],
)
def test_a_comment_that_somebody_edited_begins_anew(state: str) -> None:
    comment = read(f"<!-- mlci:iris -->\n{state}\n\nedited\n")
    assert comment.entries == ()
    assert "## ✅ iris: passed" in comment_body(REPORT, comment, "")


def test_windows_line_ends_are_read() -> None:
    body = comment_body(REPORT, None, "").replace("\n", "\r\n")
    assert [entry.build for entry in read(body).entries] == [REPORT.build]


@pytest.mark.parametrize("body", ["", "x", "<!-- mlci:iris-2 -->", " \n<!-- mlci:iris -->", "> <!-- mlci:iris -->"])
def test_another_comment_is_none_of_the_flow(body: str) -> None:
    assert read_comment("iris", body) is None


@pytest.mark.parametrize(
    ("mode", "state", "changed", "present", "due"),
    [
        ("never", "failed", True, True, False),
        ("always", "in_progress", True, True, False),
        ("always", "passed", False, False, True),
        ("on-change", "passed", False, False, False),
        ("on-change", "passed", False, True, True),
        ("on-change", "passed", True, False, True),
    ],
)
def test_when_a_comment_is_due(mode: str, state: str, changed: bool, present: bool, due: bool) -> None:
    report = replace(REPORT, state=state, has_changes=changed)  # type: ignore[arg-type]
    assert is_comment_due(mode, report, present) is due  # type: ignore[arg-type]


def test_links_of_github_enterprise() -> None:
    enterprise = replace(REPORT, pull_request=PullRequest("octo/model", 7, "a" * 40, "https://ghe.example/api/v3"))
    assert "https://ghe.example/octo/model/commit/" in comment_body(enterprise, None, "")
    assert not re.search(r"github\.com", comment_body(enterprise, None, ""))


def test_a_headline_refers_to_nothing_and_commands_no_bot_wherever_it_stands() -> None:
    headline = "failed: #1 gh-2 octo/model#3 @octo-org /codebuild_run(abc)"
    first = comment_body(of(1, headline=headline, markdown=""), None, f"{1:040x}")
    folded = comment_body(of(2), read(first), f"{2:040x}")
    for body in (first, folded):
        assert not re.search(r"(?<!&)#\d|gh-\d|@octo|/codebuild_run", body)
    assert read(folded).entries[1].headline == headline
