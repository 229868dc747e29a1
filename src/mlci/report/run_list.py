"""Earlier runs, as `mlci list` and `mlci show` tell them, from their result.json."""

from __future__ import annotations

from typing import Any  # result.json may be of an older or newer mlci: what is missing is shown as a dash

from mlci.report.formatting import duration
from mlci.report.signs import STEP_SIGNS, rule_sign


def row(run_id: str, result: dict[str, Any] | None) -> tuple[str, ...]:
    """A run in a line: id, status, start, time, commit, and how many of the gate's rules held."""
    if result is None:
        return (run_id, "unfinished", "–", "–", "–", "–")
    rules = result.get("rules", [])
    held = sum(1 for rule in rules if rule.get("held"))
    return (
        run_id,
        str(result.get("status", "–")),
        str(result.get("started", "–"))[:19].replace("T", " "),
        duration(float(result.get("seconds", 0))),
        (result.get("commit") or "–")[:12],
        f"{held} of {len(rules)} held" if rules else "–",
    )


def describe(run_id: str, result: dict[str, Any] | None, folder: str) -> str:
    """One run in full: its verdict, rules, steps, and where its files are."""
    if result is None:
        return f"run {run_id} has not finished: it still runs, or was killed\nfiles: {folder}/"
    lines = [
        f"{result['flow']}: {str(result['status']).replace('_', ' ')} in {duration(result['seconds'])}",
        f"run {run_id} on the {result['cloud']} cloud, commit {(result.get('commit') or '–')[:12]}",
    ]
    if result.get("reason"):
        lines += ["", str(result["reason"])]
    if result["rules"]:
        lines += ["", "gate"]
        lines += [f"  {rule_sign(rule['held'])} {rule['text']}" for rule in result["rules"]]
    lines += ["", "steps"]
    width = max((len(name) for name in result["steps"]), default=0)
    lines += [
        f"  {STEP_SIGNS.get(step['status'], ' ')} {name:{width}}  {step['status']:9}  {duration(step['seconds'])}"
        for name, step in result["steps"].items()
    ]
    return "\n".join([*lines, "", f"files: {folder}/"])
