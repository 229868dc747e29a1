"""docs/example-report holds what `make run` writes."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.example_report import COMMITTED, REPORTS, REWRITE, differences, write_example_report

pytestmark = pytest.mark.e2e


@pytest.mark.slow
def test_the_committed_report_is_that_of_a_run(tmp_path: Path) -> None:
    written = write_example_report(tmp_path)
    for name in REPORTS:
        committed, new = ((folder / name).read_text(encoding="utf-8") for folder in (COMMITTED, written))
        found = differences(committed, new)
        assert not found, f"docs/example-report/{name} is not what `make run` writes. Write it anew: {REWRITE}\n" + (
            "\n".join(line[:300] for line in found[:60])
        )


def test_what_differs_from_run_to_run_is_no_difference() -> None:
    line = "| evaluate.recall | {} | ≥ 0.9 | Run <code>{}</code>, {}, commit <code>{}</code>"
    one = line.format("0.952381", "20261201-190111-4ef096", "27.4 s", "12c95fb5d79a")
    other = line.format("0.97619", "20261202-010203-000000", "1 min 2 s", "0" * 12)
    assert differences(one, other) == []
    assert differences(one, line.format("0.8", "20261201-190111-4ef096", "27.4 s", "12c95fb5d79a"))
    assert differences(one, one.replace("0.952381", "–"))
    assert differences("<b>depth</b><b>4</b>", "<b>depth</b><b>5</b>")
    assert differences("<b>one</b><b>two</b>", "<b>one</b>")[-1] == "-<b>two</b>"
    assert differences("<b>one</b>", "<b>one</b><b>two</b>")[-1] == "+<b>two</b>"
