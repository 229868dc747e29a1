"""A history of commits that are numbers."""

from __future__ import annotations

from datetime import datetime


class NumberedCommits:
    """The commits "0" to "9", of which each builds on those before it. Only their order is known."""

    def is_ancestor(self, older: str, newer: str) -> bool:
        return older < newer

    def committed(self, commit: str) -> datetime | None:
        return None

    def ancestors(self, commit: str) -> dict[str, int]:
        raise AssertionError("to write a baseline takes none")

    def is_shallow(self) -> bool:
        raise AssertionError("to write a baseline takes none")
