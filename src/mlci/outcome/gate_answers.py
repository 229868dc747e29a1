"""The answers to a state machine that asks whether the gate holds: by the verdict of the run's own judge."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import field

from mlci.backends.protocol import GateAnswer
from mlci.gate import Verdict
from mlci.outcome.conclusion import missed_rules
from mlci_dataclasses import dataclass


@dataclass
class GateAnswers:
    """Answers for one run. `judge` returns the verdict on the steps that have succeeded so far, and `log` gets a line
    where the answer is another than before."""

    judge: Callable[[], Verdict]
    log: Callable[[str], None]
    _last: GateAnswer | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def __call__(self) -> GateAnswer:
        """Returns the answer. Parts of a state machine may ask at once.

        Raises: what `judge` does.
        """
        with self._lock:
            verdict = self.judge()
            answer = GateAnswer(verdict.held, missed_rules(verdict))
            if answer != self._last:
                self.log("the gate holds: what is behind it may run" if answer.held else _missed(answer.text))
            self._last = answer
            return answer


def _missed(text: str) -> str:
    return "the gate is missed, so nothing behind it runs:\n" + "\n".join(f"  {line}" for line in text.splitlines())
