"""Results that are slow to make and depend on their key alone, kept as files for the next run."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
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
        self.folder.mkdir(parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(dir=self.folder)
        with os.fdopen(descriptor, "w") as file:
            json.dump(value, file)
        os.replace(temporary, place)  # two runs at once write the same content: either may win
        return value
