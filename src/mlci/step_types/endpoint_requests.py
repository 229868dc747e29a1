"""The values of an endpoint step's keys: what is captured, serverless, and the smoke requests.

Sources: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_DataCaptureConfig.html,
API_ProductionVariant.html, API_ProductionVariantServerlessConfig.html and API_runtime_InvokeEndpoint.html
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from mlci.step_types.base import ResolvedStep
from mlci.step_types.keys import CAPTURE, Json

Problems = Iterator["tuple[tuple[str | int, ...], str, str]"]

#: The folder of what an endpoint captures, in that of its answers.
CAPTURE_FOLDER = "capture"
#: The types that are captured as text; data of any other type is in Base64.
CSV_TYPES: tuple[str, ...] = ("text/csv",)
JSON_TYPES: tuple[str, ...] = ("application/json", "application/jsonlines")
#: More requests would take more of the execution's data and time than a smoke test is worth.
MAX_SMOKE_REQUESTS = 20
_EXPECTATIONS = ("contains", "equals", "json", "within")
#: ServerlessConfig: MemorySizeInMB in steps of 1 GB, MaxConcurrency.
_INSTANCE_KEYS, _NETWORK_KEYS = ("instance", "instance_count"), ("network_isolation", "vpc")
_MEMORY_MB, _MAX_CONCURRENCY = range(1024, 6145, 1024), 200


def capture_problems(value: Json) -> Problems:
    """Yield the problems of `capture`."""
    if not isinstance(value, dict):
        yield (), "what is captured is a map", "Write {percent: 100}"
        return
    yield from _unknown(value, ("percent", "to"))
    percent = value.get("percent", 100)
    if not _is_integer(percent) or not 0 < int(str(percent)) <= 100:
        yield ("percent",), "the share of the requests that are captured is 1 to 100 percent", "Write a whole number"
    to = value.get("to")
    if to is not None and not (isinstance(to, str) and to.startswith("s3://")):
        yield ("to",), "captured data goes to S3", "Write s3://<bucket>/<prefix>, or leave it out for the run's folder"


def serverless_problems(value: Json) -> Problems:
    """Yield the problems of `serverless`."""
    if not isinstance(value, dict):
        yield (), "a serverless endpoint is described by a map", "Write {memory_mb: 2048, max_concurrency: 5}"
        return
    yield from _unknown(value, ("memory_mb", "max_concurrency"))
    if value.get("memory_mb") not in _MEMORY_MB:
        sizes = ", ".join(map(str, _MEMORY_MB))
        yield ("memory_mb",), "a serverless endpoint has a memory of 1 to 6 GB", f"Write one of {sizes}"
    most = value.get("max_concurrency", 1)
    if not _is_integer(most) or not 1 <= int(str(most)) <= _MAX_CONCURRENCY:
        yield ("max_concurrency",), f"at most {_MAX_CONCURRENCY} requests are handled at once", "Write a whole number"


def serverless_step_problems(own: Mapping[str, Json], defaults: Mapping[str, Json]) -> Problems:
    """Yield the keys of a step that a serverless endpoint does not do.

    Source: "Feature exclusions" of https://docs.aws.amazon.com/sagemaker/latest/dg/serverless-endpoints.html
    """
    if "serverless" not in own:
        return
    for key in (*_INSTANCE_KEYS, CAPTURE):
        if key in own:
            yield (key,), f'a serverless endpoint has no "{key}"', 'Remove it, or "serverless"'
    for key in _NETWORK_KEYS:
        value, is_own = own.get(key, defaults.get(key)), key in own
        if value not in (None, False):
            remedy = f'Remove it, or "serverless"{"" if is_own else ", or move it from defaults to other steps"}'
            yield ((key,) if is_own else ("serverless",)), f'a serverless endpoint has no "{key}"', remedy


def smoke_problems(value: Json) -> Problems:
    """Yield the problems of `smoke`."""
    if not isinstance(value, list) or not value:
        yield (), "smoke requests are a list", 'Write - {body: "1,2,3", expect: {contains: "0.9"}}'
        return
    if len(value) > MAX_SMOKE_REQUESTS:
        yield (), f"a step has at most {MAX_SMOKE_REQUESTS} smoke requests, and this one {len(value)}", ""
    for index, request in enumerate(value):
        if not isinstance(request, dict):
            yield (index,), "a smoke request is a map", 'Write {body: "1,2,3", expect: {contains: "0.9"}}'
            continue
        yield from (((index, *path), what, hint) for path, what, hint in _request_problems(request))


def _request_problems(request: Mapping[str, Json]) -> Problems:
    yield from _unknown(request, ("body", "content_type", "accept", "expect"))
    if "body" not in request:
        yield (), 'a smoke request needs a "body"', "Add body: <what the model gets>"
    for name in ("content_type", "accept"):
        if name in request and not isinstance(request[name], str):
            yield (name,), "a type is a text", "Write a media type, such as text/csv"
    if "expect" in request:
        yield from ((("expect", *path), what, hint) for path, what, hint in _expectation_problems(request["expect"]))


def _expectation_problems(value: Json) -> Problems:
    if not isinstance(value, dict) or len(value) != 1 or next(iter(value)) not in _EXPECTATIONS:
        yield (), "an expectation is one of contains, equals, json and within", 'Write {contains: "0.9"}'
        return
    kind, wanted = next(iter(value.items()))
    if kind in ("contains", "equals") and not isinstance(wanted, str):
        yield (kind,), "an answer is compared as a text", f'Put it in quotes: {{{kind}: "{wanted}"}}'
    if kind == "within" and not _is_range(wanted):
        yield (kind,), "the numbers of an answer lie between two numbers", "Write {within: [0.9, 1.0]}"


def _is_range(value: Json) -> bool:
    if not isinstance(value, list) or len(value) != 2:
        return False
    low, high = value
    if isinstance(low, bool) or isinstance(high, bool):
        return False
    return isinstance(low, (int, float)) and isinstance(high, (int, float)) and low <= high


def _unknown(value: Mapping[str, Json], known: tuple[str, ...]) -> Problems:
    for name in value:
        if name not in known:
            yield (name,), f'unknown key "{name[:80]}"', f"The keys are {', '.join(known)}"


def _is_integer(value: Json) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def capture_config(step: ResolvedStep, folder: str) -> dict[str, Json]:
    """Return the DataCaptureConfig; {} where nothing is captured. `folder` is the place for it in the run's folder.

    A place of the flow's is for what is kept: on AWS, a run of no merged code captures into its own folder.
    """
    capture = step.values.get(CAPTURE)
    if not isinstance(capture, dict):
        return {}
    elsewhere = capture.get("to") if step.keeps_resources else None
    return {
        "DataCaptureConfig": {
            "EnableCapture": True,
            "InitialSamplingPercentage": capture.get("percent", 100),
            "DestinationS3Uri": str(elsewhere or folder).rstrip("/"),
            "CaptureOptions": [{"CaptureMode": "Input"}, {"CaptureMode": "Output"}],
            "CaptureContentTypeHeader": {"CsvContentTypes": [*CSV_TYPES], "JsonContentTypes": [*JSON_TYPES]},
        }
    }


def variant(step: ResolvedStep, model: str, name: str) -> dict[str, Json]:
    """Return the only variant of the endpoint."""
    common: dict[str, Json] = {"VariantName": name, "ModelName": model, "InitialVariantWeight": 1.0}
    serverless = step.values.get("serverless")
    if isinstance(serverless, dict):
        most = serverless.get("max_concurrency", 1)
        return {**common, "ServerlessConfig": {"MemorySizeInMB": serverless["memory_mb"], "MaxConcurrency": most}}
    return {**common, "InstanceType": step.instance, "InitialInstanceCount": step.instance_count}


def smoke_items(step: ResolvedStep) -> list[Json]:
    """Return the smoke requests as the state machine sends and compares them."""
    requests = step.values.get("smoke")
    items = requests if isinstance(requests, list) else []
    return [_item(number, request) for number, request in enumerate(items, 1) if isinstance(request, dict)]


def _item(number: int, request: Mapping[str, Json]) -> Json:
    body = request["body"]
    is_text = isinstance(body, str)
    expect = request.get("expect")
    expected, words = _expected(expect if isinstance(expect, dict) else {})
    return {
        "name": f"smoke request {number}",
        "body": body if is_text else json.dumps(body, separators=(",", ":")),
        "content_type": request.get("content_type", CSV_TYPES[0] if is_text else JSON_TYPES[0]),
        "accept": request.get("accept", "*/*"),
        "expect": expected,
        "expected": words,
    }


def _expected(expect: Mapping[str, Json]) -> tuple[Json, str]:
    """Return what an answer is compared with, and the same in words: an answer that …"""
    for kind, wanted in expect.items():
        if kind == "within" and isinstance(wanted, list):
            low, high = wanted
            return {"kind": kind, "low": low, "high": high}, f"has numbers from {low} to {high} only"
        text = wanted if isinstance(wanted, str) and kind != "json" else json.dumps(wanted, separators=(",", ":"))
        verb = {"contains": "contains", "equals": "equals", "json": "is the JSON"}[kind]
        return {"kind": kind, "text": text}, f'{verb} "{text}"' if kind != "json" else f"{verb} {text}"
    return {"kind": "any"}, "is any"
