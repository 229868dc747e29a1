"""moto's services as the local services are: called in process, with botocore's names. State machines need them.

botocore's client does all but the sending: what it would send goes to moto as if it had come over HTTP, so that it is
kept in the journal as well.
"""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

from mlci_emulator.integrations import Records
from mlci_emulator.protocol.http_responses import HttpResponse, environ_name
from mlci_emulator.protocol.operations import ApiError, Request, Response, Service
from mlci_emulator.server.moto_services.backend import SERVER, Moto

#: Whose operations a state machine can call by `aws-sdk:`, by the spelling there, with botocore's names.
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
    """One of moto's services. `endpoint` is this server's address, which queue URLs are made of."""

    def __init__(self, name: str, moto: Moto, endpoint: str) -> None:
        self._name, self._moto, self._endpoint = name, moto, endpoint
        self._clients: dict[str, Any] = {}
        self._lock = threading.Lock()

    def call(self, operation: str, request: Request, region: str) -> Response:
        """An operation's output.

        Raises: ApiError.
        """
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            answer: Response = self._client(region)._make_api_call(operation, dict(request))
        except ClientError as error:
            said, about = error.response["Error"], error.response["ResponseMetadata"]
            raise ApiError(said["Code"], said["Message"], about["HTTPStatusCode"]) from error
        except BotoCoreError as error:  # parameters that the model does not take
            raise ApiError("ValidationException", str(error)) from error
        answer.pop("ResponseMetadata", None)
        return answer

    def _client(self, region: str) -> Any:
        with self._lock:
            if region not in self._clients:
                self._clients[region] = self._made(region)
            return self._clients[region]

    def _made(self, region: str) -> Any:
        from botocore.config import Config
        from botocore.session import Session

        session = Session()
        session.set_credentials("mlci", "mlci")
        # The environment's endpoint, region and profile are about other clients than this one.
        config = Config(
            retries={"total_max_attempts": 1}, ignore_configured_endpoint_urls=True, inject_host_prefix=False
        )
        client = session.create_client(self._name, region_name=region, endpoint_url=self._endpoint, config=config)
        client.meta.events.register("before-send", lambda request, **_: _response(request, self._ask(request)))
        return client

    def _ask(self, request: Any) -> HttpResponse:
        parts = urlsplit(request.url)
        environ = {
            **SERVER,
            "REQUEST_METHOD": request.method,
            "PATH_INFO": parts.path or "/",
            "QUERY_STRING": parts.query,
            "HTTP_HOST": parts.netloc,
        }
        for name, value in request.headers.items():
            text = value.decode("latin-1") if isinstance(value, bytes) else str(value)
            environ[environ_name(name)] = text
        body = request.body or b""
        return self._moto.answer(environ, body.encode() if isinstance(body, str) else bytes(body))


class _Raw(io.BytesIO):
    """What botocore reads a body from."""

    def stream(self, amount: int | None = None, **_: object) -> Iterator[bytes]:
        yield self.read()


def _response(request: Any, answered: HttpResponse) -> Any:
    from botocore.awsrequest import AWSResponse

    return AWSResponse(request.url, answered.status, dict(answered.headers), _Raw(answered.body))


class MotoMessages:
    """Messages of state machines go to moto's topics, queues and buses, and are recorded as well."""

    def __init__(self, services: Mapping[str, Service], records: Records) -> None:
        self._services, self._records = services, records

    def deliver(self, service: str, operation: str, request: Request, region: str) -> Response:
        """What the service answers.

        Raises: ApiError, as for a queue that isn't there.
        """
        spelling = "eventbridge" if service == "events" else service
        answer = self._services[spelling].call(operation, request, region)
        self._records.note(service, operation, request, region, answer)
        return answer


def services(moto: Moto, endpoint: str) -> dict[str, Service]:
    return {spelling: MotoService(name, moto, endpoint) for spelling, name in SERVICES.items()}
