"""Notes: what `mlci validate` and `mlci plan` say of a flow that is valid, as lines and as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeAlias

from mlci.errors import Problem
from mlci.flow.models import Json
from mlci_dataclasses import dataclass

NoteCode: TypeAlias = Literal["build-time", "build-role", "model-script", "weak-limit", "base-rule", "local-run"]

_ABOUT: Mapping[NoteCode, str] = {
    "build-time": "builds",
    "build-role": "builds",
    "model-script": "models",
    "weak-limit": "the gate",
    "base-rule": "the gate",
    "local-run": "local runs",
}


@dataclass(frozen=True)
class Note:
    """A note. `where` is `file:line:column`, or "" for one that is about no place in the flow."""

    code: NoteCode
    text: str
    where: str = ""

    @staticmethod
    def of(code: NoteCode, problem: Problem) -> Note:
        """Returns a problem as a note."""
        place = ":".join(str(part) for part in (problem.file, problem.line, problem.column) if part)
        return Note(code, f"{problem.what}. {problem.hint}" if problem.hint else problem.what, place)

    def __str__(self) -> str:
        """
        >>> print(Note("weak-limit", "evaluate.recall: 42 cases are few", "flow.yaml:31:14"))
        note, for the gate: flow.yaml:31:14: evaluate.recall: 42 cases are few
        """
        return f"note, for {_ABOUT[self.code]}: {f'{self.where}: ' if self.where else ''}{self.text}"

    def to_json(self) -> dict[str, Json]:
        return {"code": self.code, "where": self.where, "text": self.text}
