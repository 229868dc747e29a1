"""The sign of life of a run in a build log: the time, the steps that run, their last lines, and the estimated rest."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from mlci.report.formatting import duration, rough_duration
from mlci.report.untrusted_text import one_line

if TYPE_CHECKING:
    from mlci.backends.progress import StepState

#: The steps whose last lines are shown; of more, only the number is told.
_MAX_STEPS = 8
_MAX_LINE_CHARS = 200


def heartbeat(
    now: datetime, steps: Mapping[str, StepState], last_line: Callable[[str], str], rest_s: float | None
) -> str:
    """Returns one line on the run, and one with the last line of the log of each step that runs."""
    running = [name for name, step in steps.items() if step.status == "running"]
    done = sum(1 for step in steps.values() if step.ended)
    shown = ", ".join(f"{name} ({duration(steps[name].seconds(now))})" for name in running[:_MAX_STEPS])
    more = f" and {len(running) - _MAX_STEPS} more" if len(running) > _MAX_STEPS else ""
    head = f"{now:%H:%M:%S}  running: {shown}{more}" if running else f"{now:%H:%M:%S}  no step is running"
    head += f"; {done} of {len(steps)} steps done" + ("" if rest_s is None else f"; {rest(rest_s)}")
    lines = [(name, one_line(_last(steps[name], name, last_line))[:_MAX_LINE_CHARS]) for name in running[:_MAX_STEPS]]
    return "\n".join([head, *(f"          {name} | {line}" for name, line in lines if line)])


def _last(step: StepState, name: str, last_line: Callable[[str], str]) -> str:
    return f"waits for a decision: {step.question.message}" if step.question else last_line(name)


def rest(seconds: float) -> str:
    """Returns the estimated rest in words.

    >>> rest(130), rest(0)
    ('about 2 min left', 'it takes longer than earlier runs')
    """
    return f"about {rough_duration(max(1.0, seconds))} left" if seconds > 0 else "it takes longer than earlier runs"
