"""Operations on executions: start, describe, list, stop and redrive.

Source: https://docs.aws.amazon.com/step-functions/latest/apireference/API_StartExecution.html and its neighbours, and
the recorded responses of LocalStack's tests test_sfn_api and test_sfn_api_express.
"""

from __future__ import annotations

import json
import threading
import uuid
from datetime import datetime, timezone
from typing import Any

import mlci_asl as asl
from mlci_emulator.protocol.operations import ApiError, Request, Response
from mlci_emulator.protocol.timestamps import epoch_seconds
from mlci_emulator.services.stepfunctions import arns, execution_responses, history
from mlci_emulator.services.stepfunctions.definitions import Definitions
from mlci_emulator.services.stepfunctions.execution_threads import ExecutionThreads, RunningExecution
from mlci_emulator.services.stepfunctions.pagination import bounds, token
from mlci_emulator.services.stepfunctions.records import Document, StepFunctionsRecords
from mlci_emulator.services.stepfunctions.state_machines import INITIAL, StateMachines
from mlci_emulator.services.stepfunctions.versions import ExecutionTarget, Versions
from mlci_emulator.services.timestamps import Clock, from_epoch

_STOP_S = 30.0


class Executions:
    """The executions of all state machines. As on AWS, express executions are not stored after their end."""

    def __init__(
        self,
        records: StepFunctionsRecords,
        definitions: Definitions,
        state_machines: StateMachines,
        versions: Versions,
        runner: ExecutionThreads,
        now: Clock,
    ) -> None:
        self._records, self._definitions, self._state_machines, self._versions = (
            records,
            definitions,
            state_machines,
            versions,
        )
        self._runner, self._now = runner, now
        self._lock = threading.Lock()

    def start(self, request: Request) -> Response:
        """StartExecution."""
        target = self._versions.target(str(request["stateMachineArn"]))
        input_text, name = _input(request), self._name(request)
        with self._lock:
            if target.doc["type"] != "EXPRESS":
                arn = arns.execution_arn(_machine(target), name)
                old = self._records.get("execution", arn)
                if old is not None:
                    return _existing_execution(old, input_text)
            running = self._new(target, name, input_text)
            self._runner.start(running)
        return {"executionArn": running.doc["arn"], "startDate": from_epoch(running.doc["started"])}

    def start_sync(self, request: Request) -> Response:
        """StartSyncExecution: an express execution, run to its end."""
        target = self._versions.target(str(request["stateMachineArn"]))
        if target.doc["type"] != "EXPRESS":
            raise type_not_supported()
        running = self._new(target, self._name(request), _input(request))
        doc = self._runner.run(running)
        if doc["status"] == "ABORTED":  # by `close`; on AWS, StartSyncExecution has no such status
            raise ApiError("ServiceUnavailable", "the server is stopping", 503)
        millis = max(1, round((doc["stopped"] - doc["started"]) * 1000))
        response = {
            **execution_responses.describe(doc),
            "stopDate": from_epoch(doc["stopped"]),
            "outputDetails": {"included": True},
        }
        for member in ("redriveCount", "redriveStatus", "redriveStatusReason"):
            response.pop(member, None)
        billed = {"billedMemoryUsedInMB": 64, "billedDurationInMilliseconds": -(-millis // 100) * 100}
        return {**response, "billingDetails": billed}

    def _name(self, request: Request) -> str:
        name = str(request.get("name") or uuid.uuid4())
        arns.check_name(name)
        return name

    def _new(self, target: ExecutionTarget, name: str, input_text: str) -> RunningExecution:
        machine_arn, started = _machine(target), self._now()
        is_express = target.doc["type"] == "EXPRESS"
        arn = arns.execution_arn(machine_arn, name)
        if is_express:
            arn = arns.express_arn(machine_arn, name, str(uuid.uuid4()))
        doc: Document = {
            "arn": arn,
            "machine": machine_arn,
            "machine_name": target.doc["name"],
            "name": name,
            "status": "RUNNING",
            "type": target.doc["type"],
            "input": input_text,
            "started": epoch_seconds(started),
            "redrives": 0,
            "version": target.version_arn,
            "alias": target.alias_arn,
            "definition": self._records.save_text(target.doc["definition"]),
            "roleArn": target.doc["roleArn"],
            "revision": target.doc["revision"],
            "revised": target.doc.get("updated", target.doc["created"]),
            "loggingConfiguration": target.doc["loggingConfiguration"],
            "tracingConfiguration": target.doc["tracingConfiguration"],
            "encryptionConfiguration": target.doc["encryptionConfiguration"],
        }
        return self._running(doc, None)

    def _running(self, doc: Document, resume: asl.Resume | None) -> RunningExecution:
        context = asl.Context(
            execution_arn=doc["arn"],
            execution_name=doc["name"],
            role_arn=doc["roleArn"],
            started=datetime.fromtimestamp(doc["started"], timezone.utc),
            machine_arn=doc["machine"],
            machine_name=doc["machine_name"],
            version_arn=doc["version"],
            alias_arn=doc["alias"],
        )
        machine = self._definitions.parse(self._records.text(doc["definition"]), doc["type"])
        return RunningExecution(doc, machine, context, resume)

    def find(self, text: str) -> Document:
        """Return a standard execution.

        Raises: ApiError.
        """
        arn = arns.parse(text, "execution")
        doc = self._records.get("execution", arn.text)
        if doc is None:
            raise ApiError("ExecutionDoesNotExist", f"Execution Does Not Exist: '{text}'")
        return doc

    def describe(self, request: Request) -> Response:
        doc = self.find(str(request["executionArn"]))
        response = execution_responses.describe(doc)
        if request.get("includedData") == "METADATA_ONLY":
            for member in ("input", "output", "inputDetails", "outputDetails"):
                response.pop(member, None)
        return response

    def describe_machine(self, request: Request) -> Response:
        """DescribeStateMachineForExecution: the state machine as it was when the execution started."""
        doc = self.find(str(request["executionArn"]))
        definition = self._records.text(doc["definition"])
        response = {
            "stateMachineArn": doc["machine"],
            "name": doc["machine_name"],
            "definition": definition,
            "roleArn": doc["roleArn"],
            "updateDate": from_epoch(doc["revised"]),
            "loggingConfiguration": doc["loggingConfiguration"],
            "tracingConfiguration": doc["tracingConfiguration"],
            "encryptionConfiguration": doc["encryptionConfiguration"],
        }
        if doc["revision"] != INITIAL:
            response["revisionId"] = doc["revision"]
        return {**response, **self._definitions.references(definition, doc["type"])}

    def history(self, request: Request) -> Response:
        return history.page_of_events(self._records, self.find(str(request["executionArn"]))["arn"], request)

    def list(self, request: Request) -> Response:
        """ListExecutions of a state machine, a version or an alias, the newest first."""
        text = str(request.get("stateMachineArn") or "")
        machine, qualifier = arns.split_machine_arn(text)
        if self._state_machines.find(machine)["type"] == "EXPRESS":
            raise type_not_supported()
        status, redrives = request.get("statusFilter"), request.get("redriveFilter")
        of = f"executions {text} {status} {redrives}"
        before, size = bounds(request, of)
        found = self._records.executions(
            machine,
            status=status,
            qualified=text if qualifier is not None else None,
            is_redriven=redrives == "REDRIVEN" if redrives else None,
            before=before,
            limit=size + 1,
        )
        response: Response = {"executions": [execution_responses.list_entry(doc) for _, doc in found[:size]]}
        if len(found) > size:
            response["nextToken"] = token(found[size - 1][0], of)
        return response

    def stop(self, request: Request) -> Response:
        """StopExecution; an execution that has ended does not change."""
        doc = self.find(str(request["executionArn"]))
        running = self._runner.find(doc["arn"])
        if running is not None:
            running.stop.set(str(request.get("error") or ""), str(request.get("cause") or ""))
            running.ended.wait(_STOP_S)
            doc = self.find(doc["arn"])
        return {"stopDate": from_epoch(doc.get("stopped") or epoch_seconds(self._now()))}

    def wait(self, arn: str, stop: asl.StopSignal) -> None:
        """Wait for an execution's end; `stop` stops the execution."""
        running = self._runner.find(arn)
        if running is None:
            return
        undo = stop.subscribe(lambda: running.stop.set(stop.error, stop.cause))
        try:
            running.ended.wait()
        finally:
            undo()

    def redrive(self, request: Request) -> Response:
        """RedriveExecution: continue from the state at which the execution ended."""
        with self._lock:
            doc = self.find(str(request["executionArn"]))
            why_not = execution_responses.not_redrivable_reason(doc)
            if why_not:
                raise ApiError("ExecutionNotRedrivable", why_not)
            for member in ("stopped", "error", "cause", "output"):
                doc.pop(member, None)
            doc["redrives"] += 1
            doc["status"], doc["redriven"] = "RUNNING", epoch_seconds(self._now())
            resume = asl.Resume(history.events(self._records, doc["arn"]), doc["redrives"])
            self._runner.start(self._running(doc, resume))
        return {"redriveDate": from_epoch(doc["redriven"])}

    def abort_abandoned(self, cause: str) -> None:
        """Abort the executions that ran when the previous process with these records was killed."""
        for doc in list(self._records.with_status("execution", "RUNNING")):
            past = history.events(self._records, doc["arn"])
            end = past[-1] if past and past[-1].type in history.ENDS else None
            if end is None:
                details: Any = {"executionAbortedEventDetails": {"cause": cause}}
                end = asl.Event(past[-1].id + 1 if past else 1, 0, self._now(), "ExecutionAborted", details)
                history.save(self._records, doc["arn"], end)
            doc.update(
                status=history.ENDS[end.type], stopped=epoch_seconds(end.timestamp), **history.result_members(end)
            )
            self._records.put("execution", doc["arn"], doc["machine"], doc)


def type_not_supported() -> ApiError:
    return ApiError("StateMachineTypeNotSupported", "This operation is not supported by this type of state machine")


def _machine(target: ExecutionTarget) -> str:
    return str(target.doc.get("machine") or target.doc["arn"])


def _input(request: Request) -> str:
    input_text = str(request.get("input", "{}"))
    if not input_text:
        raise ApiError("InvalidExecutionInput", "Invalid State Machine Execution Input: 'Invalid execution input.'")
    try:
        json.loads(input_text, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise ApiError(
            "InvalidExecutionInput", f"Invalid State Machine Execution Input: '{_parser_message(input_text, error)}'"
        ) from error
    return input_text


def _no_constant(name: str) -> None:
    raise ValueError(name)


def _parser_message(text: str, error: Exception) -> str:
    """Return AWS's parser message for the most common mistakes, else the error's own text."""
    word = text.strip().split(" ")[0].strip("{}[],:\"'")
    if word.isalpha() and text.strip().startswith(word):
        expected = "(JSON String, Number, Array, Object or token 'null', 'true' or 'false')"
        return f"Unrecognized token '{word}': was expecting {expected}"
    if text.strip().startswith("{'"):
        return "Unexpected character (''' (code 39)): was expecting double-quote to start field name"
    return str(error)


def _existing_execution(old: Document, input_text: str) -> Response:
    if old["status"] == "RUNNING" and old["input"] == input_text:
        return {"executionArn": old["arn"], "startDate": from_epoch(old["started"])}
    raise ApiError("ExecutionAlreadyExists", f"Execution Already Exists: '{old['arn']}'")
