"""Operations whose request is a caller's own bytes."""

from __future__ import annotations

import json
import re
from typing import Any

from mlci_emulator.protocol.operations import ApiError, Response
from mlci_emulator.protocol.rest_json import RestOperation
from support.recorded_service import Recorded

ENVIRON: dict[str, Any] = {
    "REQUEST_METHOD": "POST",
    "PATH_INFO": "/2015-03-31/functions/arn%3Aaws%3Alambda/invocations",
    "QUERY_STRING": "Qualifier=%24LATEST",
    "HTTP_X_AMZ_INVOCATION_TYPE": "Event",
    "CONTENT_TYPE": "application/json",
}


def call(answer: Response | Exception) -> tuple[RestOperation, Recorded]:
    recorded = Recorded(answer)
    return RestOperation(
        "lambda", "Invoke", re.compile(r"/2015-03-31/functions/([^/]+)/invocations"), recorded
    ), recorded


def test_path_query_headers_and_body_are_the_request() -> None:
    invoke, recorded = call({"StatusCode": 202, "Payload": b"", "FunctionError": "Unhandled", "LogResult": None})
    assert invoke.matches(ENVIRON)
    response = invoke.respond(ENVIRON, b"\xff", "eu-west-1")
    request = {
        "FunctionName": "arn:aws:lambda",
        "Qualifier": "$LATEST",
        "InvocationType": "Event",
        "Payload": b"\xff",
    }
    assert recorded.asked == [("Invoke", request, "eu-west-1")]
    headers = dict(response.headers)
    headers.pop("x-amzn-RequestId")
    assert (response.status, headers, response.body) == (202, {"X-Amz-Function-Error": "Unhandled"}, b"")


def test_a_refusal_is_an_error_of_the_protocol() -> None:
    invoke, _ = call(ApiError("ResourceNotFoundException", "no such function", 404))
    response = invoke.respond(ENVIRON, b"", "eu-west-1")
    assert (response.status, json.loads(response.body)["message"]) == (404, "no such function")
    assert dict(response.headers)["x-amzn-ErrorType"] == "ResourceNotFoundException"


def test_other_requests_are_not_asked() -> None:
    invoke, _ = call({})
    assert not invoke.matches({**ENVIRON, "REQUEST_METHOD": "GET"})
    assert not invoke.matches({**ENVIRON, "PATH_INFO": "/2015-03-31/functions/f"})
    assert not invoke.matches({**ENVIRON, "PATH_INFO": "/2015-03-31/functions/a/b/invocations"})
