"""The steps that a plan reuses, and why the others run: a part of `mlci plan`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import field
from typing import TYPE_CHECKING

from mlci.flow.models import Json
from mlci.flow.names import written_name
from mlci_dataclasses import dataclass

if TYPE_CHECKING:
    from mlci.reuse.differences import Explanation


@dataclass(frozen=True)
class ReusePreview:
    """The run that each reused step is of, and why each other step of a type that can be reused runs.

    Where the reason is empty, `changes` has what has changed of the step, as far as it is known.
    """

    reused: Mapping[str, str] = field(default_factory=dict)
    reasons: Mapping[str, str] = field(default_factory=dict)
    changes: Mapping[str, Explanation] = field(default_factory=dict)

    def paragraph(self, steps: tuple[str, ...]) -> Iterator[str]:
        """Yield a paragraph with a line for each of these steps that can be reused; cells that are alike share one."""
        texts = {name: self._text(name) for name in steps if name in self.reused or name in self.reasons}
        of_cells: dict[str, set[str]] = {}
        for name, text in texts.items():
            of_cells.setdefault(written_name(name), set()).add(text)
        lines: dict[str, str] = {}
        for name, text in texts.items():
            written = written_name(name)
            lines[written if len(of_cells[written]) == 1 else name] = text
        if lines:
            width = max(map(len, lines))
            yield "\n".join(["reuse", *(f"  {name:{width}}  {text}" for name, text in lines.items())])

    def to_json(self) -> dict[str, Json]:
        """Return for each step the run that it is reused from, or why it runs."""
        return {
            **{name: {"reused_from": run, "reason": None} for name, run in self.reused.items()},
            **{name: {"reused_from": None, "reason": self._reason(name)} for name in self.reasons},
        }

    def _text(self, name: str) -> str:
        run = self.reused.get(name)
        return f"reused, from run {run}" if run is not None else f"runs: {self._reason(name)}"

    def _reason(self, name: str) -> str:
        found = self.changes.get(name)
        if self.reasons[name]:
            return self.reasons[name]
        if found is None or found.run_id is None:
            return "no earlier run is known that made it"
        if not found.changes:
            return f"nothing has changed since run {found.run_id}, which left no valid record of it"
        return f"{'; '.join(found.changes)} (since run {found.run_id})"
