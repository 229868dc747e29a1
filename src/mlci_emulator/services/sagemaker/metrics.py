"""Extracts a training job's metrics from its log, with the regular expressions of its request.

Source: https://docs.aws.amazon.com/sagemaker/latest/dg/define-train-metrics.html
"""

from __future__ import annotations

import math
import re
import struct
import threading
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from mlci_emulator.services.timestamps import Clock

#: The size of the chunks in which a log is read.
_CHUNK_BYTES = 1 << 20
#: The name of the host that precedes each line of a job with several instances.
_HOST = re.compile(r"^\[algo-\d+\] ")


class Metrics:
    """The values of each metric in the log so far, of which the last counts. Each byte of the log is read once."""

    def __init__(self, definitions: Iterable[Mapping[str, str]], log: Path, now: Clock) -> None:
        self._definitions = [(fields["Name"], fields["Regex"]) for fields in definitions]
        self._log, self._now, self._read = log, now, 0
        self._lock = threading.Lock()
        self._values: dict[str, tuple[float, datetime]] = {}
        self._histories: dict[str, list[float]] = {}

    def values(self, is_ended: bool = False) -> list[dict[str, Any]]:
        """Return FinalMetricDataList. An incomplete last line is read once it is complete, or the job has ended."""
        with self._lock:
            if self._definitions:
                self._read_new_lines(is_ended)
            return [
                {"MetricName": name, "Value": value, "Timestamp": seen} for name, (value, seen) in self._values.items()
            ]

    def history(self, name: str) -> list[float]:
        """Return all values of a metric in the part of the log that was read, in order."""
        with self._lock:
            return list(self._histories.get(name, ()))

    def _read_new_lines(self, is_ended: bool) -> None:
        try:
            with open(self._log, "rb") as log:
                log.seek(self._read)
                rest = b""
                while part := log.read(_CHUNK_BYTES):
                    *lines, rest = (rest + part).split(b"\n")
                    self._scan(lines)
                if is_ended and rest:
                    self._scan([rest])
                    rest = b""
                self._read = log.tell() - len(rest)
        except FileNotFoundError:
            return

    def _scan(self, lines: Sequence[bytes]) -> None:
        if not lines:
            return
        patterns = [(name, re.compile(regex)) for name, regex in self._definitions]  # late: `re` takes 2 ms for each
        for line in lines:
            text = _HOST.sub("", line.decode("utf-8", "replace"))
            for name, pattern in patterns:
                for match in pattern.finditer(text):
                    value = _number(match[1] if pattern.groups else match[0])
                    if value is not None:
                        self._values[name] = (_single_precision(value), self._now())
                        self._histories.setdefault(name, []).append(value)


def definition_problem(definitions: Iterable[Mapping[str, str]]) -> str:
    """Return an error message if a regular expression is invalid, or ""."""
    for fields in definitions:
        try:
            re.compile(fields["Regex"])
        except re.error as error:
            return f"The regex of the metric '{fields['Name']}' is invalid: {error}"
    return ""


def _single_precision(value: float) -> float:
    """Return a value as SageMaker keeps it; one that is too large for that stays as it is.

    Source: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_MetricData.html (Value: Float); in a recorded
    description, 1.19876 is 1.1987600326538086.

    >>> _single_precision(1.19876)
    1.1987600326538086
    """
    try:
        return float(struct.unpack("f", struct.pack("f", value))[0])
    except OverflowError:
        return value


def _number(text: str | None) -> float | None:
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if math.isfinite(value) else None
