"""The members that an optimised integration adds to the API's own output, as recorded.

Source: https://docs.aws.amazon.com/step-functions/latest/dg/connect-lambda.html (the output's example).
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from mlci_emulator.integrations.task_values import as_json_text

if TYPE_CHECKING:
    from mlci_asl import Json

CONTENT_TYPE = {
    "dynamodb": "application/x-amz-json-1.0",
    "glue": "application/x-amz-json-1.1",
    "lambda": "application/json",
    "sagemaker": "application/x-amz-json-1.1",
    "sns": "text/xml",
    "sqs": "application/x-amz-json-1.0",
    "states": "application/x-amz-json-1.0",
}


#: Recorded: two services capitalize the header.
_CONNECTION = {"dynamodb": "Connection", "lambda": "Connection"}


def with_metadata(
    service: str,
    output: Mapping[str, Json],
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    size_bytes: int | None = None,
) -> dict[str, Json]:
    """Return the output with SdkHttpMetadata and SdkResponseMetadata, its members in alphabetical order."""
    request_id = str(uuid.uuid4())
    size = len(as_json_text(dict(output)).encode("utf-8", "surrogatepass")) if size_bytes is None else size_bytes
    flat: dict[str, Json] = {
        **(headers or {}),
        "x-amzn-RequestId": request_id,
        _CONNECTION.get(service, "connection"): "keep-alive",
        "Content-Length": str(size),
        "Date": datetime.now(timezone.utc).strftime("%a, %d %b %Y %H:%M:%S GMT"),
        "Content-Type": CONTENT_TYPE[service],
    }
    whole: dict[str, Json] = {
        **output,
        "SdkHttpMetadata": {
            "AllHttpHeaders": {name: [value] for name, value in flat.items()},
            "HttpHeaders": flat,
            "HttpStatusCode": status,
        },
        "SdkResponseMetadata": {"RequestId": request_id},
    }
    return dict(sorted(whole.items()))
