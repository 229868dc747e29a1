"""Activities, and the tokens that tasks are answered with.

Source: https://docs.aws.amazon.com/step-functions/latest/dg/concepts-activities.html and the recorded answers of
LocalStack's tests test_sfn_api_activities, activities and callback.
"""

from __future__ import annotations

import json
import threading
import time
import weakref
from collections import OrderedDict, deque
from dataclasses import dataclass

import mlci_asl as asl
from mlci_emulator.protocol.operations import ApiError, Request, Response
from mlci_emulator.services.stepfunctions import arns
from mlci_emulator.services.stepfunctions.pagination import page
from mlci_emulator.services.stepfunctions.records import ENCRYPTION, Doc, Records
from mlci_emulator.services.stepfunctions.timestamps import Clock, kept, shown

#: How long GetActivityTask waits for a task. Source: API_GetActivityTask
_POLL_S = 60.0
#: How many tokens of ended tasks are remembered: those were timed out, all others are invalid.
_REMEMBERED = 10_000


@dataclass(frozen=True)
class _Queued:
    given: str
    callback: weakref.ref[asl.Callback]


class Tokens:
    """The callbacks of waiting tasks, by their tokens; a task that is over is forgotten by itself."""

    def __init__(self) -> None:
        self._open: weakref.WeakValueDictionary[str, asl.Callback] = weakref.WeakValueDictionary()
        self._known: OrderedDict[str, None] = OrderedDict()
        self._lock = threading.Lock()

    def add(self, callback: asl.Callback) -> None:
        with self._lock:
            self._open[callback.token] = callback
            self._known[callback.token] = None
            if len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)

    def find(self, token: str) -> asl.Callback:
        """Raises: ApiError InvalidToken, or TaskTimedOut for a task that is over."""
        with self._lock:
            callback, is_known = self._open.get(token), token in self._known
        if callback is not None and callback.is_open():
            return callback
        raise over() if is_known or callback is not None else ApiError("InvalidToken", "Invalid Token: 'Invalid token'")

    def succeed(self, request: Request) -> Response:
        output = str(request["output"])
        callback = self.find(str(request["taskToken"]))
        try:
            json.loads(output)
        except ValueError as error:
            raise ApiError("InvalidOutput", "Invalid Output: 'Invalid JSON'") from error
        return _done(callback.succeed(output))

    def fail(self, request: Request) -> Response:
        callback = self.find(str(request["taskToken"]))
        return _done(callback.fail(request.get("error"), request.get("cause")))

    def heartbeat(self, request: Request) -> Response:
        return _done(self.find(str(request["taskToken"])).heartbeat())


def over() -> ApiError:
    return ApiError("TaskTimedOut", "Task Timed Out: 'Provided task does not exist anymore'")


def _done(is_done: bool) -> Response:
    if not is_done:
        raise over()
    return {}


class Activities:
    """Activities and the tasks that wait for their workers."""

    def __init__(self, records: Records, account: str, now: Clock) -> None:
        self._records, self._account, self._now = records, account, now
        self._changed = threading.Condition()
        self._queues: dict[str, deque[_Queued]] = {}
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
                doc = {"arn": arn, "name": name, "created": kept(self._now()), "tags": tags}
                self._records.put("activity", arn, region, doc)
        return {"activityArn": arn, "creationDate": shown(doc["created"])}

    def describe(self, request: Request) -> Response:
        return {**_listed(self._find(str(request["activityArn"]))), "encryptionConfiguration": dict(ENCRYPTION)}

    def delete(self, request: Request) -> Response:
        arn = arns.parse(str(request["activityArn"]), "activity").text
        with self._changed:
            self._records.delete("activity", arn)
            self._queues.pop(arn, None)
            self._changed.notify_all()
        return {}

    def list(self, request: Request, region: str) -> Response:
        docs = sorted(self._records.newest("activity", region), key=lambda doc: str(doc["name"]))
        return page(docs, request, "activities", "activities", _listed)

    def exists(self, arn: str) -> bool:
        return self._records.get("activity", arn) is not None

    def queue(self, arn: str, given: str, callback: asl.Callback) -> None:
        """Offers a task to the activity's workers."""
        with self._changed:
            self._queues.setdefault(arn, deque()).append(_Queued(given, weakref.ref(callback)))
            self._changed.notify_all()

    def take(self, request: Request) -> Response:
        """GetActivityTask: waits for a task; without one, there is no token in the answer."""
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
                return {"taskToken": callback.token, "input": queued.given}

    def _next(self, arn: str) -> _Queued | None:
        queue = self._queues.get(arn)
        while queue:
            queued = queue.popleft()
            callback = queued.callback()
            if callback is not None and callback.is_open():
                return queued
        return None

    def _find(self, text: str) -> Doc:
        arn = arns.parse(text, "activity").text
        doc = self._records.get("activity", arn)
        if doc is None:
            raise ApiError("ActivityDoesNotExist", f"Activity Does Not Exist: '{arn}'")
        return doc


def _listed(doc: Doc) -> Response:
    return {"activityArn": doc["arn"], "name": doc["name"], "creationDate": shown(doc["created"])}
