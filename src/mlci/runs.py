"""The folder of runs: `.mlci/runs/<run id>/`, what is written there and how it is found again."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

from mlci.errors import InputError
from mlci.flow.models import Json
from mlci.report.html import page
from mlci.report.junit import junit
from mlci.report.markdown import markdown
from mlci.report.result import Result, to_json

_TAIL_BYTES = 16_384


@dataclass(frozen=True)
class RunFolder:
    """One run's folder."""

    path: Path

    @property
    def run_id(self) -> str:
        return self.path.name

    def sibling(self, run_id: str) -> RunFolder:
        """Another run's folder, beside this one."""
        return RunFolder(self.path.with_name(run_id))

    def is_named(self, text: str) -> bool:
        """Whether the run's id begins or ends with `text`."""
        return self.run_id.startswith(text) or self.run_id.endswith(text)

    def log(self, step: str) -> Path:
        return self.path / "logs" / f"{step}.log"

    def logged(self) -> list[str]:
        """The steps that have a log."""
        return sorted(file.stem for file in (self.path / "logs").glob("*.log"))

    def tail(self, step: str, lines: int = 20) -> str:
        """The last lines of a step's log; empty where it has none."""
        try:
            with self.log(step).open("rb") as file:
                file.seek(max(0, file.seek(0, os.SEEK_END) - _TAIL_BYTES))
                text = file.read().decode(errors="replace")
        except OSError:
            return ""
        return "\n".join(text.splitlines()[-lines:])

    def begin(self, definition: str, given: str) -> None:
        """Makes the folder, with what the run starts from, and points `.mlci/latest` at it. A run that was cut off, and
        is attached to, has one already."""
        (self.path / "logs").mkdir(parents=True, exist_ok=True)
        (self.path / "definition.json").write_text(definition + "\n", encoding="utf-8")
        (self.path / "input.json").write_text(json.dumps(json.loads(given), indent=2) + "\n", encoding="utf-8")
        _point(self.path.parent.parent / "latest", Path("runs", self.path.name))

    def finish(self, result: Result) -> None:
        """Writes the reports; result.json comes last, so that whoever waits for it finds the others."""
        for name, text in (
            ("report.md", markdown(result)),
            ("report.html", page(result)),
            ("junit.xml", junit(result)),
            ("result.json", json.dumps(to_json(result), indent=2) + "\n"),
        ):
            (self.path / name).write_text(text, encoding="utf-8")

    def result(self) -> dict[str, Json] | None:
        """result.json as it was written; None while the run goes on, or where it was killed."""
        try:
            found = json.loads((self.path / "result.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return found if isinstance(found, dict) else None


@dataclass(frozen=True)
class Runs:
    """All runs beside a flow: `home` is its `.mlci` folder."""

    home: Path

    def folder(self, run_id: str) -> RunFolder:
        return RunFolder(self.home / "runs" / run_id)

    def all(self) -> list[RunFolder]:
        """Every run, the newest first."""
        try:
            names = sorted((entry.name for entry in (self.home / "runs").iterdir() if entry.is_dir()), reverse=True)
        except OSError:
            return []
        return [self.folder(name) for name in names]

    def complete(self, run: str) -> str:
        """The id of the one run here that begins or ends so; `run` itself if there is none, or more than one."""
        near = [folder.run_id for folder in self.all() if folder.is_named(run)]
        return near[0] if len(near) == 1 else run

    def find(self, wanted: str | None) -> RunFolder:
        """A run by its id, or by the beginning or end of it; the newest for None or "latest".

        Raises: InputError, where there is none, or more than one.
        """
        found = self.all()
        if not found:
            raise InputError(f"there are no runs in {self.home / 'runs'}", "Start one: mlci run")
        if wanted in (None, "latest"):
            return found[0]
        assert wanted is not None
        exact = [run for run in found if run.run_id == wanted]
        near = exact or [run for run in found if run.is_named(wanted)]
        if len(near) == 1:
            return near[0]
        known = ", ".join(run.run_id for run in (near or found)[:5])
        what = f'more than one run is called "{wanted}"' if near else f'there is no run "{wanted}"'
        raise InputError(what, f"There are: {known}")


def _point(link: Path, target: Path) -> None:
    """Replaces a symbolic link in one step, so that two runs at once leave a whole one."""
    temporary = link.with_name(f".{link.name}-{os.getpid()}-{target.name}")
    try:
        temporary.symlink_to(target)
        os.replace(temporary, link)
    except OSError:
        temporary.unlink(missing_ok=True)  # a file system without links: `latest` is a convenience
