"""The person at the terminal, or the script in their place."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TextIO

from mlci.backends.aws.cloudformation_stacks import StackEvent
from mlci.interrupts import Listening
from mlci.report.stack_report import Line, event_line


@dataclass(frozen=True)
class Terminal:
    """Where it is shown and asked: plain lines, in colour on a terminal. `agrees` has said yes beforehand; `is_there`
    says whether somebody can answer."""

    out: TextIO
    agrees: bool
    is_there: bool
    listening: Listening
    clock: Callable[[], datetime] = lambda: datetime.now(timezone.utc)

    def say(self, text: str) -> None:
        self.show([Line(text)])

    def show(self, lines: Sequence[Line]) -> None:
        from rich.console import Console
        from rich.text import Text

        console = Console(file=self.out, highlight=False)
        for line in lines:
            console.print(Text(line.text, line.style), soft_wrap=True)
        self.out.flush()

    def tell(self, event: StackEvent) -> None:
        line = event_line(event, self.clock())
        if line is not None:
            self.show([line])

    def confirm(self, question: str) -> bool:
        """What is answered; no, where nothing is.

        Raises: KeyboardInterrupt.
        """
        try:
            return input(f"{question} [y/N] ").strip().lower() in ("y", "yes")
        except EOFError:
            return False
