"""Operations on state machines: create, update, describe, delete, list, and tags.

Source: https://docs.aws.amazon.com/step-functions/latest/apireference/API_CreateStateMachine.html and its neighbours,
and the recorded responses of LocalStack's tests test_sfn_api.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from mlci_emulator.protocol.operations import ApiError, Request, Response
from mlci_emulator.protocol.timestamps import epoch_seconds
from mlci_emulator.services.stepfunctions import arns
from mlci_emulator.services.stepfunctions.definitions import Definitions
from mlci_emulator.services.stepfunctions.pagination import page
from mlci_emulator.services.stepfunctions.records import ENCRYPTION, Document, Kind, StepFunctionsRecords
from mlci_emulator.services.timestamps import Clock, from_epoch

#: The revision of a state machine that has never been updated; descriptions omit it.
INITIAL = "INITIAL"
_LOGGING = {"level": "OFF", "includeExecutionData": False}
_TRACING = {"enabled": False}
#: Two requests with one name are the same if they agree in these members.
_IDENTITY_MEMBERS = ("definition", "type", "loggingConfiguration", "tracingConfiguration", "encryptionConfiguration")
#: The members that a version copies from its state machine.
VERSIONED_MEMBERS = (
    "definition",
    "roleArn",
    "type",
    "loggingConfiguration",
    "tracingConfiguration",
    "encryptionConfiguration",
)


class StateMachines:
    """The state machines of all regions."""

    def __init__(
        self,
        records: StepFunctionsRecords,
        definitions: Definitions,
        account: str,
        now: Clock,
        has_log_group: Callable[[str], bool] = lambda arn: True,
    ) -> None:
        self._records, self._definitions, self._account, self._now = records, definitions, account, now
        self._has_log_group = has_log_group
        self.lock = threading.RLock()

    def create(self, request: Request, region: str) -> tuple[Document, bool]:
        """Create a state machine; return its document, and True if it is new.

        Raises: ApiError.
        """
        name = str(request["name"])
        arns.check_name(name)
        if request.get("versionDescription") and not request.get("publish"):
            raise ApiError("ValidationException", "Version description can only be set when publish is true")
        self._definitions.load(str(request["definition"]), str(request.get("type", "STANDARD")))
        arn = arns.machine_arn(region, self._account, name)
        doc = self._new(request, arn, name)
        with self.lock:
            old = self._records.get("machine", arn)
            if old is not None and all(old.get(member) == doc.get(member) for member in _IDENTITY_MEMBERS):
                return old, False
            if old is not None:
                raise ApiError("StateMachineAlreadyExists", f"State Machine Already Exists: '{arn}'")
            self._records.put("machine", arn, region, doc)
        return doc, True

    def _new(self, request: Request, arn: str, name: str) -> Document:
        doc: Document = {
            "arn": arn,
            "name": name,
            "status": "ACTIVE",
            "definition": str(request["definition"]),
            "roleArn": str(request["roleArn"]),
            "type": str(request.get("type", "STANDARD")),
            "created": epoch_seconds(self._now()),
            "revision": INITIAL,
            "loggingConfiguration": self._logging(request.get("loggingConfiguration") or {}),
            "tracingConfiguration": {**_TRACING, **(request.get("tracingConfiguration") or {})},
            "encryptionConfiguration": request.get("encryptionConfiguration") or dict(ENCRYPTION),
            "tags": {str(tag["key"]): str(tag["value"]) for tag in request.get("tags") or ()},
            "last_version": 0,
        }
        return doc

    def find(self, arn: str) -> Document:
        """Return a state machine.

        Raises: ApiError StateMachineDoesNotExist.
        """
        doc = self._records.get("machine", arn)
        if doc is None:
            raise does_not_exist(arn)
        return doc

    def save(self, doc: Document) -> None:
        self._records.put("machine", doc["arn"], doc["arn"].split(":")[3], doc)

    def update(self, request: Request) -> Document:
        """Update a state machine, and return its new revision.

        Raises: ApiError.
        """
        arn, qualifier = arns.split_machine_arn(str(request["stateMachineArn"]))
        if qualifier is not None:
            raise does_not_exist(str(request["stateMachineArn"]))
        members = [name for name in VERSIONED_MEMBERS if name != "type" and request.get(name) is not None]
        if not members:
            message = (
                "Either the definition, the role ARN, the LoggingConfiguration, "
                "or the TracingConfiguration must be specified"
            )
            raise ApiError("MissingRequiredParameter", message)
        if request.get("versionDescription") and not request.get("publish"):
            raise ApiError("ValidationException", "Version description can only be set when publish is true")
        with self.lock:
            doc = self.find(arn)
            if request.get("definition") is not None:
                self._definitions.load(str(request["definition"]), doc["type"])
            new = {name: request[name] for name in members}
            if "loggingConfiguration" in new:
                new["loggingConfiguration"] = self._logging(new["loggingConfiguration"])
            if "tracingConfiguration" in new:
                new["tracingConfiguration"] = {**_TRACING, **new["tracingConfiguration"]}
            if any(doc.get(name) != value for name, value in new.items()):
                doc.update(new, revision=str(uuid.uuid4()), updated=epoch_seconds(self._now()))
                self.save(doc)
        return doc

    def describe(self, doc: Document) -> Response:
        """DescribeStateMachine of a state machine, or of a version, which has the same members."""
        response: Response = {
            "stateMachineArn": doc["arn"],
            "name": doc["name"],
            "status": doc["status"],
            **{name: doc[name] for name in VERSIONED_MEMBERS if name in doc},
            "creationDate": from_epoch(doc["created"]),
        }
        if doc["revision"] != INITIAL:
            response["revisionId"] = doc["revision"]
        if doc.get("description"):
            response["description"] = doc["description"]
        return {**response, **self._definitions.references(doc["definition"], doc["type"])}

    def delete(self, arn: str) -> None:
        """Delete a state machine with its versions and aliases; its executions continue."""
        with self.lock:
            self._records.delete("machine", arn)
            kinds: tuple[Kind, ...] = ("version", "alias")
            for kind in kinds:
                for doc in self._records.newest(kind, arn):
                    self._records.delete(kind, doc["arn"])

    def list(self, request: Request, region: str) -> Response:
        """ListStateMachines, by name."""
        docs = sorted(self._records.newest("machine", region), key=lambda doc: str(doc["name"]))
        return page(docs, request, "machines", "stateMachines", _list_entry)

    def tag(self, request: Request) -> Response:
        doc, kind = self._tagged(str(request["resourceArn"]))
        doc["tags"].update({str(tag["key"]): str(tag.get("value", "")) for tag in request["tags"]})
        self._save_tagged(doc, kind)
        return {}

    def untag(self, request: Request) -> Response:
        doc, kind = self._tagged(str(request["resourceArn"]))
        for key in request["tagKeys"]:
            doc["tags"].pop(key, None)
        self._save_tagged(doc, kind)
        return {}

    def tags(self, request: Request) -> Response:
        doc, _ = self._tagged(str(request["resourceArn"]))
        return {"tags": [{"key": key, "value": value} for key, value in doc["tags"].items()]}

    def _tagged(self, arn: str) -> tuple[Document, Kind]:
        kind = arns.parse(arn, "stateMachine", "activity").kind
        found: Kind = "machine" if kind == "stateMachine" else "activity"
        doc = self._records.get(found, arn)
        if doc is None:
            raise ApiError("ResourceNotFound", f"Resource not found: '{arn}'")
        return doc, found

    def _logging(self, configuration: Mapping[str, Any]) -> Document:
        """Return a logging configuration with its defaults.

        The messages are those of the recorded tests test_invalid_logging_configuration, test_multiple_destinations and
        test_deleted_log_group of LocalStack, whose snapshots also have levels of OFF without a destination.

        Raises: ApiError InvalidLoggingConfiguration.
        """
        complete: Document = {**_LOGGING, **configuration}
        destinations = complete.get("destinations") or ()
        if len(destinations) > 1 or (not destinations and complete["level"] != "OFF"):
            raise _invalid_logging("Must specify exactly one Log Destination.")
        for destination in destinations:
            arn = (destination.get("cloudWatchLogsLogGroup") or {}).get("logGroupArn")
            if arn is not None and not self._has_log_group(arn):
                raise _invalid_logging("Log Destination not found.")
        return complete

    def _save_tagged(self, doc: Document, kind: Kind) -> None:
        self._records.put(kind, doc["arn"], doc["arn"].split(":")[3], doc)


def _invalid_logging(what: str) -> ApiError:
    return ApiError("InvalidLoggingConfiguration", f"Invalid Logging Configuration: {what}")


def does_not_exist(arn: str) -> ApiError:
    return ApiError("StateMachineDoesNotExist", f"State Machine Does Not Exist: '{arn}'")


def _list_entry(doc: Document) -> Response:
    return {
        "stateMachineArn": doc["arn"],
        "name": doc["name"],
        "type": doc["type"],
        "creationDate": from_epoch(doc["created"]),
    }
