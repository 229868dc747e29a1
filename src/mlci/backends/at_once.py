"""Some work for each of many items, several at the same time where the cloud is not this machine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from mlci.backends.protocol import Cloud

#: Requests at the same time.
_WORKERS = 8

_Item = TypeVar("_Item")
_Found = TypeVar("_Found")


def at_once(work: Callable[[_Item], _Found], items: Sequence[_Item], cloud: Cloud) -> list[_Found]:
    """Return the results of some work on each item, in the order of the items."""
    if cloud.name == "local" or len(items) < 2:
        return [work(item) for item in items]
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(_WORKERS, "requests") as pool:
        return list(pool.map(work, items))
