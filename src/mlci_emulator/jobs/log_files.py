"""Log files under the names that CloudWatch Logs has for them."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple


class LogFile(NamedTuple):
    """A log stream and the file that holds it. A stream without a region is in every region."""

    group: str
    stream: str
    path: Path
    region: str = ""
