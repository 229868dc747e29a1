"""Records messages instead of sending them: one JSON line each, in one file for each service.

    {"time": …, "region": …, "operation": "SendMessage", "request": {…}, "answer": {…}}

Topics, queues and buses do not exist here, so every one is assumed to exist.
"""

from __future__ import annotations

import hashlib
import json
import threading
import uuid
from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from mlci_emulator.integrations import task_values
from mlci_emulator.integrations.message_validation import entry_error, is_ordered
from mlci_emulator.protocol.operations import Request, Response


class MessageRecords:
    """Records in `<home>/records/<service>.jsonl`; without a home, in the list `messages`."""

    def __init__(self, home: Path | None) -> None:
        self._folder = home / "records" if home is not None else None
        self._lock = threading.Lock()
        self._sequence = 0
        self.messages: list[dict[str, Any]] = []

    def deliver(self, service: str, operation: str, request: Request, region: str) -> Response:
        """Record the message, and respond as the service does."""
        answer = _ANSWERS[service](request)
        with self._lock:
            if is_ordered(request):
                self._sequence += 1
                answer["SequenceNumber"] = f"{10**19 + self._sequence * 256:020d}"
            self._write(service, operation, request, region, answer)
        return answer

    def record(self, service: str, operation: str, request: Request, region: str, answer: Response) -> None:
        """Record a message that something else delivered."""
        with self._lock:
            self._write(service, operation, request, region, answer)

    def _write(self, service: str, operation: str, request: Request, region: str, answer: Response) -> None:
        record = {
            "time": task_values.instant(datetime.now(timezone.utc)),
            "region": region,
            "operation": operation,
            "request": task_values.to_task(None, request),
            "answer": answer,
        }
        if self._folder is None:
            self.messages.append({"service": service, **record})
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        with open(self._folder / f"{service}.jsonl", "a", encoding="utf-8") as file:
            file.write(json.dumps(record, ensure_ascii=False, default=str) + "\n")


def _published(request: Request) -> Response:
    return {"MessageId": str(uuid.uuid4())}


def _sent(request: Request) -> Response:
    """Source: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html"""
    answer = {"MessageId": str(uuid.uuid4()), "MD5OfMessageBody": _md5(str(request["MessageBody"]).encode())}
    for name, digest in (
        ("MessageAttributes", "MD5OfMessageAttributes"),
        ("MessageSystemAttributes", "MD5OfMessageSystemAttributes"),
    ):
        if request.get(name):
            answer[digest] = md5_of_attributes(request[name])
    return answer


def md5_of_attributes(attributes: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the digest by which a sender verifies that its attributes arrived.

    Source: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-message-metadata.html

    >>> md5_of_attributes({"a": {"DataType": "String", "StringValue": "b"}})
    'bef8bf215374a0a228d67533b1a488be'
    """
    data = b""
    for name, attribute in sorted(attributes.items()):
        is_binary = "BinaryValue" in attribute
        value = attribute["BinaryValue"] if is_binary else str(attribute.get("StringValue", "")).encode()
        data += _sized(name.encode()) + _sized(str(attribute["DataType"]).encode())
        data += (b"\2" if is_binary else b"\1") + _sized(value)
    return _md5(data)


def _sized(data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + data


def _md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def _put(request: Request) -> Response:
    """Source: https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEvents.html"""
    entries = [entry_error(entry) or {"EventId": str(uuid.uuid4())} for entry in request["Entries"]]
    return {"Entries": entries, "FailedEntryCount": sum("ErrorCode" in entry for entry in entries)}


_ANSWERS: dict[str, Callable[[Request], Response]] = {"sns": _published, "sqs": _sent, "events": _put}
