"""The console: a live line for each step on a terminal, plain lines elsewhere, and a summary at the end."""

from __future__ import annotations

import shlex
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import field
from datetime import datetime, timezone
from typing import TYPE_CHECKING, TextIO

from mlci.report.formatting import count, duration, headline, reused_note, rough_duration, step_note
from mlci.report.log_lines import last_line
from mlci.report.log_tail import without_repetition
from mlci.report.next_commands import flow_option, next_command, run_options
from mlci.report.result import Result, Status
from mlci.report.signs import OUTCOME_SIGNS, STEP_SIGNS, STEP_STYLES
from mlci.report.untrusted_text import console_text, one_line, plain_text
from mlci_dataclasses import dataclass

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from mlci.backends.progress import Progress, StepState
    from mlci.gate import RuleVerdict


@dataclass
class ConsoleReporter:
    """Reports the progress of a run. `log_tail` gives the last lines of a step's log; `clock` is UTC.

    `shows_logs` says that somebody prints every line of the logs, so that a failure does not repeat the last ones.
    `run_id`, `flow_file` and `cloud` name the run in commands.
    """

    out: TextIO
    is_terminal: bool
    log_tail: Callable[[str], str]
    shows_logs: bool = False
    clock: Callable[[], datetime] = lambda: datetime.now(timezone.utc)
    run_id: str = ""
    flow_file: str = "flow.yaml"
    cloud: str = "local"
    steps: Mapping[str, StepState] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _console: Console | None = None  # while live, lines are printed above the table

    def use_run(self, run_id: str, tail: Callable[[str], str]) -> None:
        """Reports another run from now on, with its logs."""
        self.run_id, self.log_tail = run_id, tail

    def log(self, text: str) -> None:
        """Prints a line, above the live table if there is one."""
        text = console_text(text)
        if self._console is not None:
            self._console.print(text, markup=False, highlight=False, soft_wrap=True)
        else:
            self.out.write(f"{text}\n")  # in one call, because several threads log
            self.out.flush()

    def update(self, progress: Progress) -> None:
        """Takes the newest state of each step, and logs the changes. Called from the threads that run steps."""
        with self._lock:
            before, self.steps = self.steps, progress.steps
            for name in progress.changed:
                if name in before:
                    self._log_change(name, before[name], progress.steps[name])

    def _log_change(self, name: str, before: StepState, step: StepState) -> None:
        if step.is_undecided and not before.is_undecided:
            self.log(waiting(name, step, self.clock(), self.run_id, run_options(self.flow_file, self.cloud)))
        if step.decision and not before.decision:
            self.log(_indented(f"{name}: {step.decision}"))
        if step.status != before.status:
            self._log_status(name, step)

    def _log_status(self, name: str, step: StepState) -> None:
        now = self.clock()
        if self._console is None and step.status in ("running", "succeeded", "reused", "failed", "stopped"):
            took = f" in {duration(step.seconds(now))}" if step.ended else ""
            took = f", {step_note(step)}" if step.status == "reused" else took
            self.log(f"{now:%H:%M:%S}  {STEP_SIGNS[step.status]} {name} {step.status}{took}")
        if step.status == "failed":
            tail = "" if self.shows_logs else self.log_tail(name)
            self.log(failure(name, step.reason or "", tail, flow_option(self.flow_file)))

    @contextmanager
    def live(self) -> Iterator[None]:
        """Shows a table with a line for each step, on a terminal, until the context is left."""
        if not self.is_terminal:
            yield
            return
        from rich.console import Console
        from rich.live import Live

        console = Console(file=self.out)
        with Live(get_renderable=self._table, console=console, refresh_per_second=8):
            self._console = console
            try:
                yield
            finally:
                self._console = None

    def _table(self) -> Table:
        from rich.table import Table
        from rich.text import Text

        table, now = Table.grid(padding=(0, 2), expand=True), self.clock()
        for _ in range(3):
            table.add_column(no_wrap=True)
        table.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
        for name, step in self.steps.items():
            style = STEP_STYLES.get(step.status, "dim")
            took = duration(step.seconds(now)) if step.started else ""
            last = one_line(console_text(self._last_line(name, step)))
            head = Text(one_line(console_text(f"{STEP_SIGNS[step.status]} {name}")), style)
            table.add_row(head, Text(step.status, style), Text(took), Text(last, "dim"))
        return table

    def _last_line(self, name: str, step: StepState) -> str:
        """The last line of a running step's log, or what it asks."""
        if step.question:
            return f"waits for a decision: {step.question.message}"
        return last_line(self.log_tail(name)) if step.status == "running" else ""


