"""`cases`, `trained_on` and `plots` of a step: the files that mlci itself reads when the step has run."""

from __future__ import annotations

import posixpath
from collections.abc import Sequence

from mlci.flow.key_reader import KeyReader
from mlci.flow.problems import Candidates, listed
from mlci.flow.yaml_document import Path

#: The formats of tables and of plots, by the suffix of their files.
TABLE_SUFFIXES = (".csv", ".parquet")
PLOT_SUFFIXES = (".png", ".svg", ".csv", ".json")


class FileNameKeys(KeyReader):
    """The keys of one step that name files in its outputs or inputs."""

    def cases(self, outputs: Sequence[str]) -> str | None:
        """Return the file with its cases, as `<output>/<path>`."""
        return self._table("cases", "output", outputs)

    def trained_on(self, outputs: Sequence[str], inputs: Sequence[str]) -> str | None:
        """Return the file with the ids that it trained on: in an output, or in an input where outputs are archives."""
        is_archive = self.step.step_type.outputs is not None
        return self._table("trained_on", *(("input", inputs) if is_archive else ("output", outputs)))

    def plots(self, outputs: Sequence[str]) -> tuple[str, ...]:
        """Return the files that the report shows as plots, each as `<output>/<path>`."""
        path = self.path("plots")
        if self.step.key("plots") is None or self.problems.is_suspect(path):
            return ()
        texts: Sequence[str] = self.step.written("plots") or ()
        for number, text in enumerate(texts):
            if not self.problems.is_suspect((*path, number)):
                self._check("plots", (*path, number), text, "output", outputs, PLOT_SUFFIXES)
        return tuple(dict.fromkeys(texts))

    def _table(self, name: str, kind: str, folders: Sequence[str]) -> str | None:
        path = self.path(name)
        if self.step.key(name) is None or self.problems.is_suspect(path):
            return None
        text: str | None = self.step.written(name)
        if text is not None:
            self._check(name, path, text, kind, folders, TABLE_SUFFIXES)
        return text

    def _check(
        self, name: str, path: Path, text: str, kind: str, folders: Sequence[str], suffixes: tuple[str, ...]
    ) -> None:
        """Report a text that is not `<folder>/<file>` with one of these suffixes, in a folder of the step."""
        folder, _, file = text.partition("/")
        form = f"<{kind}>/<file>{suffixes[0]}"
        if not file or {"", ".", ".."} & set(text.split("/")) or not text.isprintable() or "\\" in text:
            self.problems.at(path, f'"{text[:80]}" does not name a file in an {kind} of the step', f"Write {form}")
        elif not file.endswith(suffixes):
            noun = "a table" if suffixes == TABLE_SUFFIXES else "a plot"
            others = f"{', '.join(suffixes[:-1])} or {suffixes[-1]}"
            hint = f"Write {posixpath.splitext(text)[0]}{others.replace(' or ', ', or ')}, and that format"
            self.problems.at(path, f'"{name}" is {noun} in a {others} file, but names "{text[:80]}"', hint)
        elif folder not in folders and not self.problems.is_partly_suspect(self.path(f"{kind}s")):
            what = f'"{name}" is in "{folder}", which is no {kind} of step "{self.step.name}"'
            hint = f"Its {kind}s are {listed(folders)}" if folders else f"It has no {kind}s. Write {form}"
            self.problems.at(path, what, hint, Candidates(folder, tuple(folders)) if folders else None)
