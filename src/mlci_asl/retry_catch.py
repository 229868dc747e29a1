"""Reads Retry and Catch. Only the output of a Catch differs between the query languages."""

from __future__ import annotations

from mlci_asl.errors import ALL
from mlci_asl.fields import MAX_COUNT, Fields
from mlci_asl.model import Catcher, Retrier
from mlci_asl.query_languages import QueryLanguage

_RETRY_FIELDS = (
    "Comment",
    "ErrorEquals",
    "IntervalSeconds",
    "MaxAttempts",
    "BackoffRate",
    "MaxDelaySeconds",
    "JitterStrategy",
)


def read_retriers(fields: Fields) -> tuple[Retrier, ...]:
    """The entries of Retry."""
    entries: list[Retrier] = []
    children = fields.children("Retry", may_be_empty=True)
    for child in children:
        child.check_known(_RETRY_FIELDS)
        interval = child.integer("IntervalSeconds", 1, 1)
        is_capped = "MaxDelaySeconds" in child
        # 31,622,400 s are 366 days. Source: https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html
        max_delay = child.integer("MaxDelaySeconds", MAX_COUNT, 1, 31_622_399) if is_capped else None
        if max_delay is not None and max_delay <= interval:
            child.add_problem('"MaxDelaySeconds" must be greater than "IntervalSeconds"', "MaxDelaySeconds")
        jitter = child.string("JitterStrategy", "NONE")
        if jitter not in ("FULL", "NONE"):
            child.add_problem('"JitterStrategy" must be FULL or NONE', "JitterStrategy")
        attempts, backoff = child.integer("MaxAttempts", 3, 0), child.number("BackoffRate", 2.0, 1.0)
        names = _error_equals(child, is_last=child is children[-1])
        entries.append(Retrier(names, interval, attempts, backoff, max_delay, jitter == "FULL"))
    return tuple(entries)


def read_catchers(fields: Fields, language: QueryLanguage) -> tuple[Catcher, ...]:
    """The entries of Catch."""
    entries: list[Catcher] = []
    children = fields.children("Catch", may_be_empty=True)
    for index, child in enumerate(children):
        known = {"Comment", "ErrorEquals", "Next", "Assign", *language.catch_fields}
        child.check_known(known, language.unsupported_fields)
        names = _error_equals(child, is_last=child is children[-1])
        flow = language.catch_flow(child, f"Catch[{index}]/")
        if child.require("Next"):
            entries.append(Catcher(names, child.string("Next"), flow))
    return tuple(entries)


def _error_equals(fields: Fields, *, is_last: bool) -> tuple[str, ...]:
    if not fields.require("ErrorEquals"):
        return ()
    value = fields.members["ErrorEquals"]
    names = [name for name in value if isinstance(name, str)] if isinstance(value, list) else []
    if not isinstance(value, list) or not value or len(names) < len(value):
        fields.add_problem('"ErrorEquals" must be a list of one or more error names', "ErrorEquals")
    if ALL in names and len(names) > 1:
        fields.add_problem(f'"{ALL}" must stand alone', "ErrorEquals")
    if ALL in names and not is_last:
        fields.add_problem(f'"{ALL}" must be in the last entry', "ErrorEquals")
    return tuple(names)
