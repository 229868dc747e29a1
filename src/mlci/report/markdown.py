"""report.md: the verdict first, then each rule, each step, the picture, and the last log lines of what failed."""

from __future__ import annotations

from collections.abc import Iterable

from mlci.report.formatting import HEADLINE, duration, figure, limit
from mlci.report.result import Result, Status

_SIGN = {Status.PASSED: "✅", Status.GATE_MISSED: "❌", Status.FAILED: "💥", Status.STOPPED: "⏹"}


def markdown(result: Result) -> str:
    """The report, as GitHub shows it."""
    parts = [
        f"## {_SIGN[result.status]} {result.flow}: {HEADLINE[result.status]}",
        f"Run `{result.run_id}` on the {result.cloud} cloud, {duration(result.seconds)}"
        + (f", commit `{result.commit[:12]}`" if result.commit else ""),
    ]
    if result.reason:
        parts.append(_quoted(result.reason))
    if result.rules:
        rules = (
            (
                "✅" if judged.held else "❌",
                f"`{judged.bound.rule.metric}`",
                figure(judged.value),
                limit(judged.bound),
                figure(judged.bound.baseline),
                figure(judged.margin, signed=True),
                "" if judged.held else judged.text,
            )
            for judged in result.rules
        )
        parts += ["### Gate", _table(("", "metric", "value", "limit", "baseline", "margin", ""), rules)]
    steps = (
        (name, step.status, duration(result.seconds_of(name)) if step.ended else "", _line(step.reason or ""))
        for name, step in result.steps.items()
    )
    parts += ["### Steps", _table(("step", "status", "time", "reason"), steps)]
    if result.graph:
        parts.append(f"```mermaid\n{result.graph}```")
    for step, tail in result.log_tails.items():
        fence = "````" if "```" in tail else "```"
        head = f"<details open><summary>Last lines of <code>{step}</code>'s log</summary>"
        parts.append(f"{head}\n\n{fence}text\n{tail}\n{fence}\n</details>")
    return "\n\n".join(parts) + "\n"


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(_cell(cell) for cell in line) + " |" for line in lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _line(text: str) -> str:
    first = text.strip().splitlines()[0] if text.strip() else ""
    return first if len(first) <= 200 else first[:199] + "…"


def _quoted(text: str) -> str:
    return "\n".join(f"> {line}" for line in text.splitlines())
