"""An account in which a role's policies are enforced: an address that lets requests through to `mlci serve` as IAM
would.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from typing import TYPE_CHECKING, Any

import botocore.session
from werkzeug.middleware.http_proxy import ProxyMiddleware
from werkzeug.serving import WSGIRequestHandler, make_server

from mlci_emulator.protocol import http_responses
from mlci_emulator.protocol.routes import Routes
from mlci_emulator.server.credential_scope import parse_scope
from mlci_emulator.server.s3_endpoint import parse_request
from support.aws_account import Account
from support.iam_calls import ACCOUNT, Call, calls
from support.iam_decisions import decided

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

_ROUTES = Routes(botocore.session.Session().get_service_model("s3"))


@dataclass
class Enforced:
    """A role's policies, and what was asked of them. It is WSGI: what is allowed goes on to the server."""

    role: str
    documents: list[dict[str, Any]]
    server: str
    allowed: set[Call] = field(default_factory=set)
    denied: set[Call] = field(default_factory=set)
    endpoint: str = ""
    #: By operation, who answers in the place of the server, once it is allowed.
    answers: dict[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = field(default_factory=dict)

    def allows(self, call: Call) -> bool:
        """Whether the policies allow it; it is noted."""
        is_allowed = any(decided(document, call) for document in self.documents)
        (self.allowed if is_allowed else self.denied).add(call)
        return is_allowed

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        signed = parse_scope(environ.get("HTTP_AUTHORIZATION", ""), environ.get("QUERY_STRING", ""))
        assert signed is not None, environ
        operation, request = _asked(signed.service, environ)
        if operation == "GetCallerIdentity":
            return self._identity(start_response)
        for call in calls(signed.service, operation, request):
            if not self.allows(call):
                return self._refused(call, signed.service, environ, start_response)
        if operation in self.answers:
            body = json.dumps(self.answers[operation](request)).encode()
            start_response(
                "200 OK", [("Content-Type", "application/x-amz-json-1.1"), ("Content-Length", str(len(body)))]
            )
            return [body]
        host = self.server.removeprefix("http://")
        # A bucket's name may be the path's beginning, so there is one target: everything.
        onward = ProxyMiddleware(start_nothing, {"/": {"target": self.server, "host": host}}, timeout=60)
        return onward.proxy_to(onward.targets["//"], environ["PATH_INFO"], "/")(environ, start_response)

    def _identity(self, start_response: StartResponse) -> Iterable[bytes]:
        """The answer of STS to who acts here.

        Source: https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html
        """
        told = f"<Arn>{self.session_arn}</Arn><UserId>AROA:session</UserId><Account>{ACCOUNT}</Account>"
        result = f"<GetCallerIdentityResult>{told}</GetCallerIdentityResult>"
        body = f"<GetCallerIdentityResponse>{result}</GetCallerIdentityResponse>".encode()
        start_response("200 OK", [("Content-Type", "text/xml"), ("Content-Length", str(len(body)))])
        return [body]

    @property
    def session_arn(self) -> str:
        return f"arn:aws:sts::{ACCOUNT}:assumed-role/{self.role}/session"

    def _refused(
        self, call: Call, service: str, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        spoken = http_responses.protocol_of(environ, service)
        code, status = ("AccessDeniedException", 400) if spoken == "json" else ("AccessDenied", 403)
        what = f"is not authorized to perform: {call.action} on resource: {call.resource}"
        why = f"because no identity-based policy allows the {call.action} action"
        answer = http_responses.error(spoken, code, f"User: {self.session_arn} {what} {why}", status)
        body = b"" if environ["REQUEST_METHOD"] == "HEAD" else answer.body
        start_response(answer.status_line, [*answer.headers, ("Content-Length", str(len(body)))])
        return [body]


class Quiet(WSGIRequestHandler):
    """Logs nothing: a test that fails says what it needs."""

    def log(self, type: str, message: str, *args: Any) -> None:
        pass


def start_nothing(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    raise AssertionError(environ["PATH_INFO"])


def _asked(service: str, environ: WSGIEnvironment) -> tuple[str, Mapping[str, Any]]:
    """The operation and its parameters. The body of an object stays unread."""
    if service == "s3":
        asked = parse_request(environ)
        operation = _ROUTES.operation(asked.method, asked.depth, dict(asked.query), asked.headers)
        source = asked.headers.get("x-amz-copy-source", "")
        names = {"Bucket": asked.bucket, "Key": asked.key, "Prefix": asked.query.get("prefix"), "CopySource": source}
        return str(operation), {**names, "IfNoneMatch": asked.headers.get("if-none-match")}
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    environ["wsgi.input"] = BytesIO(body)
    if "HTTP_X_AMZ_TARGET" in environ:
        return environ["HTTP_X_AMZ_TARGET"].rpartition(".")[2], json.loads(body)
    return body.decode().partition("Action=")[2].partition("&")[0], {}


def documents_of(served: Account, role: str) -> list[dict[str, Any]]:
    """The policies that a role of the stack has, by IAM's own word."""
    iam = served.client("iam")
    assert iam.list_role_policies(RoleName=role)["PolicyNames"] == []
    found = []
    for attached in iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"]:
        policy = attached["PolicyArn"]
        version = iam.get_policy(PolicyArn=policy)["Policy"]["DefaultVersionId"]
        found.append(iam.get_policy_version(PolicyArn=policy, VersionId=version)["PolicyVersion"]["Document"])
    return found


@contextmanager
def enforced(served: Account, role: str) -> Iterator[Enforced]:
    """An address at which one acts as a role."""
    with enforced_documents(served, role, documents_of(served, role)) as made:
        yield made


@contextmanager
def enforced_documents(served: Account, name: str, documents: list[dict[str, Any]]) -> Iterator[Enforced]:
    """An address at which one has the rights that these policies give."""
    made = Enforced(name, documents, served.server.exports["AWS_ENDPOINT_URL"])
    listening = make_server("127.0.0.1", 0, made, threaded=True, request_handler=Quiet)
    made.endpoint = f"http://127.0.0.1:{listening.port}"
    thread = threading.Thread(target=listening.serve_forever)
    thread.start()
    try:
        yield made
    finally:
        listening.shutdown()
        thread.join()
        listening.server_close()
