"""Parts of API requests: a value at a path, one request over another, and the object of a token."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from mlci.step_types.keys import Json
from mlci.step_types.states import StepPaths


def field_at(*path: str) -> Callable[[Json], dict[str, Json]]:
    """Return the function from a value to the part of a request that has it at a path.

    >>> field_at("OutputDataConfig", "KmsKeyId")("alias/models")
    {'OutputDataConfig': {'KmsKeyId': 'alias/models'}}
    """
    name, *inner = path

    def part(value: Json) -> dict[str, Json]:
        return {name: field_at(*inner)(value) if inner else value}

    return part


def merged(under: Mapping[str, Json], over: Mapping[str, Json]) -> dict[str, Json]:
    """Return a request with another over it, at any depth of objects.

    >>> merged({"a": {"b": 1, "c": 2}}, {"a": {"b": 3}})
    {'a': {'b': 3, 'c': 2}}
    """
    result = dict(under)
    for key, value in over.items():
        below = result.get(key)
        result[key] = merged(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return result


def token_object(paths: StepPaths, content: Mapping[str, Json]) -> dict[str, Json]:
    """Return the parameters of a task that writes its token to S3, beside this content, and waits for an answer.

    Source: https://docs.aws.amazon.com/step-functions/latest/dg/connect-to-resource.html#connect-wait-token
    """
    return {
        "Bucket.$": f"{paths.input}.token.bucket",
        "Key.$": f"{paths.input}.token.key",
        "Body": {"token.$": "$$.Task.Token", "run.$": "$.run", "step.$": f"{paths.input}.name", **content},
        "ContentType": "application/json",
    }
