"""The folder of runs: `.mlci/runs/<run id>/`, what is written there and how it is found again."""

from __future__ import annotations

import errno
import json
import os
import threading
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from mlci.errors import InputError
from mlci.json_text import indented
from mlci.report import render_reports
from mlci.report.log_lines import lines_of
from mlci.report.result import RunStart, is_readable
from mlci.reuse.key_document import RunKeys
from mlci.runs.run_lock import is_locked
from mlci_dataclasses import dataclass

if TYPE_CHECKING:
    from mlci.backends.decisions import Question
    from mlci.backends.protocol import RunningExecution
    from mlci.flow.models import Json
    from mlci.report.result import Result
    from mlci.report.run_list import ListedRun

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

    def siblings(self) -> list[RunFolder]:
        """The runs in the same place, the newest first."""
        return Runs(self.path.parent.parent).all()

    def is_named(self, text: str) -> bool:
        """Return True if the run's id begins or ends with `text`."""
        return self.run_id.startswith(text) or self.run_id.endswith(text)

    def log(self, step: str) -> Path:
        return self.path / "logs" / f"{step}.log"

    def logged_steps(self) -> list[str]:
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
        return "\n".join(lines_of(text)[-lines:])

    @property
    def start_file(self) -> Path:
        """The file that is written when the run starts, and that its process locks."""
        return self.path / "run.json"

    def start(self, definition: str, execution_input: str, start: RunStart, keys: RunKeys | None = None) -> None:
        """Creates the folder with the run's definition, input and keys, and points `.mlci/latest` at it.

        The definition is empty where the run has none: nothing was due, and it is not known.
        The folder may exist: a build that was cut off attaches to its run.
        """
        (self.path / "logs").mkdir(parents=True, exist_ok=True)
        texts = {
            "input.json": indented(json.loads(execution_input)),
            self.start_file.name: indented(start.to_json()),
        }
        if definition:
            texts["definition.json"] = indented(json.loads(definition))
        if keys is not None:
            texts["keys.json"] = indented(keys.to_json())
        _write_files(self.path, texts)
        _link(self.path.parent.parent / "latest", Path("runs", self.path.name))

    def write_input(self, execution_input: str) -> None:
        """Writes the run's input once more, as it is sent."""
        _write_files(self.path, {"input.json": indented(json.loads(execution_input))})

    def started(self) -> RunStart | None:
        """Returns what is known of the run since its start; None for a run of an older mlci, or a damaged file."""
        try:
            return RunStart.from_json(json.loads(self.start_file.read_text(encoding="utf-8")))
        except (OSError, ValueError, RecursionError):
            return None

    def is_running(self) -> bool:
        """Returns True if the process of the run is alive, and has not reported yet."""
        return is_locked(self.start_file) and not (self.path / "result.json").exists()

    def listed(self, displayed: str) -> ListedRun:
        """Returns the run as `mlci list` and `mlci show` tell it. `displayed` is the folder as a user types it."""
        from mlci.report.run_list import ListedRun

        start = self.started()
        try:
            result = self.result()
        except InputError:
            return ListedRun(self.run_id, displayed, "unreadable", start)
        if result is not None:
            return ListedRun(self.run_id, displayed, "finished", start, result)
        if start is None:
            return ListedRun(self.run_id, displayed, "unfinished")
        if not self.is_running():
            return ListedRun(self.run_id, displayed, "killed", start)
        return ListedRun(self.run_id, displayed, "running", start, undecided=self.undecided())

    def request_stop(self) -> None:
        """Asks the process of the run to stop it."""
        (self.path / "stop").touch()

    def is_stop_requested(self) -> bool:
        return (self.path / "stop").exists()

    def write_undecided(self, questions: Mapping[str, Question]) -> None:
        """Writes down which steps wait for a decision, for other commands to show."""
        texts = {name: question.message for name, question in questions.items()}
        _write_files(self.path, {"undecided.json": indented(texts)})

    def undecided(self) -> dict[str, str]:
        """Returns the questions of steps that wait for a decision, by step; {} where the run does not go on."""
        if not self.is_running():
            return {}
        try:
            document = json.loads((self.path / "undecided.json").read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError):
            return {}
        return {str(step): str(text) for step, text in document.items()} if isinstance(document, dict) else {}

    def execution_input(self) -> dict[str, Json] | None:
        """Returns the input of the run's execution; None where it can't be read."""
        try:
            document = json.loads((self.path / "input.json").read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError):
            return None
        return document if isinstance(document, dict) else None

    def keys(self) -> RunKeys | None:
        """Returns the keys of the run's steps; None for a run of an older mlci, or a damaged file."""
        try:
            return RunKeys.from_json(json.loads((self.path / "keys.json").read_text(encoding="utf-8")))
        except (OSError, ValueError, RecursionError):
            return None

    def finish(self, result: Result) -> None:
        """Writes the reports: all of them, or none.

        Raises: OSError, if the disk is full or the folder can't be written.
        """
        _write_files(self.path, dict(render_reports(result)))

    def result(self) -> dict[str, Json] | None:
        """Returns result.json as it was written; None while the run goes on, or where it was killed.

        Raises: InputError, if the file is damaged, or of another version of mlci.
        """
        file = self.path / "result.json"
        try:
            result = json.loads(file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except OSError as error:
            raise InputError(f'"{file}" can\'t be read: {error.strerror}') from error
        except (ValueError, RecursionError):
            result = None
        if not isinstance(result, dict) or not is_readable(result):
            raise InputError(f'"{file}" is damaged, or of another version of mlci', "The logs are beside it.")
        return result


@dataclass(frozen=True)
class Runs:
    """All runs beside a flow: `home` is its `.mlci` folder."""

    home: Path

    def folder(self, run_id: str) -> RunFolder:
        return RunFolder(self.home / "runs" / run_id)

    def all(self) -> list[RunFolder]:
        """Every run, the newest first.

        Raises: InputError, if the folder may not be read.
        """
        try:
            names = sorted((entry.name for entry in (self.home / "runs").iterdir() if entry.is_dir()), reverse=True)
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            hint = "Check its owner and its permissions."
            raise InputError(f'"{self.home / "runs"}" can\'t be read: {error.strerror}', hint) from error
        return [self.folder(name) for name in names]

    def running(self) -> list[RunningExecution]:
        """The runs that go on in processes of this machine, with the input of each as far as it is written."""
        from mlci.backends.protocol import RunningExecution  # `mlci list` does without

        live = [folder for folder in self.all() if folder.is_running()]
        return [RunningExecution(folder.run_id, json.dumps(folder.execution_input() or {})) for folder in live]

    def here_or_elsewhere(self, run: str) -> RunFolder:
        """A run by its name, as `find` takes it; of one that is not here, the folder that it would have.

        Raises: InputError, where more than one is called so, or none is the latest.
        """
        is_here = run == "latest" or any(folder.is_named(run) for folder in self.all())
        return self.find(run) if is_here else self.folder(run)

    def hint(self, run: str) -> str:
        """Returns what to say of a run that is not here: the nearest, or the newest ones."""
        from mlci.flow.problems import nearest

        known = [folder.run_id for folder in self.all()]
        if near := nearest(run, known):
            return f'Did you mean "{near}"?'
        return f"There are: {', '.join(known[:5])}." if known else "There are none yet."

    def find(self, run: str | None) -> RunFolder:
        """A run by its id, or by the beginning or end of it; the newest for None or "latest".

        Raises: InputError, where there is none, or more than one.
        """
        runs = self.all()
        if not runs:
            raise InputError(f"there are no runs in {self.home / 'runs'}", "Start one: mlci run")
        if run is None or run == "latest":
            return runs[0]
        matches = [folder for folder in runs if folder.run_id == run] or [
            folder for folder in runs if folder.is_named(run)
        ]
        if len(matches) == 1:
            return matches[0]
        if not matches:
            raise InputError(f'there is no run "{run}"', self.hint(run))
        known = ", ".join(folder.run_id for folder in matches[:5])
        raise InputError(f'more than one run is called "{run}"', f"There are: {known}")


def _write_files(folder: Path, texts: Mapping[str, str]) -> None:
    """Writes files, each of them whole or not at all, and none if one can't be written.

    Each text is written to a temporary file, and all are renamed when the disk has taken the last one.
    """
    unique = os.urandom(4).hex()  # a build that was cut off and its successor may write the same run's reports at once
    temporary = {name: folder / f".{name}-{unique}.tmp" for name in texts}
    try:
        with ExitStack() as opened:
            files = {name: opened.enter_context(temporary[name].open("wb")) for name in texts}
            for name, file in files.items():
                file.write(texts[name].encode("utf-8", "replace"))  # a file's name may be no UTF-8
                file.flush()
            _sync([file.fileno() for file in files.values()])
        for name, path in temporary.items():
            os.replace(path, folder / name)
    finally:
        for path in temporary.values():
            path.unlink(missing_ok=True)


def _sync(descriptors: Iterable[int]) -> None:
    """Has the disk take files: some file systems find only now that they are full, or over a quota.

    All at once: a journal then takes them together, in 1 ms where five took 12.
    Source: https://man7.org/linux/man-pages/man2/fsync.2.html

    Raises: OSError.
    """
    errors: list[OSError] = []

    def sync(descriptor: int) -> None:
        try:
            os.fsync(descriptor)
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.ENOSYS):  # a file system that can't do it
                errors.append(error)

    threads = [threading.Thread(target=sync, args=(descriptor,)) for descriptor in descriptors]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for error in errors:
        raise error


def _link(link: Path, target: Path) -> None:
    """Replaces a symbolic link in one step, so that two runs at once leave a whole one."""
    temporary = link.with_name(f".{link.name}-{os.getpid()}-{target.name}")
    try:
        temporary.symlink_to(target)
        os.replace(temporary, link)
    except OSError:
        temporary.unlink(missing_ok=True)  # a file system without links: `latest` is a convenience
