"""Which operation a request to S3 means: by method, path and the names in its query and headers, as botocore's model
of S3 has them.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

if TYPE_CHECKING:
    from botocore.model import OperationModel, ServiceModel

#: Older names of operations whose requests look the same, and what only clients of other kinds of buckets ask for.
_PASSED_OVER = {
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
    #: Parts of the path: none (the service), one (a bucket), two (an object).
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
    def exactness(self) -> tuple[int, int]:
        return len(self.query), len(self.names) + len(self.headers)


class Routes:
    def __init__(self, service: ServiceModel) -> None:
        names = [name for name in service.operation_names if name not in _PASSED_OVER]
        routes = [_route(service.operation_model(name)) for name in names]
        self._routes = sorted(routes, key=lambda route: route.exactness, reverse=True)

    def operation(self, method: str, depth: int, query: dict[str, str], headers: Collection[str]) -> str | None:
        """The most exact operation that fits; `headers` has names in lower case."""
        fitting = (route.operation for route in self._routes if route.fits(method, depth, query, headers))
        return next(fitting, None)


def _route(operation: OperationModel) -> _Route:
    path, _, query = operation.http["requestUri"].partition("?")
    constants = frozenset(pair for pair in parse_qsl(query, keep_blank_values=True) if pair[0] != "x-id")
    shape = operation.input_shape
    required = [shape.members[name].serialization for name in shape.required_members] if shape else []
    by_place = {
        place: frozenset(
            member["name"].lower() if place == "header" else member["name"]
            for member in required
            if member.get("location") == place
        )
        for place in ("querystring", "header")
    }
    # A condition on what must be said, such as MFA, is no way to tell requests apart; the source of a copy is.
    headers = by_place["header"] & {"x-amz-copy-source", "x-amz-rename-source"}
    return _Route(
        operation.name, operation.http["method"], path.count("{"), constants, by_place["querystring"], headers
    )
