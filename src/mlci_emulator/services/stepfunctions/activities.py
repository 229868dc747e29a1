"""Activities, their queues of tasks, and the task tokens of callbacks.

Source: https://docs.aws.amazon.com/step-functions/latest/dg/concepts-activities.html and the recorded responses of
LocalStack's tests test_sfn_api_activities, activities and callback.
"""

from __future__ import annotations

import json
import threading
import time
import weakref
from collections import OrderedDict, deque

import mlci_asl as asl
from mlci_dataclasses import dataclass
from mlci_emulator.protocol.operations import ApiError, Request, Response
from mlci_emulator.protocol.timestamps import epoch_seconds
from mlci_emulator.services.stepfunctions import arns
from mlci_emulator.services.stepfunctions.pagination import page
from mlci_emulator.services.stepfunctions.records import ENCRYPTION, Document, StepFunctionsRecords
from mlci_emulator.services.timestamps import Clock, from_epoch

#: How long GetActivityTask waits for a task. Source: API_GetActivityTask
_POLL_S = 60.0
#: The number of tokens that are remembered. A remembered token of an ended task has timed out; all others are invalid.
_MAX_KNOWN_TOKENS = 10_000


@dataclass(frozen=True)
class _QueuedTask:
    input_text: str
    callback: weakref.ref[asl.Callback]


class TaskTokens:
    """The callbacks of waiting tasks, by their tokens. An ended task drops out by itself."""

    def __init__(self) -> None:
        self._open: weakref.WeakValueDictionary[str, asl.Callback] = weakref.WeakValueDictionary()
        self._known: OrderedDict[str, None] = OrderedDict()
        self._lock = threading.Lock()

    def add(self, callback: asl.Callback) -> None:
        with self._lock:
            self._open[callback.token] = callback
            self._known[callback.token] = None
            if len(self._known) > _MAX_KNOWN_TOKENS:
                self._known.popitem(last=False)

    def find(self, token: str) -> asl.Callback:
        """Return the callback of a token.

        Raises: ApiError InvalidToken, or TaskTimedOut if the task has ended.
        """
        with self._lock:
            callback, is_known = self._open.get(token), token in self._known
        if callback is not None and callback.is_open():
            return callback
        raise (
            timed_out()
            if is_known or callback is not None
            else ApiError("InvalidToken", "Invalid Token: 'Invalid token'")
        )

    def succeed(self, request: Request) -> Response:
        output = str(request["output"])
        callback = self.find(str(request["taskToken"]))
        try:
            json.loads(output)
        except ValueError as error:
            raise ApiError("InvalidOutput", "Invalid Output: 'Invalid JSON'") from error
        return _require_open(callback.succeed(output))

    def fail(self, request: Request) -> Response:
        callback = self.find(str(request["taskToken"]))
        return _require_open(callback.fail(request.get("error"), request.get("cause")))

    def heartbeat(self, request: Request) -> Response:
        return _require_open(self.find(str(request["taskToken"])).heartbeat())


def timed_out() -> ApiError:
    return ApiError("TaskTimedOut", "Task Timed Out: 'Provided task does not exist anymore'")


def _require_open(is_done: bool) -> Response:
    if not is_done:
        raise timed_out()
    return {}


class Activities:
    """Activities, and the tasks that wait for their workers."""

    def __init__(self, records: StepFunctionsRecords, account: str, now: Clock) -> None:
        self._records, self._account, self._now = records, account, now
        self._changed = threading.Condition()
        self._queues: dict[str, deque[_QueuedTask]] = {}
        self._is_closed = False

    def close(self) -> None:
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()

    def create(self, request: Request, region: str) -> Response:
        name = str(request["name"])
        arns.check_name(name)
        arn = arns.activity_arn(region, self._account, name)
        with self._changed:
            doc = self._records.get("activity", arn)
            if doc is None:
                tags = {str(tag["key"]): str(tag["value"]) for tag in request.get("tags") or ()}
                doc = {"arn": arn, "name": name, "created": epoch_seconds(self._now()), "tags": tags}
                self._records.put("activity", arn, region, doc)
        return {"activityArn": arn, "creationDate": from_epoch(doc["created"])}

    def describe(self, request: Request) -> Response:
        return {**_list_entry(self._find(str(request["activityArn"]))), "encryptionConfiguration": dict(ENCRYPTION)}

    def delete(self, request: Request) -> Response:
        arn = arns.parse(str(request["activityArn"]), "activity").text
        with self._changed:
            self._records.delete("activity", arn)
            self._queues.pop(arn, None)
            self._changed.notify_all()
        return {}

    def list(self, request: Request, region: str) -> Response:
        docs = sorted(self._records.newest("activity", region), key=lambda doc: str(doc["name"]))
        return page(docs, request, "activities", "activities", _list_entry)

    def exists(self, arn: str) -> bool:
        return self._records.get("activity", arn) is not None

    def queue(self, arn: str, input_text: str, callback: asl.Callback) -> None:
        """Offer a task to the activity's workers."""
        with self._changed:
            self._queues.setdefault(arn, deque()).append(_QueuedTask(input_text, weakref.ref(callback)))
            self._changed.notify_all()

    def take(self, request: Request) -> Response:
        """GetActivityTask: wait for a task. If none comes, the response has no token."""
        arn = str(request["activityArn"])
        self._find(arn)
        until = time.monotonic() + _POLL_S
        while True:
            with self._changed:
                queued = self._next(arn)
                if queued is None and (self._is_closed or time.monotonic() >= until or not self.exists(arn)):
                    return {}
                if queued is None:
                    self._changed.wait(min(until - time.monotonic(), 1.0))
                    continue
            callback = queued.callback()
            if callback is not None and callback.started(request.get("workerName")):
                return {"taskToken": callback.token, "input": queued.input_text}

    def _next(self, arn: str) -> _QueuedTask | None:
        queue = self._queues.get(arn)
        while queue:
            queued = queue.popleft()
            callback = queued.callback()
            if callback is not None and callback.is_open():
                return queued
        return None

    def _find(self, text: str) -> Document:
        arn = arns.parse(text, "activity").text
        doc = self._records.get("activity", arn)
        if doc is None:
            raise ApiError("ActivityDoesNotExist", f"Activity Does Not Exist: '{arn}'")
        return doc


def _list_entry(doc: Document) -> Response:
    return {"activityArn": doc["arn"], "name": doc["name"], "creationDate": from_epoch(doc["created"])}
