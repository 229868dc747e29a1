"""Earlier runs, as later ones are compared with them."""

from __future__ import annotations

from collections.abc import Iterator

from mlci.reuse.key_document import RunKeys
from mlci.runs.earlier_runs import explain_steps
from mlci.runs.run_folder import RunFolder


def test_no_run_is_read_where_no_step_is_to_be_explained() -> None:
    def unreadable() -> Iterator[RunFolder]:
        raise AssertionError("a run's folder was asked for")
        yield

    assert explain_steps([], RunKeys("credit", {}), unreadable(), "local", 30) == []
