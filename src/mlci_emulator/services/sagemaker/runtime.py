"""SageMaker Runtime's InvokeEndpoint: each call runs the model's inference script in a process of its own.

An invocation runs like a transform job with one record, so the response is the script's own. What a server would keep
between two calls (a loaded model, a cache) is created for each call.

Sources: botocore/data/sagemaker-runtime/2017-05-13; https://github.com/aws/amazon-sagemaker-examples/issues/293 (an
endpoint that is not there) and /issues/1809 (a model's error).
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlci_asl import StopSignal
from mlci_emulator.identity import ACCOUNT
from mlci_emulator.jobs import inference, requests, transform, transform_request
from mlci_emulator.jobs.job import JobContext, JobResult
from mlci_emulator.jobs.runner import LocalJobs
from mlci_emulator.jobs.transform_request import TransformRequest
from mlci_emulator.protocol.operations import ApiError, Request, Response
from mlci_emulator.services.sagemaker.models import Models
from mlci_emulator.services.sagemaker.records import Record, SageMakerRecords

#: Source: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_runtime_InvokeEndpoint.html: 60 seconds.
TIMEOUT_S = 60
_SUPPORTED_MEMBERS = ("EndpointName", "Body", "ContentType", "Accept", "TargetVariant", "InferenceId")


class EndpointRuntime:
    """Invokes endpoints; `stop` ends all invocations."""

    def __init__(
        self, runner: LocalJobs, records: SageMakerRecords, models: Models, logs: Path | None, stop: StopSignal
    ) -> None:
        self._runner, self._records, self._models, self._logs, self._stop = runner, records, models, logs, stop

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
        variant = self._variant(endpoint, request.get("TargetVariant"))
        job = self._job(endpoint, variant, request)
        log = self._runner.log(f"endpoint-{name}") if self._logs is None else Path(endpoint.log)
        response = self._runner.invoke(job, bytes(body), JobContext(endpoint.arn, log, self._stop))
        if isinstance(response, JobResult):
            raise _model_error(response, endpoint)
        data, kind = response
        return {"Body": data, "ContentType": kind, "InvokedProductionVariant": variant["VariantName"]}

    def _variant(self, endpoint: Record, requested: str | None) -> Mapping[str, Any]:
        """Return the requested variant, or a random one by weight."""
        config = self._records.get("endpoint-config", endpoint.region, endpoint.body["EndpointConfigName"])
        if config is None:
            raise _invalid(f"the configuration of the endpoint {endpoint.name} was deleted; the local cloud needs it")
        variants = config.body["ProductionVariants"]
        if requested is None:
            weights = [variant.get("InitialVariantWeight", 1.0) for variant in variants]
            chosen: Mapping[str, Any] = random.choices(variants, weights if any(weights) else None)[0]
            return chosen
        for variant in variants:
            if variant["VariantName"] == requested:
                return dict(variant)
        raise _invalid(f"Variant {requested} not found for Endpoint {endpoint.name}")

    def _job(self, endpoint: Record, variant: Mapping[str, Any], request: Request) -> TransformRequest:
        try:
            model = self._models.find(variant["ModelName"], endpoint.region)
            files = transform_request.model_files(self._models.container(model))
        except (ApiError, requests.UnsupportedRequest, KeyError) as error:
            raise _invalid(f"the endpoint {endpoint.name} has no model that can run here: {error}") from error
        accept = request.get("Accept") or "*/*"
        if accept == "*/*":
            accept = files.environment.get("SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT", inference.JSON)
        return TransformRequest(
            name=endpoint.name,
            model=files,
            source_uri="",
            output_uri="",
            content_type=request.get("ContentType"),
            accept=accept,
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


def _model_error(ending: JobResult, endpoint: Record) -> ApiError:
    kind, _, text = (ending.reason or "AlgorithmError: it was stopped").partition(": ")
    text = text.removeprefix(f"{transform.PAYLOAD}: ")
    what = "client error (400)" if kind == "ClientError" else "server error (500)"
    console = f"https://{endpoint.region}.console.aws.amazon.com/cloudwatch/home?region={endpoint.region}"
    return ApiError(
        "ModelError",
        f'Received {what} from primary with message "{text}". '
        f"See {console}#logEventViewer:group=/aws/sagemaker/Endpoints/{endpoint.name} in account {ACCOUNT} "
        "for more information.",
        424,
    )
