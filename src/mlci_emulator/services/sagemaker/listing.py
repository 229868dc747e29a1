"""The List… operations: filters, order and pages of records.

A page's token names the last record of the page before, so that what is created in between moves nothing.
Source: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_ListTrainingJobs.html and the other List… pages
(whether the default order is ascending differs).
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from mlci_dataclasses import dataclass
from mlci_emulator.protocol.models import output_shape
from mlci_emulator.protocol.operations import Request, Response
from mlci_emulator.protocol.pagination import InvalidTokenError, decode_token, encode_token
from mlci_emulator.services.sagemaker.errors import invalid
from mlci_emulator.services.sagemaker.records import Kind, Record, SageMakerRecords

DEFAULT_PAGE = 10


@dataclass(frozen=True)
class Listing:
    """A List… operation. `fields` maps its own filters to columns, or to expressions; operations share the others."""

    kind: Kind
    is_ascending: bool
    fields: Mapping[str, str]


_STATUS = {"StatusEquals": "status"}
_WARM_POOL_STATUS = "json_extract(body, '$.WarmPoolStatus.Status')"
LISTINGS = {
    "ListProcessingJobs": Listing("processing-job", True, _STATUS),
    "ListTrainingJobs": Listing("training-job", True, {**_STATUS, "WarmPoolStatusEquals": _WARM_POOL_STATUS}),
    "ListTransformJobs": Listing("transform-job", False, _STATUS),
    "ListHyperParameterTuningJobs": Listing("hyper-parameter-tuning-job", False, _STATUS),
    "ListModels": Listing("model", False, {}),
    "ListEndpointConfigs": Listing("endpoint-config", False, {}),
    "ListEndpoints": Listing("endpoint", False, _STATUS),
    "ListModelPackages": Listing("model-package", True, {"ModelApprovalStatus": "approval"}),
    "ListModelPackageGroups": Listing("model-package-group", True, {}),
}
_SORT_COLUMNS = {"CreationTime": "created", "Name": "name", "Status": "status"}
_TIME_CONDITIONS = {
    "CreationTimeAfter": "created > ?",
    "CreationTimeBefore": "created < ?",
    "LastModifiedTimeAfter": "modified > ?",
    "LastModifiedTimeBefore": "modified < ?",
}
#: Understood, and without effect where there is one account, or read elsewhere.
_NOT_FILTERS = {
    "NextToken",
    "MaxResults",
    "SortBy",
    "SortOrder",
    "NameContains",
    "ModelPackageGroupName",
    "ModelPackageType",
}


def page(
    records: SageMakerRecords,
    operation: str,
    request: Request,
    region: str,
    describe: Callable[[Record], Mapping[str, Any]] = lambda record: record.body,
) -> Response:
    """Return the response of a List… operation. `describe` returns what a record's summary is made of.

    Raises: ApiError
    """
    listing = LISTINGS[operation]
    conditions, values = _conditions(listing, request, region)
    column = _SORT_COLUMNS[request.get("SortBy") or "CreationTime"]
    order = request.get("SortOrder")
    is_ascending = order == "Ascending" if order else listing.is_ascending
    token = request.get("NextToken")
    if token:
        conditions.append(f"({column}, name) {'>' if is_ascending else '<'} (?, ?)")
        values += _read(token)
    size = request.get("MaxResults") or DEFAULT_PAGE
    way = "ASC" if is_ascending else "DESC"
    found = records.select(" AND ".join(conditions), values, f"{column} {way}, name {way}", size + 1)
    member, summary = _summary(operation)
    response: Response = {member: [_summary_of(record, describe(record), summary) for record in found[:size]]}
    if len(found) > size:
        last = found[size - 1]
        value = last.created.timestamp() if column == "created" else getattr(last, column)
        response["NextToken"] = encode_token([value, last.name])
    return response


def _conditions(listing: Listing, request: Request, region: str) -> tuple[list[str], list[Any]]:
    conditions: list[str] = ["kind = ?", "region = ?"]
    values: list[Any] = [listing.kind, region]
    for field, value in request.items():
        if value is None or field in _NOT_FILTERS:
            continue
        if field in _TIME_CONDITIONS:
            conditions.append(_TIME_CONDITIONS[field])
            values.append(value.timestamp() if isinstance(value, datetime) else value)
        elif field in listing.fields:
            conditions.append(f"{listing.fields[field]} = ?")
            values.append(value)
        else:
            raise invalid(f'the local cloud does not know the filter "{field}"')
    if request.get("NameContains"):
        conditions.append("instr(name, ?) > 0")
        values.append(request["NameContains"])
    if listing.kind == "model-package":
        _add_group_condition(request, conditions, values)
    return conditions, values


def _add_group_condition(request: Request, conditions: list[str], values: list[Any]) -> None:
    """Select the versions of the group in the request; without a group, the packages of the requested type."""
    group, kind = request.get("ModelPackageGroupName"), request.get("ModelPackageType")
    if group:
        conditions.append("parent = ?")
        values.append(group.rpartition("/")[2])
    elif kind != "Both":
        conditions.append("parent <> ''" if kind == "Versioned" else "parent = ''")


def _read(token: str) -> list[Any]:
    try:
        value, name = decode_token(token)
    except (InvalidTokenError, TypeError, ValueError) as error:
        raise invalid("Invalid NextToken") from error
    return [value, name]


@functools.cache
def _summary(operation: str) -> tuple[str, frozenset[str]]:
    """Return the response's member with the summaries, and the names of the fields of a summary."""
    members = output_shape("sagemaker", operation).members
    (name,) = [name for name in members if name != "NextToken"]
    return name, frozenset(members[name].member.members)


def _summary_of(record: Record, description: Mapping[str, Any], names: frozenset[str]) -> dict[str, Any]:
    described = {"LastModifiedTime": record.modified, **description}
    return {name: value for name, value in described.items() if name in names}
