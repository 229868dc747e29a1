"""The events that moto's EventBridge delivers: as they are, where their rule does not transform them.

moto puts every event into a template, which has no `account` and no place for quotation marks. Recorded:
test_put_events_base and test_event_bridge_events_base of LocalStack.
Source: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-events-structure.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

#: The members of a delivered event, in AWS's order.
_MEMBERS = ("version", "id", "detail-type", "source", "account", "time", "region", "resources", "detail")


def deliver_whole_events() -> None:
    """Have moto deliver whole events to targets without an input transformer. Call it once, after moto's import."""
    from moto.events.utils import EventTemplateParser

    parse = EventTemplateParser.parse

    def event_of(input_template: str, input_paths_map: dict[str, Any], event: Any) -> dict[str, Any]:
        return parse(input_template, input_paths_map, event) if input_template else delivered(event)

    EventTemplateParser.parse = staticmethod(event_of)  # type: ignore[method-assign]


def delivered(event: Mapping[str, Any]) -> dict[str, Any]:
    """Return an event as a target gets it.

    >>> delivered({"detail": {}, "version": "0", "account": "000000000000", "ingestion-time": 1.5})
    {'version': '0', 'account': '000000000000', 'detail': {}}
    """
    return {name: event[name] for name in _MEMBERS if name in event}
