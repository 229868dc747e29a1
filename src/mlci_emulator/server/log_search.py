"""FilterLogEvents over moto's CloudWatch Logs, which knows neither prefixes of streams nor most filter patterns.

Source: https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_FilterLogEvents.html
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from mlci_emulator.protocol.operations import ApiError, Request, Response, Service
from mlci_emulator.server.cloudwatch_logs import LogFeed
from mlci_emulator.server.log_filter import parse_filter
from mlci_emulator.server.moto_services.moto_server import MotoServer

#: The operation that is implemented here.
OPERATION = "FilterLogEvents"
_MAX_EVENTS = 10_000


class _Position(NamedTuple):
    """The place of an event in the results: by its time, then in the order of arrival."""

    timestamp: int
    event_id: int

    def token(self) -> str:
        return f"{self.timestamp}-{self.event_id}"


class LogSearch:
    """CloudWatch Logs: FilterLogEvents, and `others` for all other operations."""

    def __init__(self, moto: MotoServer, feed: LogFeed, others: Service) -> None:
        self._moto, self._feed, self._others = moto, feed, others

    def call(self, operation: str, request: Request, region: str) -> Response:
        """Return an operation's output.

        Raises: ApiError.
        """
        self._feed.feed(region)
        if operation != OPERATION:
            return self._others.call(operation, request, region)
        with self._moto.backend("logs", region) as backend:
            return filter_log_events(backend, request)


def filter_log_events(backend: Any, request: Request) -> Response:
    """Return the matching events of moto's log group, oldest first.

    Raises: ApiError, for a group that does not exist, or an invalid pattern or token.
    """
    matches = parse_filter(request.get("filterPattern") or "")
    start, end = request.get("startTime") or 0, request.get("endTime")
    after = _parse_token(request.get("nextToken"))
    found = sorted(
        (position, stream.log_stream_name, event)
        for stream in _streams(backend, request)
        for event in stream.events
        if (position := _Position(event.timestamp, event.event_id)) > after
        and event.timestamp >= start
        and (end is None or event.timestamp <= end)
        and matches(event.message)
    )
    limit = request.get("limit") or _MAX_EVENTS
    events = [{**event.to_filter_dict(), "logStreamName": stream_name} for _, stream_name, event in found[:limit]]
    response: Response = {"events": events, "searchedLogStreams": []}
    if len(found) > limit:
        response["nextToken"] = found[limit - 1][0].token()
    return response


def _streams(backend: Any, request: Request) -> Iterator[Any]:
    names, prefix = request.get("logStreamNames"), request.get("logStreamNamePrefix")
    if names and prefix:
        raise _invalid("logStreamNamePrefix and logStreamNames can not be specified together.")
    name = request.get("logGroupName") or str(request.get("logGroupIdentifier", "")).rpartition(":log-group:")[
        2
    ].removesuffix(":*")
    group = backend.groups.get(name)
    if group is None:
        raise ApiError("ResourceNotFoundException", "The specified log group does not exist.")
    is_searched: Callable[[str], bool] = (
        (lambda stream: stream in names) if names else (lambda stream: stream.startswith(prefix or ""))
    )
    return (stream for name, stream in group.streams.items() if is_searched(name))


def _parse_token(token: str | None) -> _Position:
    if token is None:
        return _Position(-1, -1)
    timestamp, _, event_id = token.partition("-")
    if not (timestamp.isdigit() and event_id.isdigit()):
        raise _invalid("The specified nextToken is invalid.")
    return _Position(int(timestamp), int(event_id))


def _invalid(message: str) -> ApiError:
    return ApiError("InvalidParameterException", message)
