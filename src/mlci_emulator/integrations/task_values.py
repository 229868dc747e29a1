"""Converts between a task's JSON and an API's values: PascalCase names, dates as text, blobs as text.

Sources: https://docs.aws.amazon.com/step-functions/latest/dg/supported-services-awssdk.html; for dates, how
java.time.Instant prints itself. Recorded: the body of an S3 object is the JSON of the value, also of a string.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from mlci_asl import TaskError
from mlci_asl.timestamps import parse_timestamp
from mlci_emulator.integrations.sdk_names import member_name

if TYPE_CHECKING:
    from mlci_asl import Json

#: Source: https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html (input or result of a state)
MAX_RESULT_BYTES = 262_144


def as_json_text(value: Json) -> str:
    """Return a value's JSON as Step Functions writes it."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def as_text(value: Json) -> str:
    """Return the text of a value: a string as it is, anything else as its JSON."""
    return value if isinstance(value, str) else as_json_text(value)


Names: TypeAlias = Callable[[str], str]


def to_api(shape: Any, value: Json, names: Names = member_name) -> Any:
    """Return a value in the API's names and types, by its shape (of botocore). Null members are left out. `names`
    returns the task's name of a member."""
    if shape is None or value is None or getattr(shape, "is_document_type", False):
        return value
    match shape.type_name:
        case "structure" if isinstance(value, dict):
            members = {names(name): name for name in shape.members}
            return {
                members[key]: to_api(shape.members[members[key]], item, names)
                for key, item in value.items()
                if item is not None and key in members
            }
        case "list" if isinstance(value, list):
            return [to_api(shape.member, item, names) for item in value]
        case "map" if isinstance(value, dict):
            return {key: to_api(shape.value, item, names) for key, item in value.items()}
        case "string" | "character":
            return as_text(value)
        case "integer" | "long" if isinstance(value, float):
            return int(value)
        case "blob":
            return blob(shape, value)
        case "timestamp":
            return _time(value)
    return value


def blob(shape: Any, value: Json) -> bytes:
    """Return the bytes of a value: of a streamed body its JSON, of any other blob the string's own bytes."""
    is_streamed = bool(getattr(shape, "serialization", {}).get("streaming"))
    return (as_json_text(value) if is_streamed else as_text(value)).encode("utf-8", "surrogatepass")


def parse_time(value: Json) -> datetime | None:
    """Return a time from its ISO text, or from seconds since 1970; None for any other value."""
    if isinstance(value, str):
        return parse_timestamp(value)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        with contextlib.suppress(ValueError, OverflowError, OSError):
            return datetime.fromtimestamp(value, timezone.utc)
    return None


def _time(value: Json) -> datetime:
    time = parse_time(value)
    if time is None:
        raise TaskError("States.Runtime", f"{as_json_text(value)} is no timestamp; one looks like 2026-01-31T12:00:00Z")
    return time


def to_task(shape: Any, value: Any, name: str = "", names: Names = member_name) -> Json:
    """Return an API's output as a task's JSON. Without a shape, structures must have PascalCase names already.

    Raises: TaskError, for bytes that are no text, or too many.
    """
    kind = shape.type_name if shape is not None else ""
    match value:
        case datetime():
            return instant(value)
        case bytes() | bytearray() | Path():
            return _text(value, name)
        case Mapping() if kind == "map":
            return {str(key): to_task(shape.value, item, str(key), names) for key, item in value.items()}
        case Mapping():
            members = getattr(shape, "members", {})
            return {
                names(key) if shape is not None else key: to_task(members.get(key), item, key, names)
                for key, item in value.items()
                if item is not None and key != "ResponseMetadata"
            }
        case list() | tuple():
            member = getattr(shape, "member", None)
            return [to_task(member, item, name, names) for item in value]
        case None | bool() | int() | float() | str():
            return value
    if hasattr(value, "read"):
        with value:
            return _text(value.read(MAX_RESULT_BYTES + 1), name)
    raise TypeError(f"{name} of a response is {type(value).__name__}")


def instant(value: datetime) -> str:
    """Return a time as Java's Instant prints it.

    >>> instant(datetime(2026, 1, 31, 12, 0, 0, 250000, tzinfo=timezone.utc))
    '2026-01-31T12:00:00.250Z'
    >>> instant(datetime(2026, 1, 31, 12, tzinfo=timezone.utc))
    '2026-01-31T12:00:00Z'
    """
    utc = value.astimezone(timezone.utc)
    precision = "seconds" if not utc.microsecond else "microseconds" if utc.microsecond % 1000 else "milliseconds"
    return f"{utc.replace(tzinfo=None).isoformat(timespec=precision)}Z"


def epoch_millis(value: Any) -> Any:
    """Return a value with its times as milliseconds since 1970, as the SDK for Java 1 has them (see sagemaker.py)."""
    match value:
        case datetime():
            return round(value.timestamp() * 1000)
        case Mapping():
            return {key: epoch_millis(item) for key, item in value.items() if item is not None}
        case list() | tuple():
            return [epoch_millis(item) for item in value]
    return value


def _text(data: bytes | bytearray | Path, name: str) -> str:
    size = data.stat().st_size if isinstance(data, Path) else len(data)
    if size > MAX_RESULT_BYTES:
        raise TaskError(
            "States.DataLimitExceeded",
            "The state/task returned a result with a size exceeding the maximum number of bytes service limit.",
        )
    read = data.read_bytes() if isinstance(data, Path) else bytes(data)
    try:
        return read.decode("utf-8")
    except UnicodeDecodeError as error:
        what = f"{name or 'the answer'} is no text (UTF-8), so it can't be a state's output"
        raise TaskError("States.Runtime", what) from error
