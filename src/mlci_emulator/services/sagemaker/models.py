"""Operations on models, endpoint configurations and endpoints.

An endpoint becomes InService once the artifacts of its models have been checked, and runtime.py serves them.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from mlci_emulator.errors import OperationError
from mlci_emulator.identity import ACCOUNT
from mlci_emulator.jobs.failure_reason import LIMIT
from mlci_emulator.protocol.operations import ApiError, Request, Response
from mlci_emulator.services.sagemaker import errors, tags
from mlci_emulator.services.sagemaker.records import Kind, NameInUseError, Record, SageMakerRecords
from mlci_emulator.services.timestamps import Clock
from mlci_emulator.store.directory import DirectoryStore
from mlci_emulator.store.s3_uris import canonical_s3_uri

#: The statuses in which an endpoint can't be changed. Source: API_DescribeEndpoint.html, EndpointStatus
_IN_TRANSITION = ("Creating", "Updating")


class EndpointServers(Protocol):
    """Serves endpoints. `runtime.EndpointRuntime` does."""

    def deploy(self, endpoint: Record, config: Record) -> None: ...

    def remove(self, endpoint: Record) -> None: ...


class Models:
    """The records of models, endpoint configurations and endpoints. `servers` is called once there is an endpoint."""

    def __init__(
        self,
        store: DirectoryStore,
        records: SageMakerRecords,
        logs: Path | None,
        now: Clock,
        servers: Callable[[], EndpointServers],
    ) -> None:
        self._servers = servers
        self._store, self._records, self._logs, self._now = store, records, logs, now
        self._lock = threading.Lock()

    # --- Models ---

    def create_model(self, request: Request, region: str) -> Response:
        if not request.get("PrimaryContainer") and not request.get("Containers"):
            raise errors.invalid("A model needs a PrimaryContainer or Containers.")
        if request.get("PrimaryContainer") and request.get("Containers"):
            raise errors.invalid("A model has either a PrimaryContainer or Containers, not both.")
        for container in _containers(request):
            if not container.get("Image") and not container.get("ModelPackageName"):
                raise errors.invalid("A container needs an Image or a ModelPackageName.")
            self._require_artifact(self._resolved(container, region))
        defaults = {"EnableNetworkIsolation": request.get("EnableNetworkIsolation", False)}
        return {"ModelArn": self._create("model", request, region, "Model", defaults).arn}

    def describe_model(self, request: Request, region: str) -> Response:
        return self.find(request["ModelName"], region).body

    def delete_model(self, request: Request, region: str) -> Response:
        self._records.remove(self.find(request["ModelName"], region))
        return {}

    def find(self, name: str, region: str) -> Record:
        """Return the record of a model.

        Raises: ApiError
        """
        return self._get_record("model", name, region)

    def container(self, model: Record) -> dict[str, Any]:
        """Return the model's request, in which the containers of its model package replace the package."""
        body = dict(model.body)
        if body.get("PrimaryContainer"):
            body["PrimaryContainer"] = self._resolved(body["PrimaryContainer"], model.region)
        else:
            body["Containers"] = [self._resolved(container, model.region) for container in body["Containers"]]
        return body

    def _resolved(self, container: Mapping[str, Any], region: str) -> dict[str, Any]:
        """Source: API_ContainerDefinition.html, ModelPackageName"""
        name = container.get("ModelPackageName")
        if not name:
            return dict(container)
        package = self._records.by_arn(name) or self._records.get("model-package", region, name)
        inner = ((package.body.get("InferenceSpecification") if package else None) or {}).get("Containers") or []
        if package is None or len(inner) != 1:
            raise errors.invalid(f'the local cloud has no model package "{name}" with one container')
        rest = {field: value for field, value in container.items() if field != "ModelPackageName"}
        environment = {**(inner[0].get("Environment") or {}), **(container.get("Environment") or {})}
        return {**inner[0], **rest, "Environment": environment}

    def _require_artifact(self, container: Mapping[str, Any]) -> None:
        source = (container.get("ModelDataSource") or {}).get("S3DataSource") or {}
        uri = container.get("ModelDataUrl") or source.get("S3Uri")
        if uri and not self._object_exists(uri, is_prefix=source.get("S3DataType") == "S3Prefix"):
            # Source: https://github.com/aws/sagemaker-python-sdk, quoted in many issues
            raise errors.invalid(f"Could not find model data at {uri}.")

    def _object_exists(self, uri: str, is_prefix: bool) -> bool:
        try:
            uri = canonical_s3_uri(uri)
            if is_prefix:
                return next(iter(self._store.list(uri if uri.endswith("/") else f"{uri}/")), None) is not None
            return self._store.exists(uri)
        except OperationError:
            return False  # a URL of something else than S3

    # --- Endpoint configurations ---

    def create_endpoint_config(self, request: Request, region: str) -> Response:
        _expect_supported(request)
        for variant in (*request["ProductionVariants"], *(request.get("ShadowProductionVariants") or [])):
            if variant.get("ModelName"):
                self.find(variant["ModelName"], region)
        return {"EndpointConfigArn": self._create("endpoint-config", request, region, "EndpointConfig", {}).arn}

    def describe_endpoint_config(self, request: Request, region: str) -> Response:
        return self._get_record("endpoint-config", request["EndpointConfigName"], region).body

    def delete_endpoint_config(self, request: Request, region: str) -> Response:
        self._records.remove(self._get_record("endpoint-config", request["EndpointConfigName"], region))
        return {}

    # --- Endpoints ---

    def create_endpoint(self, request: Request, region: str) -> Response:
        config = self._get_record("endpoint-config", request["EndpointConfigName"], region)
        members = {name: value for name, value in request.items() if name != "DeploymentConfig"}
        defaults = {"EndpointStatus": "Creating", "LastModifiedTime": self._now()}
        record = self._create("endpoint", members, region, "Endpoint", defaults, status="Creating")
        if self._logs is not None:
            record.log = str(self._logs / "Endpoints" / region / f"{record.name}.log")
        self._deploy(record, config)
        return {"EndpointArn": record.arn}

    def update_endpoint(self, request: Request, region: str) -> Response:
        config = self._get_record("endpoint-config", request["EndpointConfigName"], region)
        with self._lock:
            record = self._idle_endpoint(request["EndpointName"], region)
            before = record.body["EndpointConfigName"]
            record.body["EndpointConfigName"] = config.name
            self._set_status(record, "Updating")
        self._deploy(record, config, before)
        return {"EndpointArn": record.arn}

    def describe_endpoint(self, request: Request, region: str) -> Response:
        return self._get_record("endpoint", request["EndpointName"], region).body

    def delete_endpoint(self, request: Request, region: str) -> Response:
        with self._lock:
            record = self._idle_endpoint(request["EndpointName"], region)
            self._records.remove(record)
        self._servers().remove(record)
        return {}

    def _idle_endpoint(self, name: str, region: str) -> Record:
        """Return an endpoint that can be changed.

        Source: terraform-provider-aws and others, which wait on this error, also in DeleteEndpoint.
        """
        record = self._get_record("endpoint", name, region)
        if record.status in _IN_TRANSITION:
            raise errors.invalid(f'Cannot update in-progress endpoint "{record.arn}".')
        return record

    def finish_deployments(self) -> None:
        """Finish the deployments that a killed server left unfinished."""
        for record in self._records.select("kind = 'endpoint' AND status IN (?, ?)", _IN_TRANSITION):
            config = self._records.get("endpoint-config", record.region, record.body["EndpointConfigName"])
            if config is not None:
                self._deploy(record, config)

    def _deploy(self, record: Record, config: Record, before: str = "") -> None:
        arguments = (record, config, before)
        threading.Thread(target=self._check, args=arguments, name=record.arn, daemon=True).start()

    def _check(self, record: Record, config: Record, before: str) -> None:
        """Set an endpoint InService once each variant's model is served, and Failed if one can't be.

        An endpoint that can't be updated goes on with the configuration that it had `before`.
        Source: https://docs.aws.amazon.com/sagemaker/latest/dg/deployment-guardrails-blue-green.html
        """
        try:
            variants = [self._variant(variant, record.region) for variant in config.body["ProductionVariants"]]
            self._servers().deploy(record, config)
            status, changes = "InService", dict[str, Any](ProductionVariants=variants)
        except (ApiError, OperationError) as error:
            reason = error.message if isinstance(error, ApiError) else str(error)
            status, changes = "Failed", {"FailureReason": reason[:LIMIT]}
            if before:
                status, changes = "InService", {**changes, "EndpointConfigName": before}
        with self._lock:
            if self._records.get("endpoint", record.region, record.name) is not None:
                record.body.update(changes)
                self._set_status(record, status)

    def _variant(self, variant: Mapping[str, Any], region: str) -> dict[str, Any]:
        images = []
        for container in _containers(self.find(variant["ModelName"], region).body) if variant.get("ModelName") else []:
            resolved = self._resolved(container, region)
            self._require_artifact(resolved)
            image = resolved.get("Image", "")
            images.append({"SpecifiedImage": image, "ResolvedImage": image, "ResolutionTime": self._now()})
        weight, count = variant.get("InitialVariantWeight", 1.0), variant.get("InitialInstanceCount")
        result = {
            "VariantName": variant["VariantName"],
            "DeployedImages": images,
            "CurrentWeight": weight,
            "DesiredWeight": weight,
        }
        if count is not None:
            result |= {"CurrentInstanceCount": count, "DesiredInstanceCount": count}
        if variant.get("ServerlessConfig"):
            result["CurrentServerlessConfig"] = variant["ServerlessConfig"]
        return result

    def _set_status(self, record: Record, status: str) -> None:
        record.modified = self._now()
        record.status = status
        record.body |= {"EndpointStatus": status, "LastModifiedTime": record.modified}
        self._records.save(record)

    # --- All of them ---

    def _create(
        self, kind: Kind, request: Request, region: str, noun: str, defaults: Mapping[str, Any], status: str = ""
    ) -> Record:
        name, now = request[f"{noun}Name"], self._now()
        arn = arn_of(kind, name, region)
        members = {field: value for field, value in request.items() if field != "Tags" and value is not None}
        body = {**members, f"{noun}Arn": arn, "CreationTime": now, **defaults}
        record = Record(kind, region, name, arn, now, now, status, body=body)
        try:
            self._records.add(record)
        except NameInUseError as error:
            raise errors.already_exists(arn) from error
        tags.put(self._records, arn, request.get("Tags") or [])
        return record

    def _get_record(self, kind: Kind, name: str, region: str) -> Record:
        record = self._records.get(kind, region, name)
        if record is None:
            raise errors.not_found(arn_of(kind, name, region))
        return record


def arn_of(kind: Kind, name: str, region: str) -> str:
    return f"arn:aws:sagemaker:{region}:{ACCOUNT}:{kind}/{name}"


def _expect_supported(request: Request) -> None:
    """Reject settings whose results nothing would write.

    Raises: ApiError
    """
    for member in ("AsyncInferenceConfig", "ExplainerConfig"):
        if request.get(member):
            raise errors.invalid(f"The local cloud's endpoints have no {member}. Leave it out.")


def _containers(request: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [request["PrimaryContainer"]] if request.get("PrimaryContainer") else list(request.get("Containers") or [])
