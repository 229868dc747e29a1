"""moto's services for state machines: called in process, with botocore's names, as the emulator's own services are.

botocore's client does all but the sending. Its request goes to moto as if it came over HTTP, so the journal has it.
"""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

from mlci_emulator.integrations import MessageRecords, message_validation
from mlci_emulator.protocol.http_responses import HttpResponse, environ_name
from mlci_emulator.protocol.operations import ApiError, Request, Response, Service
from mlci_emulator.server.moto_services.moto_server import SERVER_ENVIRON, MotoServer

#: The services whose operations a state machine can call, by their names in `aws-sdk:` resources, with botocore's.
SERVICES: Mapping[str, str] = MappingProxyType(
    {
        "cloudformation": "cloudformation",
        "cloudwatch": "cloudwatch",
        "cloudwatchlogs": "logs",
        "codebuild": "codebuild",
        "dynamodb": "dynamodb",
        "ecr": "ecr",
        "eventbridge": "events",
        "firehose": "firehose",
        "iam": "iam",
        "kinesis": "kinesis",
        "kms": "kms",
        "secretsmanager": "secretsmanager",
        "sns": "sns",
        "sqs": "sqs",
        "ssm": "ssm",
        "sts": "sts",
    }
)


class MotoService:
    """One of moto's services. `endpoint` is this server's address, with which queue URLs begin."""

    def __init__(self, name: str, moto: MotoServer, endpoint: str) -> None:
        self._name, self._moto, self._endpoint = name, moto, endpoint
        self._clients: dict[str, Any] = {}
        self._lock = threading.Lock()

    def call(self, operation: str, request: Request, region: str) -> Response:
        """Return an operation's output.

        Raises: ApiError.
        """
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            response: Response = self._client(region)._make_api_call(operation, dict(request))
        except ClientError as error:
            details, metadata = error.response["Error"], error.response["ResponseMetadata"]
            raise ApiError(details["Code"], details["Message"], metadata["HTTPStatusCode"]) from error
        except BotoCoreError as error:  # parameters that the model rejects
            raise ApiError("ValidationException", str(error)) from error
        response.pop("ResponseMetadata", None)
        return response

    def _client(self, region: str) -> Any:
        with self._lock:
            if region not in self._clients:
                self._clients[region] = self._new_client(region)
            return self._clients[region]

    def _new_client(self, region: str) -> Any:
        from botocore.config import Config
        from botocore.session import Session

        session = Session()
        session.set_credentials("mlci", "mlci")
        # The endpoint, region and profile of the environment are meant for other clients.
        config = Config(
            retries={"total_max_attempts": 1}, ignore_configured_endpoint_urls=True, inject_host_prefix=False
        )
        client = session.create_client(self._name, region_name=region, endpoint_url=self._endpoint, config=config)
        client.meta.events.register("before-send", lambda request, **_: _response(request, self._send(request)))
        return client

    def _send(self, request: Any) -> HttpResponse:
        parts = urlsplit(request.url)
        environ = {
            **SERVER_ENVIRON,
            "REQUEST_METHOD": request.method,
            "PATH_INFO": parts.path or "/",
            "QUERY_STRING": parts.query,
            "HTTP_HOST": parts.netloc,
        }
        for name, value in request.headers.items():
            text = value.decode("latin-1") if isinstance(value, bytes) else str(value)
            environ[environ_name(name)] = text
        body = request.body or b""
        return self._moto.respond(environ, body.encode() if isinstance(body, str) else bytes(body))


class _RawBody(io.BytesIO):
    """A response's body as botocore reads it."""

    def stream(self, amount: int | None = None, **_: object) -> Iterator[bytes]:
        yield self.read()


def _response(request: Any, response: HttpResponse) -> Any:
    from botocore.awsrequest import AWSResponse

    return AWSResponse(request.url, response.status, dict(response.headers), _RawBody(response.body))


class MotoMessageService:
    """Sends messages of state machines to moto's topics, queues and buses, and records them as well."""

    def __init__(self, services: Mapping[str, Service], records: MessageRecords) -> None:
        self._services, self._records = services, records

    def deliver(self, service: str, operation: str, request: Request, region: str) -> Response:
        """Return the service's output.

        Raises: ApiError, for example if the queue does not exist.
        """
        name = "eventbridge" if service == "events" else service
        call = self._services[name].call
        try:
            response = _put_events(call, request, region) if service == "events" else call(operation, request, region)
        except ApiError as error:
            if error.code == "NotFound" and "TopicArn" in request:  # moto takes the topic's ARN for an endpoint's
                raise ApiError(error.code, "Topic does not exist", error.status) from error
            raise
        self._records.record(service, operation, request, region, response)
        return response


def _put_events(call: Callable[[str, Request, str], Response], request: Request, region: str) -> Response:
    """Put the entries that EventBridge accepts; moto fails on a detail that is no JSON, and takes other details."""
    entries = [message_validation.entry_error(entry) for entry in request["Entries"]]
    accepted = [entry for entry, error in zip(request["Entries"], entries, strict=True) if not error]
    put = iter(call("PutEvents", {**request, "Entries": accepted}, region)["Entries"] if accepted else ())
    entries = [error or next(put) for error in entries]
    return {"Entries": entries, "FailedEntryCount": sum("ErrorCode" in entry for entry in entries)}


def services(moto: MotoServer, endpoint: str) -> dict[str, Service]:
    return {sdk_name: MotoService(name, moto, endpoint) for sdk_name, name in SERVICES.items()}
