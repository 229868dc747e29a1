"""Requests that name an object, with the object in it."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from urllib.parse import parse_qs, urlencode

import pytest

from mlci_emulator.server.moto_services.inline_objects import inline_objects
from mlci_emulator.services.s3 import S3
from mlci_emulator.store.directory import DirectoryStore


@pytest.fixture
def s3(tmp_path: Path) -> S3:
    made = S3(DirectoryStore(tmp_path), None)
    made.call("CreateBucket", {"Bucket": "data"}, "us-east-1")
    made.call("PutObject", {"Bucket": "data", "Key": "a/it", "Body": b"{}"}, "us-east-1")
    return made


def test_a_template_s_url_becomes_the_template(s3: S3) -> None:
    url = "http://127.0.0.1:4566/data/a/it"
    body = urlencode({"Action": "CreateStack", "TemplateURL": url, "Parameters.1": ""}).encode()
    given = parse_qs(inline_objects("cloudformation", body, s3).decode(), keep_blank_values=True)
    assert given == {"Action": ["CreateStack"], "Parameters.1": [""], "TemplateBody": ["{}"]}


def test_a_function_s_place_becomes_its_code(s3: S3) -> None:
    code = {"S3Bucket": "data", "S3Key": "a/it"}
    zipped = {"ZipFile": base64.b64encode(b"{}").decode()}
    created = inline_objects("lambda", json.dumps({"FunctionName": "f", "Code": code}).encode(), s3)
    assert json.loads(created) == {"FunctionName": "f", "Code": zipped}
    assert json.loads(inline_objects("lambda", json.dumps(code).encode(), s3)) == zipped


@pytest.mark.parametrize(
    ("service", "body"),
    [
        ("cloudformation", b"Action=ListStacks"),
        ("cloudformation", b"TemplateURL=http%3A%2F%2F127.0.0.1%2Fdata%2Fmissing"),
        ("lambda", b'{"Code": {"S3Bucket": "data", "S3Key": "missing"}}'),
        ("lambda", b'not JSON "S3Key"'),
        ("lambda", b'["S3Key"]'),
        ("ssm", b'{"Name": "TemplateURL="}'),
    ],
)
def test_everything_else_stays_as_it_is(service: str, body: bytes, s3: S3) -> None:
    assert json.dumps(inline_objects(service, body, s3).decode()) == json.dumps(body.decode())
