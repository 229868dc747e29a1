"""Output, stack events and questions of `mlci bootstrap`: on the terminal, or without one in a script."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timezone
from typing import Protocol, TextIO

from mlci.backends.aws.cloudformation_stacks import StackEvent
from mlci.errors import InputError, Stopped
from mlci.interrupts import InterruptSource
from mlci.report.stack_report import Line, event_line
from mlci.report.untrusted_text import console_text
from mlci_dataclasses import dataclass


class Prompt(Protocol):
    """Shows changes to the user and asks for consent.

    `assume_yes` is the option --yes; `is_interactive` says whether a user can answer.
    """

    @property
    def assume_yes(self) -> bool: ...

    @property
    def is_interactive(self) -> bool: ...

    @property
    def interrupts(self) -> InterruptSource: ...

    def message(self, text: str) -> None: ...

    def show(self, lines: Sequence[Line]) -> None: ...

    def on_event(self, event: StackEvent) -> None: ...

    def confirm(self, question: str) -> bool: ...


@dataclass(frozen=True)
class TerminalPrompt:
    """A `Prompt` that writes plain lines to a stream, in colour on a terminal, and reads answers from standard
    input."""

    out: TextIO
    assume_yes: bool
    is_interactive: bool
    interrupts: InterruptSource
    clock: Callable[[], datetime] = lambda: datetime.now(timezone.utc)

    def message(self, text: str) -> None:
        self.show([Line(text)])

    def show(self, lines: Sequence[Line]) -> None:
        from rich.console import Console
        from rich.text import Text

        console = Console(file=self.out, highlight=False)
        for line in lines:
            console.print(Text(console_text(line.text), line.style), soft_wrap=True)
        self.out.flush()

    def on_event(self, event: StackEvent) -> None:
        line = event_line(event, self.clock())
        if line is not None:
            self.show([line])

    def confirm(self, question: str) -> bool:
        """Return True if the user answers yes; the end of the input is a no.

        Raises: KeyboardInterrupt.
        """
        try:
            return input(f"{question} [y/N] ").strip().lower() in ("y", "yes")
        except EOFError:
            return False


def require_consent(prompt: Prompt, question: str, action: str) -> None:
    """Ask the user, unless --yes is set. `action` completes the sentence "nothing was …", such as `changed`.

    Raises: InputError, if nobody can answer; Stopped, if the answer is no.
    """
    if prompt.assume_yes:
        return
    if not prompt.is_interactive:
        hint = "Review the changes above, and run again with --yes."
        raise InputError(f"there is no terminal to confirm the changes on, so nothing was {action}", hint)
    if not prompt.confirm(question):
        raise Stopped(f"nothing was {action}.")
