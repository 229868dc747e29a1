"""Text on standard output: for people, or as it is for other programs."""

from __future__ import annotations

import sys

from mlci.report.untrusted_text import console_text


def echo(text: str) -> None:
    """Prints text for people. What comes from outside can't control the terminal or the CI system (`console_text`)."""
    print(console_text(text), flush=True)


def echo_document(text: str) -> None:
    """Prints a document (JSON, YAML, Mermaid) exactly as it is: its text ends in a newline, and its format escapes."""
    sys.stdout.write(text)
