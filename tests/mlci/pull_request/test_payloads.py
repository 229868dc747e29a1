"""result.json as far as it may be trusted, the payloads of checks and statuses, and credentials."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from typing import Any

import pytest

from mlci.errors import InputError
from mlci.pull_request.actions import report_of_run
from mlci.pull_request.check import check_output, conclusion, status_description, status_state
from mlci.pull_request.credentials import GitHubApp, GitHubToken, parse_credentials, read_secret, redacted
from mlci.pull_request.models import STATE_WORDS, BuildReport, PullRequest
from mlci.pull_request.result_document import RESULT_MAX_BYTES, ResultDocument, read_result, state_of

AT = datetime(2026, 11, 23, 10, 15, tzinfo=timezone.utc)
TOKEN = f"ghp_{'0123456789ab' * 3}"
KEY = "-----BEGIN RSA PRIVATE KEY-----\nMIIEowIBAAKCAQEA\n-----END RSA PRIVATE KEY-----"


def rule(**changes: Any) -> dict[str, Any]:
    own = {"metric": "evaluate.auc", "text": "evaluate.auc 0.9 < 0.95", "held": True, "value": 0.9, "baseline": 0.9}
    return {**own, "op": "min", "limit": 0.95, **changes}


def result(*rules: dict[str, Any], **changes: Any) -> ResultDocument:
    document = {"schema": 2, "run_id": "20261123-101530-3f9c2a", "status": "passed", "rules": [*rules], **changes}
    found = read_result(json.dumps(document).encode())
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("document", "headline"),
    [
        (result(), "passed: there are no rules"),
        (result(rule()), "passed: its rule held"),
        (result(rule(), rule()), "passed: all 2 rules held"),
        (result(rule(verdict="accepted"), rule()), "passed: 1 of 2 rules missed, and accepted"),
        (result(rule(held=False), status="gate_missed"), "gate missed: evaluate.auc 0.9 < 0.95"),
        (
            result(rule(held=False), rule(held=False), status="gate_missed"),
            "gate missed: evaluate.auc 0.9 < 0.95, and 1 more",
        ),
        (result(status="failed", reason='step "a" failed: x\ny'), 'failed: step "a" failed: x'),
        (
            result(rule(held=False), status="failed", reason='step "a" failed: x'),
            'failed: step "a" failed: x',
        ),
        (result(status="stopped"), "stopped"),
        (result(status="failed", reason="x" * 1_000), f"failed: {'x' * 291}…"),
    ],
)
def test_headlines(document: ResultDocument, headline: str) -> None:
    assert document.headline == headline


@pytest.mark.parametrize(
    "data",
    [
        None,
        b"",
        b"[]",
        b"{",
        b"[" * 100_000,
        b'{"run_id": "r", "status": "great"}',
        b'{"run_id": "../x", "status": "passed"}',
        b'{"run_id": "r", "status": "passed", "rules": 3}',
        b'{"run_id": "r", "status": "passed", "rules": [{"metric": "a", "text": "b", "held": "yes"}]}',
        b'{"run_id": "r", "status": "passed", "rules": [' + b"{}," * 10 + b"{}]}",
        b" " * RESULT_MAX_BYTES + b'{"run_id": "r", "status": "passed"}',
    ],
)
def test_what_is_no_valid_result_is_none(data: bytes | None) -> None:
    assert read_result(data) is None


@pytest.mark.parametrize(
    ("document", "has_succeeded", "state"),
    [
        (result(), True, "passed"),
        (result(), False, "died"),
        (result(), None, "stopped"),
        (None, None, "stopped"),
        (result(status="gate_missed"), False, "gate_missed"),
        (result(status="gate_missed"), True, "gate_missed"),
        (result(status="stopped"), None, "stopped"),
        (None, True, "died"),
        (None, False, "died"),
    ],
)
def test_a_result_never_says_better_than_its_build(
    document: ResultDocument | None, has_succeeded: bool | None, state: str
) -> None:
    assert state_of(document, has_succeeded) == state


def test_annotations_are_of_missed_rules_whose_line_is_known() -> None:
    found = result(
        rule(held=False, file="flow.yaml", line=31),
        rule(file="flow.yaml", line=32),
        rule(verdict="broken", level="warn", file="flow.yaml", line=33),
        rule(verdict="broken", level="info", file="flow.yaml", line=34),
        rule(verdict="accepted", file="flow.yaml", line=35),
        rule(held=False),
        rule(held=False, file="../x", line=1),
        rule(held=False, file="/etc/x", line=1),
        status="gate_missed",
    ).annotations
    assert [(each.path, each.line, each.level) for each in found] == [
        ("flow.yaml", 31, "failure"),
        ("flow.yaml", 33, "warning"),
        ("flow.yaml", 34, "notice"),
        ("flow.yaml", 35, "notice"),
    ]
    assert found[3].title == "evaluate.auc misses its limit, which is accepted"
    assert found[0].title == "evaluate.auc misses its limit"


@pytest.mark.parametrize(
    ("changes", "changed"),
    [({}, False), ({"value": 0.8}, True), ({"baseline": None}, True), ({"value": None, "baseline": None}, False)],
)
def test_changes_are_of_gated_metrics(changes: dict[str, Any], changed: bool) -> None:
    assert result(rule(**changes)).has_changes is changed


def report(state: Any, headline: str = "", markdown: str = "") -> BuildReport:
    return BuildReport("iris", PullRequest("octo/model", 7, "c" * 40), "b1", AT, state, headline, markdown=markdown)


@pytest.mark.parametrize("state", list(STATE_WORDS))
def test_each_state_has_a_check_and_a_status(state: Any) -> None:
    each = report(state)
    assert (conclusion(each) is None) == (status_state(each) == "pending") == (state == "in_progress")
    assert (conclusion(each) == "success") == (status_state(each) == "success") == (state == "passed")
    assert check_output(each).title == STATE_WORDS[each.state]


def test_payloads_are_within_githubs_limits() -> None:
    [output] = check_output(report("failed", "@x " * 500, "word " * 40_000)).parameters()
    assert len(str(output["title"])) <= 255
    assert len(str(output["summary"])) <= 65_535
    assert len(status_description(report("failed", "x" * 500))) == 140
    assert "@x" not in status_description(report("failed", "@x"))


@pytest.mark.parametrize(
    "text",
    [TOKEN, f"{TOKEN}\n", json.dumps({"token": TOKEN})],
)
def test_a_token(text: str) -> None:
    credentials = parse_credentials(text, "the secret")
    assert credentials.of == GitHubToken(TOKEN)
    assert TOKEN not in repr(credentials)


@pytest.mark.parametrize(
    ("more", "installation"), [({}, None), ({"installation_id": 12}, 12), ({"installation_id": "12"}, 12)]
)
def test_an_app(more: dict[str, Any], installation: int | None) -> None:
    for key in (KEY, KEY.replace("\n", "\\n")):
        credentials = parse_credentials(json.dumps({"app_id": 7, "private_key": key, **more}), "the secret")
        assert credentials.of == GitHubApp("7", KEY, installation)
        assert "MIIE" not in repr(credentials)


@pytest.mark.parametrize(
    "text",
    [
        *("", "x", "{", "[]", f"{TOKEN} {TOKEN}", "{}", json.dumps({"token": 3})),
        json.dumps({"app_id": 7, "private_key": TOKEN}),
        json.dumps({"app_id": 7, "private_key": KEY, "installation_id": "x"}),
    ],
)
def test_what_is_none_is_not_shown(text: str) -> None:
    with pytest.raises(InputError) as raised:
        parse_credentials(text, "the secret")
    assert TOKEN not in str(raised.value)
    assert str(raised.value).startswith("the secret ")


def test_secrets_are_read_by_their_arn() -> None:
    def secret(arn: str) -> str:
        return TOKEN if arn.endswith("mlci-x") else ""

    def parameter(arn: str) -> str:
        return TOKEN if arn.endswith(":parameter/mlci-github/token") else ""

    for arn in (
        "arn:aws:secretsmanager:eu-west-1:123456789012:secret:mlci-x",
        "arn:aws:ssm:eu-west-1:123456789012:parameter/mlci-github/token",
    ):
        assert read_secret(arn, secret, parameter).of == GitHubToken(TOKEN)
    with pytest.raises(InputError, match='"x" is no ARN'):
        read_secret("x", secret, parameter)


def test_a_key_is_redacted_line_by_line() -> None:
    assert redacted(f"a {KEY} b MIIEowIBAAKCAQEA", [KEY]) == "a *** b ***"


@pytest.mark.parametrize(
    ("started", "is_taken"),
    [
        ("2026-11-23T10:00:00+00:00", True),
        ("2026-11-23T11:00:00+00:00", False),
        ("9999-12-31T23:59:59-14:00", False),
        ("0001-01-01T00:00:00+14:00", False),
    ],
)
def test_a_run_began_before_it_ended_and_not_long_before(started: str, is_taken: bool) -> None:
    """Reports are ordered by their start, and a result may say what it likes."""
    now = datetime(2026, 11, 23, 10, 15, tzinfo=timezone.utc)
    begun = BuildReport("iris", PullRequest("octo/model", 7, "c" * 40), "1-1", now, "in_progress")
    result = ResultDocument.model_validate({"run_id": "r1", "status": "passed", "started": started})
    report = report_of_run(begun, result, "", "success")
    assert report.started == (datetime.fromisoformat(started) if is_taken else now)
