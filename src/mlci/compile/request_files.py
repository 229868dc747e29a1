"""Requests that the execution input has no room for: they lie in S3, in a few files that the state machine reads.

Such an execution input has `requests`: the URI of a file by its digest, and the steps whose requests each file holds.
It is the whole input still, which a run leaves as its `input.json`. What is sent lacks the requests, and names the
files by the digests of their content.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Mapping, Sequence

from mlci.flow.models import Json
from mlci.s3_uris import split_s3_uri
from mlci_dataclasses import dataclass

#: The size of a file as a JSON text. A state's result, which has the file as a text, has at most 262,144 bytes, and so
#: has a workflow variable; all variables of an execution have at most 10 MiB.
#: Sources: https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html,
#: https://docs.aws.amazon.com/step-functions/latest/dg/workflow-variables.html
FILE_MAX_BYTES = 240_000
FILES_MAX_BYTES = 10_000_000

RequestFiles = tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class SentInput:
    """The input that an execution starts with, and the objects that it reads, by their URIs."""

    text: str
    objects: Mapping[str, str]


def request_files(sizes: Mapping[str, int]) -> RequestFiles:
    """Return the steps of each file, by the sizes of their entries: few files, with about as many steps each.

    Their number is a power of two, so that the definition seldom changes where requests grow. A file of one step may be
    too large.
    """
    steps, count = tuple(sizes), 1
    while True:
        bounds = [round(number * len(steps) / count) for number in range(count + 1)]
        files = tuple(steps[start:end] for start, end in itertools.pairwise(bounds) if start < end)
        if all(len(file) == 1 or sum(sizes[step] for step in file) <= FILE_MAX_BYTES for file in files):
            return files
        count *= 2


def request_bytes(values: Mapping[str, Json]) -> dict[str, int]:
    """Return the size of each step's entry in its file, as a part of a JSON text in a JSON document."""
    return {name: len(json.dumps(_compact({name: request}))) for name, request in _requests(values).items()}


def sent_input(execution_input: str) -> SentInput:
    """Return what is sent of an execution input, and the files that hold the rest."""
    values = json.loads(execution_input)
    files = values.get("requests")
    if files is None:
        return SentInput(execution_input, {})
    requests = _requests(values)
    objects: dict[str, str] = {}
    places: list[Json] = []
    for steps in files["steps"]:
        text = _compact({name: requests[name] for name in steps})
        digest = hashlib.sha256(text.encode()).hexdigest()
        uri = str(files["uri"]).format(digest=digest[:32])
        bucket, key = split_s3_uri(uri)
        objects[uri] = text
        places.append({"bucket": bucket, "key": key, "sha256": digest})
    sent = {**_without_requests(values), "requests": places}
    return SentInput(_compact(sent), objects)


def _requests(values: Mapping[str, Json]) -> dict[str, Json]:
    """Return the requests by the names of steps. Of a matrix, it is what its cells share, and what each has itself."""
    requests = {name: step["request"] for name, step in _maps(values, "steps") if "request" in step}
    for _, group in _maps(values, "cells"):
        for name, shared in _maps(group, "shared"):
            own: list[Json] = [_map(_map(item).get(name)).get("request") for item in _list(group.get("items"))]
            if shared.get("request") or any(own):
                requests[name] = {"shared": shared.get("request"), "cells": own}
    return requests


def _without_requests(values: Mapping[str, Json]) -> dict[str, Json]:
    groups: dict[str, Json] = {
        first: {**group, "shared": {}, "items": [_without_request(_map(item)) for item in _list(group.get("items"))]}
        for first, group in _maps(values, "cells")
    }
    sent = {**values, "steps": _without_request(_map(values.get("steps")))}
    return {**sent, "cells": groups} if groups else sent


def _without_request(steps: Mapping[str, Json]) -> dict[str, Json]:
    return {name: {key: value for key, value in _map(step).items() if key != "request"} for name, step in steps.items()}


def _compact(value: Json) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def _maps(values: Mapping[str, Json], key: str) -> list[tuple[str, Mapping[str, Json]]]:
    return [(name, _map(value)) for name, value in _map(values.get(key)).items()]


def _map(value: Json) -> Mapping[str, Json]:
    return value if isinstance(value, dict) else {}


def _list(value: Json) -> Sequence[Json]:
    return value if isinstance(value, list) else ()
