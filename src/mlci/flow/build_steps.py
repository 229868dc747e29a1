"""Notes on the steps of a flow that the build runs itself."""

from __future__ import annotations

from collections.abc import Iterator

from mlci.errors import Problem
from mlci.flow.models import Flow
from mlci.flow.names import written_name


def build_notes(flow: Flow) -> Iterator[Problem]:
    """Yield a note for each step whose script the build's role is in reach of: that of pull requests, or of the base
    branch."""
    for name in dict.fromkeys(map(written_name, flow.build_steps)):
        at = flow.position("steps", name, "runs-on")
        what = f'step "{name}" runs in the build, and can reach the role of the build, also that of pull requests'
        yield Problem(at.file, at.line, at.column, what, "See docs/steps/processing.md, In the build")
