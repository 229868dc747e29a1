"""Operations on versions, which are immutable copies of state machines, and on aliases, which route to versions.

Source: https://docs.aws.amazon.com/step-functions/latest/dg/concepts-cd-aliasing-versioning.html, and the recorded
responses of LocalStack's tests test_sfn_api_versioning and test_sfn_api_aliasing.
"""

from __future__ import annotations

import random
import re
from typing import NamedTuple

from mlci_emulator.protocol.operations import ApiError, Request, Response
from mlci_emulator.protocol.timestamps import epoch_seconds
from mlci_emulator.services.stepfunctions import arns
from mlci_emulator.services.stepfunctions.pagination import page
from mlci_emulator.services.stepfunctions.records import Document, StepFunctionsRecords
from mlci_emulator.services.stepfunctions.state_machines import VERSIONED_MEMBERS, StateMachines, does_not_exist
from mlci_emulator.services.timestamps import Clock, from_epoch

_ALIAS = re.compile(r"(?!\d+$)[0-9A-Za-z_.-]{1,80}")


class ExecutionTarget(NamedTuple):
    """The document that a state machine ARN resolves to, and the version and alias that the ARN names."""

    doc: Document
    version_arn: str | None = None
    alias_arn: str | None = None


class Versions:
    """Versions and aliases of all state machines."""

    def __init__(self, records: StepFunctionsRecords, state_machines: StateMachines, now: Clock) -> None:
        self._records, self._state_machines, self._now = records, state_machines, now

    def publish(self, arn: str, description: str | None, revision: str | None = None) -> Document:
        """Return the version of the state machine's current revision; create it if it does not exist.

        Raises: ApiError.
        """
        with self._state_machines.lock:
            machine = self._state_machines.find(arn)
            if revision is not None and revision != machine["revision"]:
                message = (
                    f"Failed to publish the State Machine version for revision {revision}. "
                    f"The current State Machine revision is {machine['revision']}."
                )
                raise ApiError("ConflictException", message)
            newest = self._records.newest("version", arn)[:1]
            if newest and newest[0]["revision"] == machine["revision"]:
                return newest[0]
            machine["last_version"] += 1
            self._state_machines.save(machine)
            version: Document = {
                "arn": f"{arn}:{machine['last_version']}",
                "machine": arn,
                "name": machine["name"],
                "status": "ACTIVE",
                "created": epoch_seconds(self._now()),
                "revision": machine["revision"],
                "description": description or "",
                **{name: machine[name] for name in VERSIONED_MEMBERS if name in machine},
            }
            self._records.put("version", version["arn"], arn, version)
            return version

    def target(self, text: str) -> ExecutionTarget:
        """Return what is run or described for the ARN of a state machine, a version or an alias.

        Raises: ApiError.
        """
        arn, qualifier = arns.split_machine_arn(text)
        if qualifier is None:
            return ExecutionTarget(self._state_machines.find(arn))
        if qualifier.isdigit():
            return ExecutionTarget(self.version(text), text)
        alias = self._records.get("alias", text)
        if alias is None:
            raise does_not_exist(text)
        routes = alias["routes"]
        chosen = random.choices(routes, [route["weight"] for route in routes])[0]["stateMachineVersionArn"]
        return ExecutionTarget(self.version(chosen), chosen, text)

    def version(self, arn: str) -> Document:
        doc = self._records.get("version", arn)
        if doc is None:
            raise does_not_exist(arn)
        return doc

    def delete_version(self, request: Request) -> Response:
        arn = str(request["stateMachineVersionArn"])
        machine, number = arns.split_machine_arn(arn)
        if number is None or not number.isdigit():
            raise ApiError("ValidationException", f"Invalid version ARN: {arn}")
        with self._state_machines.lock:
            aliases = self._records.newest("alias", machine)
            using = [
                alias["name"] for alias in aliases if any(r["stateMachineVersionArn"] == arn for r in alias["routes"])
            ]
            if using:
                message = (
                    "Version to be deleted must not be referenced by an alias. "
                    f"Current list of aliases referencing this version: [{', '.join(using)}]"
                )
                raise ApiError("ConflictException", message)
            self._records.delete("version", arn)
        return {}

    def list_versions(self, request: Request) -> Response:
        arn, _ = arns.split_machine_arn(str(request["stateMachineArn"]))
        self._state_machines.find(arn)
        docs = self._records.newest("version", arn)
        return page(docs, request, f"versions {arn}", "stateMachineVersions", _listed_version)

    def create_alias(self, request: Request) -> Response:
        name = str(request["name"])
        if not _ALIAS.fullmatch(name):
            rule = r"Member must satisfy regular expression pattern: ^(?=.*[a-zA-Z_\-\.])[a-zA-Z0-9_\-\.]+$"
            raise _refused(
                f"1 validation error detected: Value '{name}' at 'name' failed to satisfy constraint: {rule}"
            )
        with self._state_machines.lock:
            routes, machine = self._routes(request["routingConfiguration"])
            arn = f"{machine}:{name}"
            moment = epoch_seconds(self._now())
            doc: Document = {
                "arn": arn,
                "machine": machine,
                "name": name,
                "routes": routes,
                "created": moment,
                "updated": moment,
            }
            doc["description"] = str(request.get("description") or "")
            old = self._records.get("alias", arn)
            if old is not None:
                if all(old[member] == doc[member] for member in ("routes", "description")):
                    return {"stateMachineAliasArn": arn, "creationDate": from_epoch(old["created"])}
                message = (
                    "Failed to create alias because an alias with the same name "
                    "and a different routing configuration already exists."
                )
                raise ApiError("ConflictException", message)
            self._records.put("alias", arn, machine, doc)
        return {"stateMachineAliasArn": arn, "creationDate": from_epoch(moment)}

    def update_alias(self, request: Request) -> Response:
        arn = str(request["stateMachineAliasArn"])
        if request.get("description") is None and request.get("routingConfiguration") is None:
            raise ApiError(
                "ValidationException", "Either the description or the routing configuration must be specified"
            )
        with self._state_machines.lock:
            doc = self._alias(arn)
            if request.get("routingConfiguration") is not None:
                doc["routes"], _ = self._routes(request["routingConfiguration"])
            if request.get("description") is not None:
                doc["description"] = str(request["description"])
            doc["updated"] = epoch_seconds(self._now())
            self._records.put("alias", arn, doc["machine"], doc)
        return {"updateDate": from_epoch(doc["updated"])}

    def describe_alias(self, request: Request) -> Response:
        doc = self._alias(str(request["stateMachineAliasArn"]))
        described = {"description": doc["description"]} if doc["description"] else {}
        return {
            "stateMachineAliasArn": doc["arn"],
            "name": doc["name"],
            **described,
            "routingConfiguration": doc["routes"],
            "creationDate": from_epoch(doc["created"]),
            "updateDate": from_epoch(doc["updated"]),
        }

    def delete_alias(self, request: Request) -> Response:
        arn = str(request["stateMachineAliasArn"])
        arns.split_machine_arn(arn)
        self._records.delete("alias", arn)
        return {}

    def list_aliases(self, request: Request) -> Response:
        text = str(request["stateMachineArn"])
        arn, qualifier = arns.split_machine_arn(text)
        self._state_machines.find(arn)
        docs = sorted(self._records.newest("alias", arn), key=lambda doc: str(doc["name"]))
        if qualifier is not None:
            docs = [doc for doc in docs if _routes_to(doc, text)]
        return page(docs, request, f"aliases {text}", "stateMachineAliases", _listed_alias)

    def _alias(self, arn: str) -> Document:
        arns.split_machine_arn(arn)
        doc = self._records.get("alias", arn)
        if doc is None:
            raise ApiError("ResourceNotFound", "Request references a resource that does not exist.")
        return doc

    def _routes(self, configuration: list[Document]) -> tuple[list[Document], str]:
        named = [str(route["stateMachineVersionArn"]) for route in configuration]
        if not all((arns.split_machine_arn(arn)[1] or "").isdigit() for arn in named):
            received = ", ".join(named)
            raise _refused(f"Routing configuration must contain state machine version ARNs. Received: [{received}]")
        machines = {arns.split_machine_arn(arn)[0] for arn in named}
        if len(machines) != 1:
            raise _refused("Routing configuration must contain versions of one state machine")
        weights = [int(route["weight"]) for route in configuration]
        if sum(weights) != 100:
            raise _refused(f"Sum of routing configuration weights must equal 100. Received: {weights}")
        if len(set(named)) < len(named):
            received = ", ".join(named)
            raise _refused(
                f"Routing configuration must contain distinct state machine version ARNs. Received: [{received}]"
            )
        machine = machines.pop()
        self._state_machines.find(machine)
        for route in configuration:
            if self._records.get("version", str(route["stateMachineVersionArn"])) is None:
                raise ApiError("ResourceNotFound", "Request references a resource that does not exist.")
        return [
            {"stateMachineVersionArn": r["stateMachineVersionArn"], "weight": int(r["weight"])} for r in configuration
        ], machine


def _routes_to(alias: Document, version_arn: str) -> bool:
    return any(route["stateMachineVersionArn"] == version_arn for route in alias["routes"])


def _refused(message: str) -> ApiError:
    return ApiError("ValidationException", message)


def _listed_version(doc: Document) -> Response:
    return {"stateMachineVersionArn": doc["arn"], "creationDate": from_epoch(doc["created"])}


def _listed_alias(doc: Document) -> Response:
    return {"stateMachineAliasArn": doc["arn"], "creationDate": from_epoch(doc["created"])}
