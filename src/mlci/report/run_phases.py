"""The phases of a run: the build before it, planning, deploying, the steps, judging, recording, reporting."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Literal

from mlci_dataclasses import dataclass

if TYPE_CHECKING:
    from mlci.backends.progress import StepState

#: "build" is the time of the build before mlci ran: its queue, machine, source and installation.
PhaseName = Literal["build", "planning", "deploying", "running", "judging", "recording", "reporting"]

#: The phases in words.
PHASE_WORDS: Mapping[PhaseName, str] = {
    "build": "the build before mlci",
    "planning": "planning",
    "deploying": "deploying",
    "running": "steps",
    "judging": "judging",
    "recording": "recording for later runs",
    "reporting": "reporting",
}


@dataclass(frozen=True)
class RunPhase:
    """A phase of a run."""

    name: PhaseName
    started: datetime
    ended: datetime

    @property
    def seconds(self) -> float:
        return (self.ended - self.started).total_seconds()


def run_phases(phases: Sequence[RunPhase], steps: Mapping[str, StepState]) -> tuple[RunPhase, ...]:
    """Return the phases with the one that runs the flow split where its first step starts: before that, it deploys.

    Where no step was due, nothing was deployed. The clock of the steps is the cloud's, which may go otherwise.
    """
    return tuple(part for phase in phases for part in _parts(phase, steps))


def _parts(phase: RunPhase, steps: Mapping[str, StepState]) -> Iterator[RunPhase]:
    if phase.name != "running":
        yield phase
        return
    begun = [step.started for step in steps.values() if step.started]
    if not begun:
        if any(step.status != "reused" for step in steps.values()):
            yield RunPhase("deploying", phase.started, phase.ended)
        return
    first = max(phase.started, min(phase.ended, *begun))
    yield RunPhase("deploying", phase.started, first)
    yield RunPhase("running", first, phase.ended)
