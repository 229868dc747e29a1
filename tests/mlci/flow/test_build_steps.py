"""The notes on steps that the build runs itself."""

from __future__ import annotations

from mlci.flow import load
from mlci.flow.build_steps import build_notes

FLOW = """flow: small
steps:
  a: {uses: processing, runs-on: build, run: a.py, matrix: {fold: [1, 2]}}
  b: {uses: processing, run: a.py, image: "mine.example/image:7"}
"""


def test_each_step_of_the_build_is_noted_once_where_it_says_so() -> None:
    [note] = build_notes(load(FLOW.encode(), "flow.yaml"))
    assert str(note).startswith('flow.yaml:3:34: step "a" runs in the build, and can reach the role of the build')
