"""`cases` and `trained_on` of a step: the files with the cases that it tested, and with those that it trained on."""

from __future__ import annotations

import posixpath
from collections.abc import Sequence

from mlci.flow.key_reader import KeyReader
from mlci.flow.problems import Candidates, listed

#: The formats of tables, by the suffix of their files.
TABLE_SUFFIXES = (".csv", ".parquet")


class CaseKeys(KeyReader):
    """The keys of one step that name tables of cases."""

    def cases(self, outputs: Sequence[str]) -> str | None:
        """Return the file with its cases, as `<output>/<path>`."""
        return self._table("cases", "output", outputs)

    def trained_on(self, outputs: Sequence[str], inputs: Sequence[str]) -> str | None:
        """Return the file with the ids that it trained on: in an output, or in an input where outputs are archives."""
        is_archive = self.step.step_type.outputs is not None
        return self._table("trained_on", *(("input", inputs) if is_archive else ("output", outputs)))

    def _table(self, name: str, kind: str, folders: Sequence[str]) -> str | None:
        path = self.path(name)
        if self.step.key(name) is None or self.problems.is_suspect(path):
            return None
        text: str | None = self.step.written(name)
        if text is None:
            return None
        folder, _, file = text.partition("/")
        form = f"<{kind}>/<file>.csv"
        if not file or {"", ".", ".."} & set(text.split("/")) or not text.isprintable() or "\\" in text:
            self.problems.at(path, f'"{text[:80]}" does not name a file in an {kind} of the step', f"Write {form}")
        elif not file.endswith(TABLE_SUFFIXES):
            hint = f"Write {posixpath.splitext(text)[0]}.csv, or .parquet, and that format"
            self.problems.at(path, f'"{name}" is a table in a .csv or .parquet file, but names "{text[:80]}"', hint)
        elif folder not in folders and not self.problems.is_partly_suspect(self.path(f"{kind}s")):
            what = f'"{name}" is in "{folder}", which is no {kind} of step "{self.step.name}"'
            hint = f"Its {kind}s are {listed(folders)}" if folders else f"It has no {kind}s. Write {form}"
            self.problems.at(path, what, hint, Candidates(folder, tuple(folders)) if folders else None)
        return text
