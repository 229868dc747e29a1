"""Reads the table of prices that is part of mlci."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from pathlib import Path

from mlci_dataclasses import dataclass

_FILE = Path(__file__).with_name("sagemaker_prices.json")


@dataclass(frozen=True)
class Prices:
    """Prices of SageMaker's instances in one region, as they were on `date`: USD for an hour of one, on demand."""

    date: str
    region: str
    hourly_usd: Mapping[str, float]


@functools.cache
def load_prices() -> Prices:
    """Returns the table of prices."""
    document = json.loads(_FILE.read_text("utf-8"))
    return Prices(document["date"], document["region"], document["hourly_usd"])
