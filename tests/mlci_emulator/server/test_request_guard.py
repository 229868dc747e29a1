"""Each refusal beside the request that is let through."""

from __future__ import annotations

import pytest

from mlci_emulator.server.credential_scope import CredentialScope, parse_scope
from mlci_emulator.server.request_guard import RequestGuard, RequestHead

GUARD = RequestGuard(4566, lambda: ("KEY",))
SIGNED = "AWS4-HMAC-SHA256 Credential=KEY/20261125/eu-west-1/states/aws4_request, SignedHeaders=host, Signature=0"
GOOD = RequestHead("POST", "127.0.0.1:4566", None, None, SIGNED, "")


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1:4566",
        "localhost:4566",
        "LOCALHOST:4566",
        "[::1]:4566",
        "my-bucket.localhost:4566",
        "my.bucket.s3.localhost:4566",
        "sync-localhost:4566",
        "sync-127.0.0.1:4566",
    ],
)
def test_our_own_hosts_are_let_through(host: str) -> None:
    assert GUARD.reject(GOOD._replace(host=host)) is None


@pytest.mark.parametrize(
    "host",
    [
        None,
        "",
        "127.0.0.1",
        "127.0.0.1:4567",
        "127.0.0.1:4566, evil.example",
        "127.0.0.2:4566",
        "0.0.0.0:4566",
        "evil.example:4566",
        "localhost.evil.example:4566",
        "127.0.0.1.evil.example:4566",
        "evil-localhost:4566",
        ".localhost:4566",
        "x@localhost:4566",
        "localhost:4566/",
        "localhost:4566\n",
        "localhost:4566x",
    ],
)
def test_other_hosts_are_refused_also_where_their_name_leads_here(host: str | None) -> None:
    refused = GUARD.reject(GOOD._replace(host=host))
    assert refused is not None
    assert not refused.is_about_key


def test_port_80_needs_no_port() -> None:
    guard = RequestGuard(80, lambda: ("KEY",))
    assert guard.reject(GOOD._replace(host="localhost")) is None
    assert guard.reject(GOOD._replace(host="localhost:4566")) is not None


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "", "http://127.0.0.1:4566"])
def test_any_origin_is_refused(origin: str) -> None:
    assert GUARD.reject(GOOD._replace(origin=origin)) is not None


@pytest.mark.parametrize("site", ["cross-site", "same-site", "same-origin", ""])
def test_what_a_page_fetches_is_refused(site: str) -> None:
    assert GUARD.reject(GOOD._replace(fetch_site=site)) is not None


def test_an_address_that_the_user_typed_is_let_through() -> None:
    presigned = RequestHead(
        "GET", "localhost:4566", None, "none", "", "X-Amz-Credential=KEY/20261125/us-east-1/s3/aws4_request"
    )
    assert GUARD.reject(presigned) is None


@pytest.mark.parametrize("method", ["OPTIONS", "options"])
def test_preflights_are_refused(method: str) -> None:
    assert GUARD.reject(GOOD._replace(method=method)) is not None


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        "Bearer KEY",
        "KEY",
        SIGNED.replace("KEY", "KEYS"),
        SIGNED.replace("KEY", "key"),
        SIGNED.replace("KEY", ""),
        SIGNED.replace("KEY", "Kéy"),
        "AWS4-HMAC-SHA256 Credential=KEY",
    ],
)
def test_without_the_key_nothing_is_let_through(authorization: str) -> None:
    refused = GUARD.reject(GOOD._replace(authorization=authorization))
    assert refused is not None
    assert refused.is_about_key


def test_a_header_without_the_key_is_not_saved_by_a_query_that_has_it() -> None:
    query = "X-Amz-Credential=KEY/20261125/us-east-1/s3/aws4_request"
    assert GUARD.reject(GOOD._replace(authorization=SIGNED.replace("KEY", "OTHER"), query=query)) is not None
    assert GUARD.reject(GOOD._replace(authorization="Bearer x", query=query)) is not None


def test_two_credentials_in_a_query_are_none() -> None:
    one = "X-Amz-Credential=KEY%2F20261125%2Fus-east-1%2Fs3%2Faws4_request"
    assert parse_scope("", one) == CredentialScope("KEY", "us-east-1", "s3")
    assert parse_scope("", f"{one}&{one.replace('KEY', 'OTHER')}") is None


def test_old_signatures_of_s3_name_their_key() -> None:
    assert parse_scope("AWS KEY:c2lnbmF0dXJl", "") == CredentialScope("KEY", "us-east-1", "s3")
    assert parse_scope("", "AWSAccessKeyId=KEY&Signature=x&Expires=1") == CredentialScope("KEY", "us-east-1", "s3")