def waiting(name: str, step: StepState, now: datetime, run_id: str, options: str) -> str:
    """The question of a step that waits for a decision, and the commands that decide, with their options."""
    question = step.question
    assert question is not None
    left = f" within {rough_duration((question.until - now).total_seconds())}" if question.until else ""
    target = f"{shlex.quote(run_id)} {shlex.quote(name)}"
    return (
        f"{name}: {_indented(question.message)}\n"
        f"  it waits for a decision{left}: mlci approve {target}{options}, or "
        f"mlci reject {target}{options} --reason <why>"
    )


def failure(step: str, reason: str, tail: str, options: str = "") -> str:
    """A failing step's reason, and its last log lines unless the reason has them already."""
    lines = [f'step "{step}" failed: {_indented(reason.strip())}']
    tail = without_repetition(tail, reason)
    if tail:
        lines += [
            f"  last lines of its log (all: mlci logs {shlex.quote(step)}{options}):",
            *(f"  | {line}" for line in plain_text(tail).split("\n")),
        ]
    return "\n".join(lines)


def _indented(text: str) -> str:
    """The lines of a text, each after the first with an indent: none can pass for a line of mlci's own."""
    return plain_text(text).replace("\n", "\n  ")


def summary(result: Result, folder: str) -> str:
    """The end of a run: its verdict, every rule (where there was something to judge), and where the reports are."""
    lines = [""]
    if result.rules and result.status in (Status.PASSED, Status.GATE_MISSED):
        lines.append("gate")
        lines += [f"  {OUTCOME_SIGNS[judged.outcome]} {_judged(judged)}" for judged in result.rules]
        lines.append("")
    lines += [f"{name} is of {cell}, the best" for name, cell in result.chosen.items()]
    if note := reused_note(result):
        lines.append(note)
    lines.append(f"{result.flow}: {headline(result)}{_warnings(result)} in {duration(result.seconds)}")
    failed = [name for name, step in result.steps.items() if step.status == "failed"]
    if failed:
        lines.append(f"failed: {', '.join(failed)} (the reason stands above, and in the report)")
    elif result.reason and result.status is not Status.GATE_MISSED:
        lines.append(_indented(result.reason))
    lines.append(
        f"no report: the files could not be written ({result.unwritten})"
        if result.unwritten
        else f"report: {folder}/report.md"
    )
    if command := next_command(result):
        lines.append(f"next: {command}")
    return "\n".join(lines)


def _judged(judged: RuleVerdict) -> str:
    """The verdict on a rule, with what is only of use beside others."""
    return f"{judged.statement}{_margin(judged)}{judged.text.removeprefix(judged.statement)}"


def _margin(judged: RuleVerdict) -> str:
    """The margin of a number that held, and the level of a rule that was missed and does not block."""
    if judged.outcome in ("warned", "noted"):
        return f" ({judged.level} only)" if judged.level != "block" else ""
    is_number = judged.verdict == "held" and judged.comparison is None
    return f", margin {judged.margin:.6g}" if is_number and judged.margin is not None else ""


def _warnings(result: Result) -> str:
    warnings = sum(judged.outcome == "warned" for judged in result.rules)
    accepted = sum(judged.outcome == "accepted" for judged in result.rules)
    told = [
        *([count(warnings, "warning")] if warnings else []),
        *([f"{accepted} accepted {'miss' if accepted == 1 else 'misses'}"] if accepted else []),
    ]
    return f" with {' and '.join(told)}" if told and result.status is Status.PASSED else ""


def table(head: Sequence[str], rows: Sequence[Sequence[str]], out: TextIO) -> None:
    """Rows under a head, each column as wide as it needs; nothing is cut, so that it can be piped."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    grid = Table(box=None, pad_edge=False, header_style="bold")
    for name in head:
        grid.add_column(name, no_wrap=True)
    for row in rows:
        grid.add_row(*(Text(one_line(console_text(cell))) for cell in row))
    console = Console(file=out, highlight=False)
    if not console.is_terminal:
        console.width = 10_000
    console.print(grid)
