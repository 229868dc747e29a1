"""The signs and colours of steps and rules: the same on the console, in files and in graphs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from mlci.report.result import ShownOutcome, Status

if TYPE_CHECKING:
    from mlci.backends.progress import StepStatus

STEP_SIGNS: Mapping[StepStatus, str] = {
    "waiting": "·",
    "running": "▶",
    "succeeded": "✔",
    "reused": "↺",
    "failed": "✘",
    "skipped": "–",
    "stopped": "■",
}

#: The colours of GitHub's interface, for HTML and Mermaid.
STEP_COLOURS: Mapping[StepStatus, str] = {
    "succeeded": "#1a7f37",
    "reused": "#0969da",
    "failed": "#cf222e",
    "stopped": "#9a6700",
    "skipped": "#6e7781",
}

#: The styles of rich, for a terminal.
STEP_STYLES: Mapping[StepStatus, str] = {
    "running": "cyan",
    "succeeded": "green",
    "reused": "blue",
    "failed": "bold red",
    "stopped": "yellow",
}


#: The signs of a run on a page.
STATUS_SIGNS: Mapping[Status, str] = {
    Status.PASSED: "✔",
    Status.GATE_MISSED: "✘",
    Status.FAILED: "✘",
    Status.STOPPED: "■",
}

#: The emoji of a run on GitHub, where signs have no colour.
STATUS_EMOJI: Mapping[Status, str] = {
    Status.PASSED: "✅",
    Status.GATE_MISSED: "❌",
    Status.FAILED: "💥",
    Status.STOPPED: "⏹",
}


#: The outcomes of rules, those first that need a look.
OUTCOMES: tuple[ShownOutcome, ...] = ("failed", "warned", "accepted", "noted", "not_judged", "passed")
OUTCOME_SIGNS: Mapping[ShownOutcome, str] = {
    "failed": "✘",
    "warned": "⚠",
    "accepted": "✎",
    "noted": "ℹ",
    "not_judged": "–",
    "passed": "✔",
}
OUTCOME_EMOJI: Mapping[ShownOutcome, str] = {
    "failed": "❌",
    "warned": "⚠️",
    "accepted": "✍️",
    "noted": "ℹ️",
    "not_judged": "➖",
    "passed": "✅",
}


def rule_sign(held: bool) -> str:
    """The sign of a rule, or of the whole gate."""
    return STEP_SIGNS["succeeded" if held else "failed"]
