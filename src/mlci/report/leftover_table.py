"""The rows of `mlci clean`: how much of each kind can be removed, and where it lies."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence

from mlci.report.formatting import size

HEAD = ("what", "number", "size", "where")


def leftover_rows(items: Iterable[tuple[str, str, int]]) -> list[Sequence[str]]:
    """Returns a row for each kind. An item is a kind, a path and its bytes.

    >>> leftover_rows([("runs", ".mlci/runs/a", 800), ("runs", ".mlci/runs/b", 1_200)])
    [('runs', '2', '2.0 kB', '.mlci/runs')]
    """
    found: dict[str, list[tuple[str, int]]] = {}
    for kind, path, size_bytes in items:
        found.setdefault(kind, []).append((path, size_bytes))
    return [
        (kind, str(len(each)), size(sum(size_bytes for _, size_bytes in each)), _place([path for path, _ in each]))
        for kind, each in found.items()
    ]


def _place(paths: Sequence[str]) -> str:
    """The folder that holds all of these."""
    return os.path.commonpath([os.path.dirname(path) for path in paths]) or "."
