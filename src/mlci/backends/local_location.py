"""The location of local runs, which the emulator gives."""

from __future__ import annotations

from pathlib import Path

from mlci.backends.protocol import Location
from mlci_emulator.identity import BUCKET, JOB_ROLE, REGION

#: The file of the model registry in `.mlci`.
REGISTRY = Path("models.sqlite")
LOCATION = Location(BUCKET, JOB_ROLE, REGION)
