"""The pretended AWS as an endpoint, for commands that run in processes of their own."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

from support.fake_aws import BUCKET, JOB_ROLE, REGION, ROLE, PretendAws, dumped

#: The services of the JSON protocol, by what stands before the operation in X-Amz-Target.
_TARGETS = {"AWSStepFunctions": "sfn", "SageMaker": "sagemaker", "Logs_20140328": "cloudwatch-logs"}


@contextmanager
def endpoint(aws: PretendAws) -> Iterator[dict[str, str]]:
    """While in here, the environment of a command for which this is AWS."""
    moto: Callable[..., Iterable[bytes]] = DomainDispatcherApplication(create_backend_app)

    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        target, _, operation = environ.get("HTTP_X_AMZ_TARGET", "").partition(".")
        if target not in _TARGETS:
            aws.calls.append(f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']}")
            return moto(environ, start_response)
        service = _TARGETS[target]
        name = f"{service}.{operation}"
        aws.calls.append(name)
        instead = aws.fault(name)
        if instead is not None:
            start_response(f"{instead.status_code} told", [("Content-Type", "application/x-amz-json-1.0")])
            return [instead.content]
        status, answer = aws.serve(service, operation, environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])))
        start_response(f"{status} told", [("Content-Type", "application/x-amz-json-1.0")])
        return [dumped(answer).encode()]

    server = make_server("127.0.0.1", 0, application, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{server.server_port}",
            "AWS_ACCESS_KEY_ID": "key",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_DEFAULT_REGION": REGION,
            "AWS_CONFIG_FILE": "/dev/null",
            "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_DISABLE_HOST_PREFIX_INJECTION": "true",
            "MLCI_CLOUD": "aws",
            "MLCI_BUCKET": BUCKET,
            "MLCI_WORKFLOW_ROLE": ROLE,
            "MLCI_JOB_ROLE": JOB_ROLE,
        }
    finally:
        server.shutdown()
        thread.join()
