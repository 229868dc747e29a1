"""AddTags, ListTags and DeleteTags, for every resource with an ARN."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping

from mlci_emulator.protocol.operations import Request, Response
from mlci_emulator.services.sagemaker.errors import invalid
from mlci_emulator.services.sagemaker.records import SageMakerRecords

#: Source: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_ListTags.html, MaxResults
DEFAULT_PAGE = 50


def put(records: SageMakerRecords, arn: str, tags: Iterable[Mapping[str, str]]) -> None:
    """Set tags of a resource; they replace those with the same keys."""
    for tag in tags:
        records.put_tag(arn, tag["Key"], tag["Value"])


def add_tags(records: SageMakerRecords, request: Request) -> Response:
    arn = _known(records, request["ResourceArn"])
    put(records, arn, request["Tags"])
    return {"Tags": records.tags(arn)}


def delete_tags(records: SageMakerRecords, request: Request) -> Response:
    arn = _known(records, request["ResourceArn"])
    for key in request["TagKeys"]:
        records.remove_tag(arn, key)
    return {}


def list_tags(records: SageMakerRecords, request: Request) -> Response:
    tags = records.tags(_known(records, request["ResourceArn"]))
    start, size = _start(request.get("NextToken")), request.get("MaxResults") or DEFAULT_PAGE
    response: Response = {"Tags": tags[start : start + size]}
    if len(tags) > start + size:
        response["NextToken"] = base64.urlsafe_b64encode(str(start + size).encode()).decode()
    return response


def _start(token: str | None) -> int:
    try:
        return int(base64.urlsafe_b64decode(token)) if token else 0
    except ValueError as error:
        raise invalid("Invalid NextToken") from error


def _known(records: SageMakerRecords, arn: str) -> str:
    if records.by_arn(arn) is None:
        raise invalid(f'the local cloud has no resource "{arn}"')
    return arn
