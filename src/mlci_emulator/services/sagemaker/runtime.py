"""Deploys endpoints, and responds to InvokeEndpoint of SageMaker Runtime.

A deployed endpoint has a lasting process for each of its variants, and an address on this machine. One that an earlier
server left in service is served again from its next invocation on.

Sources: botocore/data/sagemaker-runtime/2017-05-13; https://github.com/aws/amazon-sagemaker-examples/issues/293 (an
endpoint that is not there), /issues/1809 (a model's error) and /issues/1131 (the ping health check).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from mlci_emulator.identity import ACCOUNT
from mlci_emulator.jobs import inference, requests, transform_request
from mlci_emulator.jobs.runner import LocalJobs
from mlci_emulator.jobs.transform_request import TransformRequest
from mlci_emulator.protocol.operations import ApiError, Request, Response
from mlci_emulator.services.sagemaker.data_capture import DataCapture
from mlci_emulator.services.sagemaker.deployments import (
    TIMEOUT_S,
    Answer,
    Deployment,
    Variant,
    VariantServer,
    ping_timeout_s,
)
from mlci_emulator.services.sagemaker.endpoint_listener import EndpointListener
from mlci_emulator.services.sagemaker.models import Models
from mlci_emulator.services.sagemaker.records import Record, SageMakerRecords
from mlci_emulator.store.directory import DirectoryStore

_SUPPORTED_MEMBERS = ("EndpointName", "Body", "ContentType", "Accept", "TargetVariant", "InferenceId")


class EndpointRuntime:
    """Deploys and invokes endpoints. `report` gets the address of each."""

    def __init__(
        self,
        runner: LocalJobs,
        store: DirectoryStore,
        records: SageMakerRecords,
        models: Models,
        logs: Path | None,
        report: Callable[[str], None],
    ) -> None:
        self._runner, self._store, self._records, self._models = runner, store, records, models
        self._logs, self._report, self._lock = logs, report, threading.Lock()
        self._deployments: dict[str, Deployment] = {}
        self._listeners: dict[str, EndpointListener] = {}
        self._is_closed = False

    def deploy(self, endpoint: Record, config: Record) -> None:
        """Serve an endpoint by a configuration, once all of its variants respond; what served it before ends then.

        Raises: ApiError, for a variant that can't be served; what served the endpoint before goes on.
        """
        deployment = self._started(endpoint, config)
        failure = deployment.failure()
        if failure is not None:
            deployment.close()
            variant, reason = failure
            what = (
                f"The primary container for production variant {variant} did not pass the ping health check. "
                f"Please check CloudWatch logs for this endpoint. {reason}"
            )
            raise _invalid(what)
        with self._lock:
            is_late = self._is_closed
            before = None if is_late else self._deployments.get(endpoint.arn)
            if not is_late:
                self._deployments[endpoint.arn] = deployment
        if is_late:
            deployment.close()
        elif before is not None:
            before.close()
        else:
            self._listen(endpoint)

    def remove(self, endpoint: Record) -> None:
        """Serve an endpoint no longer."""
        with self._lock:
            deployment, listener = self._deployments.pop(endpoint.arn, None), self._listeners.pop(endpoint.arn, None)
        if listener is not None:
            listener.close()
        if deployment is not None:
            deployment.close()

    def urls(self) -> dict[str, str]:
        """Return the address of each endpoint that is served, by its name."""
        with self._lock:
            return {arn.rpartition("/")[2]: listener.url for arn, listener in self._listeners.items()}

    def close(self) -> None:
        """Serve nothing any longer."""
        with self._lock:
            self._is_closed = True
            deployments, listeners = list(self._deployments.values()), list(self._listeners.values())
            self._deployments, self._listeners = {}, {}
        for listener in listeners:
            listener.close()
        for deployment in deployments:
            deployment.close()

    def invoke(self, request: Request, region: str) -> Response:
        """Return the model's response.

        Raises: ApiError
        """
        name, body = request.get("EndpointName"), request.get("Body")
        if not isinstance(name, str) or not isinstance(body, bytes | bytearray):
            raise _invalid("an invocation needs an EndpointName and a Body of bytes")
        for field in request:
            if field not in _SUPPORTED_MEMBERS:
                raise _invalid(f"the local cloud does not do the {field} of an invocation")
        endpoint = self._records.get("endpoint", region, name)
        if endpoint is None or endpoint.status not in ("InService", "Updating"):
            raise _invalid(f"Endpoint {name} of account {ACCOUNT} not found.")
        deployment = self._deployment(endpoint)
        variant = deployment.variant(request.get("TargetVariant"))
        if variant is None:
            raise _invalid(f"Variant {request.get('TargetVariant')} not found for Endpoint {name}")
        types = {"Content-Type": request.get("ContentType"), "Accept": request.get("Accept")}
        answer = deployment.invoke(variant, bytes(body), types, request.get("InferenceId"))
        if answer.status != 200:
            raise _model_error(answer, endpoint)
        return {"Body": answer.body, "ContentType": answer.content_type, "InvokedProductionVariant": variant.name}

    def _deployment(self, endpoint: Record) -> Deployment:
        """Return what serves an endpoint; one of an earlier server is started."""
        with self._lock:
            deployment = self._deployments.get(endpoint.arn)
        if deployment is None:
            config = self._records.get("endpoint-config", endpoint.region, endpoint.body["EndpointConfigName"])
            if config is None:
                what = f"the configuration of the endpoint {endpoint.name} was deleted; the local cloud needs it"
                raise _invalid(what)
            self.deploy(endpoint, config)
            deployment = self._deployments[endpoint.arn]
        return deployment

    def _listen(self, endpoint: Record) -> None:
        def invoke(body: bytes, types: Mapping[str, str | None]) -> Answer:
            with self._lock:
                deployment = self._deployments.get(endpoint.arn)
            variant = deployment.variant(None) if deployment else None
            if deployment is None or variant is None:
                return Answer(503, b"", "text/plain")
            return deployment.invoke(variant, body, types)

        listener = EndpointListener(invoke)
        with self._lock:
            self._listeners[endpoint.arn] = listener
        self._report(f"the endpoint {endpoint.name} is served at {listener.url}/invocations")

    def _started(self, endpoint: Record, config: Record) -> Deployment:
        """Return a deployment whose processes are starting."""
        log = self._runner.log(f"endpoint-{endpoint.name}") if self._logs is None else Path(endpoint.log)
        requests_ = [self._request(endpoint, variant) for variant in config.body["ProductionVariants"]]
        capture = config.body.get("DataCaptureConfig") or {}
        is_captured = capture and capture.get("EnableCapture", True)
        variants = []
        for variant, request in zip(config.body["ProductionVariants"], requests_, strict=True):
            name = variant["VariantName"]
            server = VariantServer(self._runner, request, endpoint.arn, log, ping_timeout_s(variant))
            captured = DataCapture(self._store, capture, endpoint.name, name) if is_captured else None
            variants.append(Variant(name, variant.get("InitialVariantWeight", 1.0), server, captured))
        return Deployment(tuple(variants))

    def _request(self, endpoint: Record, variant: Mapping[str, Any]) -> TransformRequest:
        try:
            model = self._models.find(variant["ModelName"], endpoint.region)
            files = transform_request.model_files(self._models.container(model))
        except (ApiError, requests.UnsupportedRequest, KeyError) as error:
            raise _invalid(f"the endpoint {endpoint.name} has no model that can run here: {error}") from error
        return TransformRequest(
            name=endpoint.name,
            model=files,
            source_uri="",
            output_uri="",
            content_type=None,
            accept=files.environment.get("SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT", inference.JSON),
            split="None",
            strategy="SingleRecord",
            assemble="None",
            max_bytes=0,
            timeout_s=TIMEOUT_S,
            filters=None,
            environment={**files.environment},
            max_runtime_s=TIMEOUT_S,
        )


def _invalid(message: str) -> ApiError:
    return ApiError("ValidationError", message)


def _model_error(answer: Answer, endpoint: Record) -> ApiError:
    text = answer.body.decode("utf-8", "replace")
    what = "client error (400)" if answer.status == 400 else f"server error ({answer.status})"
    console = f"https://{endpoint.region}.console.aws.amazon.com/cloudwatch/home?region={endpoint.region}"
    return ApiError(
        "ModelError",
        f'Received {what} from primary with message "{text}". '
        f"See {console}#logEventViewer:group=/aws/sagemaker/Endpoints/{endpoint.name} in account {ACCOUNT} "
        "for more information.",
        424,
    )
