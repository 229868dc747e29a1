"""The examples that property tests draw: the same each time in `make test`, new and many in the nightly check."""

from __future__ import annotations

import os

from hypothesis import settings

#: `fixed` draws the same examples each time, so that a change and not chance decides whether the tests pass.
PROFILE = os.environ.get("MLCI_TEST_EXAMPLES", "fixed")
_FACTOR = {"fixed": 1, "new": 10}


def load_profile() -> None:
    """Makes hypothesis draw as `MLCI_TEST_EXAMPLES` says: `fixed` (the default) or `new`."""
    settings.register_profile("fixed", derandomize=True, deadline=None)
    settings.register_profile("new", derandomize=False, deadline=None, print_blob=True)
    settings.load_profile(PROFILE)


def examples(count: int) -> int:
    """The number of examples that a test draws, `count` by default and ten times as many at night."""
    return count * _FACTOR[PROFILE]
