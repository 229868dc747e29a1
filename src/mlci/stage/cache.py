"""Results that are slow to make and depend on their key alone, kept as files for the next run."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Memo:
    """A folder of remembered texts. Losing it costs time only; a damaged entry is made again."""

    folder: Path

    def recall(self, key: object, make: Callable[[], str]) -> str:
        """What `make` gives, from the folder where the same JSON-able key was asked for before."""
        name = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:32]
        place = self.folder / name
        try:
            stored = json.loads(place.read_text())
            if isinstance(stored, str):
                return stored
        except (OSError, ValueError):
            pass
        value = make()
        with contextlib.suppress(OSError):  # a folder that may not be written to: the next run makes it again
            self._keep(place, json.dumps(value))
        return value

    def _keep(self, place: Path, text: str) -> None:
        """Puts a file in place whole: two runs at once write the same, so either may win."""
        self.folder.mkdir(parents=True, exist_ok=True)
        temporary = place.with_name(f".{place.name}-{os.getpid()}")
        try:
            temporary.write_text(text)
            os.replace(temporary, place)
        finally:
            temporary.unlink(missing_ok=True)
