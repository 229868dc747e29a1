"""The phases of a run: the build before it, planning, deploying, the steps, judging, recording, reporting."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Literal

from mlci_dataclasses import dataclass

if TYPE_CHECKING:
    from mlci.backends.progress import StepState

#: "build" is the time of the build before mlci ran: its queue, machine, source and installation.
PhaseName = Literal["build", "planning", "deploying", "running", "judging", "recording", "reporting"]


@dataclass(frozen=True)
class RunPhase:
    """A phase of a run."""

    name: PhaseName
    started: datetime
    ended: datetime

    @property
    def seconds(self) -> float:
        return (self.ended - self.started).total_seconds()


class PhaseClock:
    """Takes the times at which the phases of a run end. Each begins where the one before it ends."""

    def __init__(self, now: Callable[[], datetime], build_started: datetime | None = None) -> None:
        self._now, self.started, self.phases = now, now(), list[RunPhase]()
        if build_started is not None and build_started < self.started:
            self.phases.append(RunPhase("build", build_started, self.started))

    def end(self, name: PhaseName) -> None:
        """Ends a phase."""
        begun = self.phases[-1].ended if self.phases else self.started
        self.phases.append(RunPhase(name, begun, max(begun, self._now())))


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
