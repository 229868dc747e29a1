"""Earlier runs, as later ones are compared with them."""

from __future__ import annotations

from pathlib import Path

from mlci.reuse.key_document import RunKeys
from mlci.runs.earlier_runs import explain_steps
from mlci.runs.run_folder import RunFolder


def test_no_run_is_read_where_no_step_is_to_be_explained() -> None:
    folders = iter([RunFolder(Path("never-looked-for"))])
    assert explain_steps([], RunKeys("credit", {}), folders, "local", 30) == []
    assert len(list(folders)) == 1
