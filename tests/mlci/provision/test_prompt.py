"""What a terminal shows, and how a question is answered there."""

from __future__ import annotations

import io
import sys
from datetime import datetime, timezone

import pytest

from mlci.backends.aws.cloudformation_stacks import StackEvent
from mlci.cli.signals import interrupt_signals
from mlci.provision.prompt import TerminalPrompt
from mlci.report.stack_report import Line


@pytest.mark.parametrize(
    ("typed", "is_yes"), [("y\n", True), ("YES\n", True), ("\n", False), ("n\n", False), ("yeah\n", False), ("", False)]
)
def test_only_yes_is_yes(monkeypatch: pytest.MonkeyPatch, typed: str, is_yes: bool) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(typed))
    assert TerminalPrompt(io.StringIO(), False, True, interrupt_signals).confirm("Sure?") == is_yes


def test_long_lines_are_not_broken_and_nothing_is_markup() -> None:
    out = io.StringIO()
    terminal = TerminalPrompt(
        out, False, False, interrupt_signals, lambda: datetime(2026, 11, 25, 7, tzinfo=timezone.utc)
    )
    terminal.show([Line("[bold]" + "x" * 300, "bold red")])
    terminal.on_event(StackEvent("1", "Role", "AWS::IAM::Role", "CREATE_IN_PROGRESS", "Resource creation Initiated"))
    terminal.on_event(StackEvent("1", "Role", "AWS::IAM::Role", "CREATE_COMPLETE"))
    assert out.getvalue() == "[bold]" + "x" * 300 + "\n07:00:00  ✔ Role CREATE_COMPLETE\n"
