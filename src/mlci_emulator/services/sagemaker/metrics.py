"""A training job's metrics: what the regular expressions of its request find in its log.

Source: https://docs.aws.amazon.com/sagemaker/latest/dg/define-train-metrics.html
"""

from __future__ import annotations

import math
import re
import threading
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from mlci_emulator.services.timestamps import Clock

#: How much of a log is looked at in one go.
_PART = 1 << 20


class Metrics:
    """The last value of each metric, as far as the log has been written. Each byte of the log is read once."""

    def __init__(self, definitions: Iterable[Mapping[str, str]], log: Path, now: Clock) -> None:
        self._patterns = [(fields["Name"], re.compile(fields["Regex"])) for fields in definitions]
        self._log, self._now, self._read = log, now, 0
        self._lock = threading.Lock()
        self._found: dict[str, tuple[float, datetime]] = {}

    def values(self, is_ended: bool = False) -> list[dict[str, Any]]:
        """FinalMetricDataList. A line that has no end yet waits for it, unless the job has ended."""
        with self._lock:
            if self._patterns:
                self._read_new_lines(is_ended)
            return [
                {"MetricName": name, "Value": value, "Timestamp": seen} for name, (value, seen) in self._found.items()
            ]

    def _read_new_lines(self, is_ended: bool) -> None:
        try:
            with open(self._log, "rb") as log:
                log.seek(self._read)
                rest = b""
                while part := log.read(_PART):
                    *lines, rest = (rest + part).split(b"\n")
                    self._scan(lines)
                if is_ended and rest:
                    self._scan([rest])
                    rest = b""
                self._read = log.tell() - len(rest)
        except FileNotFoundError:
            return

    def _scan(self, lines: Iterable[bytes]) -> None:
        for line in lines:
            text = line.decode("utf-8", "replace")
            for name, pattern in self._patterns:
                for found in pattern.finditer(text):
                    value = _number(found[1] if pattern.groups else found[0])
                    if value is not None:
                        self._found[name] = (value, self._now())


def problem(definitions: Iterable[Mapping[str, str]]) -> str:
    """What is wrong with the regular expressions, or ""."""
    for fields in definitions:
        try:
            re.compile(fields["Regex"])
        except re.error as error:
            return f"The regex of the metric '{fields['Name']}' is invalid: {error}"
    return ""


def _number(text: str | None) -> float | None:
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if math.isfinite(value) else None
