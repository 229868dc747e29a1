"""The starter as a client of AWS: its signature, its credentials, and what it makes of errors."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given, settings
from hypothesis import strategies as st

from mlci.stage.starter import mlci_start_aws
from mlci.stage.starter.mlci_start_aws import Unreadable, call, credentials, read, region_of, signed
from support.examples import examples

KEYS = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI"}
PARAMETER: dict[str, object] = {"Parameter": {"Value": "s3cret"}}


@given(
    service=st.sampled_from(["ssm", "secretsmanager"]),
    region=st.sampled_from(["us-east-1", "cn-north-1"]),
    host=st.sampled_from(["https://ssm.us-east-1.amazonaws.com/", "http://127.0.0.1:4566/", "https://proxy/a/b/"]),
    body=st.binary(max_size=50),
    secret=st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=40),
    token=st.sampled_from(["", "FwoGZXIvYXdzE=="]),
    now=st.datetimes(min_value=datetime(2020, 1, 1), max_value=datetime(2040, 1, 1)),  # noqa: DTZ001
)
@settings(max_examples=examples(50))
def test_the_signature_is_botocores(
    service: str, region: str, host: str, body: bytes, secret: str, token: str, now: datetime
) -> None:
    keys = {"AccessKeyId": "AKIDEXAMPLE", "SecretAccessKey": secret, "Token": token}
    headers = signed(service, region, host, body, keys, now.replace(tzinfo=timezone.utc))
    given_headers = {name: value for name, value in headers.items() if name not in ("Authorization", "Host")}
    request = AWSRequest("POST", host, headers=given_headers, data=body)
    request.context["timestamp"] = headers["X-Amz-Date"]
    auth = SigV4Auth(Credentials("AKIDEXAMPLE", secret, token or None), service, region)
    expected = auth.signature(auth.string_to_sign(request, auth.canonical_request(request)), request)
    assert headers["Authorization"].endswith(f"Signature={expected}")
    assert f"SignedHeaders={auth.signed_headers(auth.headers_to_sign(request))}," in headers["Authorization"]


@contextmanager
def answering(*answers: tuple[int, object]) -> Iterator[tuple[str, list[tuple[str, bytes]]]]:
    """An address that gives these answers in their order, the last one again and again, and the requests it got."""
    requests: list[tuple[str, bytes]] = []

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status, document = answers[min(len(requests), len(answers) - 1)]
            requests.append((self.headers.get("X-Amz-Target") or self.headers.get("Authorization") or "", body))
            data = json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = answer  # noqa: N815

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", requests
        server.shutdown()


def environment(url: str) -> dict[str, str]:
    return {**KEYS, "AWS_REGION": "eu-central-1", "AWS_ENDPOINT_URL": url}


def test_a_parameter_is_read_with_decryption() -> None:
    with answering((200, PARAMETER)) as (url, requests):
        assert read("ssm", "/team/wandb", environment(url), "/opt/ml/code") == ("s3cret", "")
    assert requests == [("AmazonSSM.GetParameter", b'{"Name": "/team/wandb", "WithDecryption": true}')]


def test_a_secret_is_read() -> None:
    with answering((200, {"SecretString": "s3cret"})) as (url, requests):
        assert read("secretsmanager", "hub", environment(url), "/opt/ml/code") == ("s3cret", "")
    assert requests == [("secretsmanager.GetSecretValue", b'{"SecretId": "hub"}')]


def test_an_endpoint_of_the_service_wins() -> None:
    with answering((200, PARAMETER)) as (url, _):
        variables = {**environment("http://127.0.0.1:1"), "AWS_ENDPOINT_URL_SSM": url}
        assert read("ssm", "/x", variables, "/opt/ml/code") == ("s3cret", "")


@pytest.mark.parametrize(
    ("status", "answer", "reason"),
    [
        (400, {"__type": "ParameterNotFound"}, "it does not exist in eu-central-1"),
        (400, {"__type": "com.amazonaws#ResourceNotFoundException", "Message": "x"}, "it does not exist in eu-central"),
        (400, {"__type": "AccessDeniedException", "Message": "User is not"}, "the job's role may not read it. `mlci "),
        (400, {"__type": "InvalidKeyId", "message": "the key is disabled"}, "InvalidKeyId: the key is disabled"),
        (403, ["no", "error"], "403: Forbidden"),
        (200, {}, ""),
    ],
)
def test_an_error_is_a_sentence(status: int, answer: object, reason: str) -> None:
    with answering((status, answer)) as (url, requests):
        if status == 200:
            found = read("secretsmanager", "hub", environment(url), "/opt/ml/code")
            assert found == ("", "it is binary, and a variable holds text")
            return
        value, sentence = read("ssm", "/team/wandb", environment(url), "/opt/ml/code")
    assert value == ""
    assert sentence.startswith(reason)
    assert len(requests) == 1


@pytest.mark.parametrize(
    "failure", [(500, {}), (503, {}), (429, {}), (400, {"__type": "ThrottlingException", "message": "Rate exceeded"})]
)
def test_a_service_that_is_busy_is_asked_again(failure: tuple[int, object]) -> None:
    with answering(failure, failure, (200, PARAMETER)) as (url, requests):
        assert call("ssm", "eu-central-1", f"{url}/", {}, KEYS, waits_s=(0, 0)) == PARAMETER
        assert len(requests) == 3
    with answering(failure) as (url, _), pytest.raises(Unreadable):
        call("ssm", "eu-central-1", f"{url}/", {}, KEYS, waits_s=(0,))


def test_a_service_that_is_not_reached_is_named() -> None:
    with pytest.raises(Unreadable, match=r"http://127.0.0.1:1/ is not reached: .*refused"):
        call("ssm", "eu-central-1", "http://127.0.0.1:1/", {}, KEYS, waits_s=(0,))


def test_the_container_gives_credentials(tmp_path: Path) -> None:
    given_keys = {"AccessKeyId": "A", "SecretAccessKey": "S", "Token": "T"}
    with answering((200, given_keys)) as (url, requests):
        variables = {"AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{url}/x", "AWS_CONTAINER_AUTHORIZATION_TOKEN": "one"}
        assert credentials(variables) == given_keys
        (tmp_path / "token").write_text("two\n")
        assert credentials({**variables, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": str(tmp_path / "token")})
        assert [header for header, _ in requests] == ["one", "two"]
    with pytest.raises(Unreadable, match="the credentials of the job's role can't be fetched"):
        credentials({"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://127.0.0.1:1/"})


def test_credentials_in_variables_come_first() -> None:
    found = credentials({**KEYS, "AWS_SESSION_TOKEN": "T", "AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://127.0.0.1:1/"})
    assert found == {"AccessKeyId": "AKIDEXAMPLE", "SecretAccessKey": "wJalrXUtnFEMI", "Token": "T"}


def test_the_region_of_a_processing_job_is_in_its_configuration(tmp_path: Path) -> None:
    code = tmp_path / "processing" / "input" / "code"
    code.mkdir(parents=True)
    with pytest.raises(Unreadable, match="nothing says in which region the job runs"):
        region_of({}, str(code))
    (tmp_path / "config").mkdir()
    document = {"ProcessingJobArn": "arn:aws:sagemaker:eu-west-3:123456789012:processing-job/x"}
    (tmp_path / "config" / "processingjobconfig.json").write_text(json.dumps(document))
    assert region_of({}, str(code)) == "eu-west-3"
    assert region_of({"AWS_REGION": "us-west-2"}, str(code)) == "us-west-2"


@pytest.mark.parametrize(
    ("region", "host"), [("eu-central-1", "ssm.eu-central-1.amazonaws.com"), ("cn-north-1", "amazonaws.com.cn")]
)
def test_the_endpoint_follows_from_the_region(region: str, host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    urls = []

    def called(service: str, region: str, url: str, payload: object, environment: object) -> dict[str, object]:
        urls.append(url)
        return PARAMETER

    monkeypatch.setattr(mlci_start_aws, "call", called)
    assert read("ssm", "/x", {"AWS_REGION": region}, "/opt/ml/code")[0] == "s3cret"
    assert host in urls[0]
