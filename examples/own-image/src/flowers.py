"""The iris data in LIBLINEAR's format: two thirds to train with, and one third to test with."""

from __future__ import annotations

import csv
from pathlib import Path

TEST_EVERY = 3


def rows(file: Path) -> tuple[list[str], list[str]]:
    """Return the lines to train with, and those to test with."""
    with file.open(newline="") as stream:
        reader = csv.reader(stream)
        next(reader)
        table = list(reader)
    species = sorted({row[-1] for row in table})
    lines = [
        " ".join([str(species.index(row[-1])), *(f"{number}:{value}" for number, value in enumerate(row[:-1], 1))])
        for row in table
    ]
    test = lines[::TEST_EVERY]
    return [line for number, line in enumerate(lines) if number % TEST_EVERY], test
