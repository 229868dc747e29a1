"""The table of the breast cancer data: which columns it has, and how to read and write it.

Preparing, training and evaluating all import this file, so that no two of them can differ about a column. It uses the
standard library only: preparing the data needs nothing else, and starts in no time.
"""

from __future__ import annotations

import csv
import math
import os
from typing import Sequence

#: What is predicted: 1 where the tumour is malignant, 0 where it is benign.
TARGET = "malignant"
#: The column that tells a row from all others, whatever part of the data it is in.
ID = "id"

_MEASURES = (
    "radius",
    "texture",
    "perimeter",
    "area",
    "smoothness",
    "compactness",
    "concavity",
    "concave_points",
    "symmetry",
    "fractal_dimension",
)

#: Ten measures of the cell nuclei in an image: their mean, their standard error and their worst (largest) value.
FEATURES = (
    *("mean_" + measure for measure in _MEASURES),
    *(measure + "_error" for measure in _MEASURES),
    *("worst_" + measure for measure in _MEASURES),
)


class BadTable(Exception):
    """The data is not what the model was made for; the text says what is wrong, and where."""


class Table:
    """Rows of measures, in the order of FEATURES, and the label and the id of each."""

    def __init__(self, rows: Sequence[Sequence[float]], labels: Sequence[int], ids: Sequence[str]) -> None:
        self.rows = rows
        self.labels = labels
        self.ids = ids

    def __len__(self) -> int:
        return len(self.labels)

    def pick(self, numbers: Sequence[int]) -> Table:
        """The table of these rows only."""
        return Table([self.rows[i] for i in numbers], [self.labels[i] for i in numbers], [self.ids[i] for i in numbers])


def read_table(path: str) -> Table:
    """The table in a CSV file, or in a folder that holds exactly one.

    Columns are found by their names, so their order does not matter and others are left out. Where there is no column
    of ids, a row's id is its number, from 1: rows that are added at the end change none.

    Raises: BadTable.
    """
    file = _csv_file(path)
    try:
        with open(file, newline="", encoding="utf-8") as lines:
            table = _parse(csv.DictReader(lines), file)
    except (csv.Error, UnicodeDecodeError) as error:
        raise BadTable(f"{file}: not a CSV file in UTF-8: {error}") from error
    if not len(table):
        raise BadTable(f"{file}: no rows")
    return table


def write_table(path: str, table: Table) -> None:
    """Write a table as `read_table` reads it; the same table gives the same bytes."""
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow((ID, *FEATURES, TARGET))
        writer.writerows([each, *row, label] for each, row, label in zip(table.ids, table.rows, table.labels))


def _parse(records: csv.DictReader[str], file: str) -> Table:
    missing = [name for name in (*FEATURES, TARGET) if name not in (records.fieldnames or ())]
    if missing:
        raise BadTable(f"{file}: no column {', '.join(missing)}")
    rows, labels, ids = [], [], []
    for number, record in enumerate(records, 1):
        place = f"{file}:{records.line_num}"
        rows.append([_number(record[name], name, place) for name in FEATURES])
        label = _number(record[TARGET], TARGET, place)
        if label not in (0, 1):
            raise BadTable(f"{place}: {TARGET} is {record[TARGET]}; expected 0 or 1")
        labels.append(int(label))
        ids.append(record.get(ID) or str(number))
    return Table(rows, labels, ids)


def _csv_file(path: str) -> str:
    if os.path.isfile(path):
        return path
    if not os.path.isdir(path):
        raise BadTable(f"{path}: no such file or folder")
    found = sorted(name for name in os.listdir(path) if name.endswith(".csv"))
    if len(found) != 1:
        raise BadTable(f"{path}: expected one CSV file, found {', '.join(found) or 'none'}")
    return os.path.join(path, found[0])


def _number(text: str | None, column: str, place: str) -> float:
    try:
        number = float(text or "")
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise BadTable(f"{place}: {column} is {text!r}; expected a number")
    return number
