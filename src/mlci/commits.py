"""Commits, as people read them."""

_SHORT_CHARS = 12


def short_commit(commit: str) -> str:
    """Return the beginning of a commit, as reports and messages name it.

    >>> short_commit("37a2b16f04c9d8e7a6b5c4d3e2f1a0b9c8d7e6f5")
    '37a2b16f04c9'
    """
    return commit[:_SHORT_CHARS]
