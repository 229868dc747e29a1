"""Finds the operation of a request to S3, by its method, its path and the names in its query and headers.

The routes come from botocore's model of S3.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from mlci_dataclasses import dataclass

if TYPE_CHECKING:
    from botocore.model import OperationModel, ServiceModel

#: Older operations whose requests look like those of newer ones, and operations on other kinds of buckets.
_EXCLUDED = {
    "GetBucketLifecycle",
    "PutBucketLifecycle",
    "GetBucketNotification",
    "PutBucketNotification",
    "ListDirectoryBuckets",
    "WriteGetObjectResponse",
}


@dataclass(frozen=True)
class _Route:
    operation: str
    method: str
    #: The number of parts in the path: 0 for the service, 1 for a bucket, 2 for an object.
    depth: int
    query: frozenset[tuple[str, str]]
    names: frozenset[str]
    headers: frozenset[str]

    def fits(self, method: str, depth: int, query: dict[str, str], headers: Collection[str]) -> bool:
        return (
            (self.method, self.depth) == (method, depth)
            and all(query.get(name) == value or (not value and name in query) for name, value in self.query)
            and self.names <= query.keys()
            and all(header in headers for header in self.headers)
        )

    @property
    def specificity(self) -> tuple[int, int]:
        return len(self.query), len(self.names) + len(self.headers)


class Routes:
    """The routes of a service with REST paths."""

    def __init__(self, service: ServiceModel) -> None:
        names = [name for name in service.operation_names if name not in _EXCLUDED]
        routes = [_route(service.operation_model(name)) for name in names]
        self._routes = sorted(routes, key=lambda route: route.specificity, reverse=True)

    def operation(self, method: str, depth: int, query: dict[str, str], headers: Collection[str]) -> str | None:
        """Return the most specific operation that fits; `headers` has names in lower case."""
        fitting = (route.operation for route in self._routes if route.fits(method, depth, query, headers))
        return next(fitting, None)


def _route(operation: OperationModel) -> _Route:
    path, _, query = operation.http["requestUri"].partition("?")
    constants = frozenset(pair for pair in parse_qsl(query, keep_blank_values=True) if pair[0] != "x-id")
    shape = operation.input_shape
    required = [shape.members[name].serialization for name in shape.required_members] if shape else []
    by_location = {
        location: frozenset(
            member["name"].lower() if location == "header" else member["name"]
            for member in required
            if member.get("location") == location
        )
        for location in ("querystring", "header")
    }
    # Only the source of a copy tells requests apart; other required headers, such as MFA, are conditions.
    headers = by_location["header"] & {"x-amz-copy-source", "x-amz-rename-source"}
    return _Route(
        operation.name, operation.http["method"], path.count("{"), constants, by_location["querystring"], headers
    )
