"""The location of local runs, which the emulator gives."""

from __future__ import annotations

from mlci.backends.protocol import Location
from mlci_emulator.identity import BUCKET, JOB_ROLE, REGION

LOCATION = Location(BUCKET, JOB_ROLE, REGION)
