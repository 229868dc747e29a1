"""What a person watches: a live line a step on a terminal, plain lines elsewhere, and the verdict at the end."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import TYPE_CHECKING, TextIO

from mlci.backends.progress import StepState
from mlci.gate import RuleVerdict
from mlci.report.formatting import HEADLINE, duration
from mlci.report.result import Result, Status

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

_SIGN = {
    "waiting": "·",
    "running": "▶",
    "succeeded": "✔",
    "reused": "↺",
    "failed": "✘",
    "skipped": "–",
    "stopped": "■",
}
_STYLE = {"running": "cyan", "succeeded": "green", "reused": "blue", "failed": "bold red", "stopped": "yellow"}


@dataclass
class Screen:
    """Where a run is shown. `tail` gives the last lines of a step's log; `clock` is UTC."""

    out: TextIO
    is_terminal: bool
    tail: Callable[[str], str]
    clock: Callable[[], datetime] = lambda: datetime.now(timezone.utc)
    steps: Mapping[str, StepState] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _console: Console | None = None  # while live, lines are printed above the table

    def turn_to(self, tail: Callable[[str], str]) -> None:
        """From now on shows another run, whose logs end as `tail` says."""
        self.tail = tail

    def say(self, text: str) -> None:
        """Prints a line, above what is live."""
        if self._console is not None:
            self._console.print(text, markup=False, highlight=False)
        else:
            print(text, file=self.out, flush=True)

    def show(self, steps: Mapping[str, StepState]) -> None:
        """Takes the steps' newest states, and tells what has changed. Called from the threads that run steps."""
        with self._lock:
            before, self.steps = self.steps, steps
            for name, step in steps.items():
                if name in before and step.status != before[name].status:
                    self._tell(name, step)

    def _tell(self, name: str, step: StepState) -> None:
        now = self.clock()
        if self._console is None and step.status in ("running", "succeeded", "reused", "failed", "stopped"):
            took = f" in {duration(step.seconds(now))}" if step.ended else ""
            self.say(f"{now:%H:%M:%S}  {_SIGN[step.status]} {name} {step.status}{took}")
        if step.status == "failed":
            self.say(failure(name, step.reason or "", self.tail(name)))

    @contextmanager
    def live(self) -> Iterator[None]:
        """While in here, a terminal shows a line a step that ticks."""
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

        table, now = Table.grid(padding=(0, 2)), self.clock()
        for name, step in self.steps.items():
            style = _STYLE.get(step.status, "dim")
            took = duration(step.seconds(now)) if step.started else ""
            table.add_row(Text(f"{_SIGN[step.status]} {name}", style), Text(step.status, style), Text(took))
        return table


def failure(step: str, reason: str, tail: str) -> str:
    """A failing step's reason, and its last log lines unless the reason has them already."""
    lines = [f'step "{step}" failed: {reason.strip()}']
    if tail and tail.strip() not in reason:
        lines += [f"  last lines of its log (all: mlci logs {step}):", *(f"  | {line}" for line in tail.splitlines())]
    return "\n".join(lines)


def summary(result: Result, folder: str) -> str:
    """The end of a run: its verdict, every rule (where there was something to judge), and where the reports are."""
    lines = [""]
    if result.rules and result.status in (Status.PASSED, Status.GATE_MISSED):
        lines.append("gate")
        lines += [f"  {'✔' if judged.held else '✘'} {judged.text}{_margin(judged)}" for judged in result.rules]
        lines.append("")
    lines.append(f"{result.flow}: {HEADLINE[result.status]} in {duration(result.seconds)}")
    failed = [name for name, step in result.steps.items() if step.status == "failed"]
    if failed:
        lines.append(f"failed: {', '.join(failed)} (the reason stands above, and in the report)")
    elif result.reason and result.status is not Status.GATE_MISSED:
        lines.append(result.reason)
    lines.append(f"report: {folder}/report.md")
    return "\n".join(lines)


def _margin(judged: RuleVerdict) -> str:
    return f", margin {judged.margin:.6g}" if judged.held and judged.margin is not None else ""


def table(head: Sequence[str], rows: Sequence[Sequence[str]], out: TextIO) -> None:
    """Rows under a head, each column as wide as it needs; nothing is cut, so that it can be piped."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    made = Table(box=None, pad_edge=False, header_style="bold")
    for name in head:
        made.add_column(name, no_wrap=True)
    for row in rows:
        made.add_row(*(Text(cell) for cell in row))
    console = Console(file=out, highlight=False)
    if not console.is_terminal:
        console.width = 10_000
    console.print(made)
