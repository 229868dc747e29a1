"""The data that an endpoint captures: a line of JSON for an invocation, in a file for each hour.

Sources: https://docs.aws.amazon.com/sagemaker/latest/dg/model-monitor-data-capture-endpoint.html (the lines, and
`<destination>/<endpoint>/<variant>/yyyy/mm/dd/hh/<file>.jsonl`);
https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_DataCaptureConfig.html and API_CaptureContentTypeHeader
(data of no listed type is in Base64). SageMaker delivers the data within minutes; here it is there at once.
"""

from __future__ import annotations

import base64
import contextlib
import json
import random
import threading
import uuid
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

from mlci_dataclasses import dataclass
from mlci_emulator.store.directory import DirectoryStore, NoSuchKey
from mlci_emulator.store.s3_uris import canonical_s3_uri


@dataclass(frozen=True)
class CapturedInvocation:
    """A request to a model, and its response."""

    time: datetime
    body: bytes
    content_type: str
    answer: bytes
    answer_type: str
    inference_id: str | None = None


class DataCapture:
    """Writes what one variant of an endpoint captures, according to a DataCaptureConfig."""

    def __init__(self, store: DirectoryStore, config: Mapping[str, Any], endpoint: str, variant: str) -> None:
        self._store, self._config = store, config
        self._prefix = f"{canonical_s3_uri(config['DestinationS3Uri']).rstrip('/')}/{endpoint}/{variant}"
        self._lock, self._files = threading.Lock(), dict[str, str]()

    def add(self, invocation: CapturedInvocation) -> None:
        """Write an invocation, if it is of those that are sampled."""
        if random.random() * 100 >= self._config["InitialSamplingPercentage"]:
            return
        line = json.dumps(record(self._config, invocation, str(uuid.uuid4())), separators=(",", ":")) + "\n"
        with self._lock:
            uri = self._file(invocation.time)
            before = b""
            with contextlib.suppress(NoSuchKey):
                before = self._store.read_bytes(uri)
            self._store.put_bytes(before + line.encode(), uri)

    def _file(self, time: datetime) -> str:
        """Return the URI of an hour's file, whose name has the time of its first line."""
        utc = time.astimezone(timezone.utc)
        hour = f"{utc:%Y/%m/%d/%H}"
        if hour not in self._files:
            self._files[hour] = f"{self._prefix}/{hour}/{utc:%M-%S}-{utc.microsecond // 1000:03d}-{uuid.uuid4()}.jsonl"
        return self._files[hour]


def record(config: Mapping[str, Any], invocation: CapturedInvocation, event_id: str) -> dict[str, Any]:
    """Return an invocation as it is captured."""
    modes = {option["CaptureMode"] for option in config["CaptureOptions"]}
    data: dict[str, Any] = {}
    if modes & {"Input", "InputAndOutput"}:
        data["endpointInput"] = _part(config, "INPUT", invocation.body, invocation.content_type)
    if modes & {"Output", "InputAndOutput"}:
        data["endpointOutput"] = _part(config, "OUTPUT", invocation.answer, invocation.answer_type)
    metadata = {"eventId": event_id, "inferenceTime": f"{invocation.time.astimezone(timezone.utc):%Y-%m-%dT%H:%M:%SZ}"}
    if invocation.inference_id is not None:
        metadata["inferenceId"] = invocation.inference_id
    return {"captureData": data, "eventMetadata": metadata, "eventVersion": "0"}


def _part(config: Mapping[str, Any], mode: str, data: bytes, content_type: str) -> dict[str, str]:
    encoding = _encoding(config, content_type)
    text = base64.b64encode(data).decode() if encoding == "BASE64" else data.decode("utf-8", "replace")
    return {"observedContentType": content_type, "mode": mode, "data": text, "encoding": encoding}


def _encoding(config: Mapping[str, Any], content_type: str) -> str:
    types = config.get("CaptureContentTypeHeader") or {}
    plain = content_type.partition(";")[0].strip().lower()
    for encoding, field in (("CSV", "CsvContentTypes"), ("JSON", "JsonContentTypes")):
        if plain in (each.lower() for each in types.get(field) or ()):
            return encoding
    return "BASE64"
