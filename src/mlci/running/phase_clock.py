"""The clock of a run: it takes the times at which the phases of the run end."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from mlci.report.run_phases import PhaseName, RunPhase


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
