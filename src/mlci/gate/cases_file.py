"""Reads the tables that steps write of their cases, strictly: what is wrong in one is an error, and never dropped."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

from mlci.flow.problems import nearest
from mlci_dataclasses import dataclass

#: A table is held in memory, beside that of the baseline.
CASES_MAX_BYTES = 256 * 1024 * 1024
#: A few bytes of Parquet may stand for any number of equal values.
CASES_MAX_ROWS = 5_000_000
#: A value of a table: a text in CSV, where "" is an empty one; None for an empty one of Parquet.
Cell: TypeAlias = "str | int | float | bool | None"
_MAX_SHOWN = 8
_PARQUET = ".parquet"


class InvalidCases(Exception):
    """A table, or a column of it, is not what the gate can judge. The text says what is wrong, and in which row."""


@dataclass(frozen=True)
class Cases:
    """A table of cases. `rows` has the place of each in the file, as a message names it: "line 2". `file` is its name:
    "evaluation/cases.csv"."""

    ids: tuple[str, ...]
    columns: Mapping[str, Sequence[Cell]]
    rows: Sequence[str]
    file: str = ""

    def __len__(self) -> int:
        return len(self.ids)

    def column(self, name: str) -> Sequence[Cell]:
        """Return a column without empty values.

        Raises: InvalidCases.
        """
        if name not in self.columns:
            raise InvalidCases(_no_column(name, list(self.columns)))
        for place, value in enumerate(self.columns[name]):
            if value is None or value == "":
                raise InvalidCases(f'{self.place(place)}: "{name}" is empty')
            if value != value or (isinstance(value, str) and value.lower() == "nan"):
                raise InvalidCases(f'{self.place(place)}: "{name}" is NaN')
        return self.columns[name]

    def classes(self, name: str) -> tuple[str, ...]:
        """Return a column of classes, each in one form: 1, 1.0, "1" and true are the same class.

        Raises: InvalidCases.
        """
        return tuple(map(class_name, self.column(name)))

    def numbers(self, name: str) -> tuple[float, ...]:
        """Return a column of finite numbers.

        Raises: InvalidCases.
        """
        found = []
        for place, value in enumerate(self.column(name)):
            try:
                number = float(value)  # type: ignore[arg-type]  # None is reported by `column`
            except ValueError:
                number = math.nan
            if not math.isfinite(number):
                what = f'"{name}" is "{str(value)[:40]}", and no finite number'
                raise InvalidCases(f"{self.place(place)}: {what}")
            found.append(number)
        return tuple(found)

    def has_values(self, name: str) -> bool:
        """Return True if there is such a column, and not all of its values are empty."""
        return any(value is not None and value != "" for value in self.columns.get(name, ()))

    def place(self, index: int) -> str:
        """Return the place of a case for messages: its row, and its id."""
        return f'{self.rows[index]} (id "{self.ids[index]}")'


def class_name(value: Cell) -> str:
    """Return the one form of a class.

    >>> [class_name(value) for value in (1, 1.0, "1", "True", "malignant", "007")]
    ['1', '1', '1', '1', 'malignant', '7']
    """
    if isinstance(value, bool):
        return str(int(value))
    text = str(value)
    if text.lower() in ("true", "false"):
        return str(int(text.lower() == "true"))
    try:
        number = float(text)
    except ValueError:
        return text
    return str(int(number)) if math.isfinite(number) and number == int(number) else text


def parse_cases(data: bytes, file: str) -> Cases:
    """Return the cases in a CSV or Parquet file. The name says which it is.

    Raises: InvalidCases, for a file that is no table with a column `id` of ids that are all different.
    """
    columns, rows = _parsed(data, file)
    if "id" not in columns:
        raise InvalidCases(_no_column("id", list(columns)))
    cases = Cases(tuple(_id(value) for value in columns["id"]), columns, rows, file)
    cases.column("id")
    seen: dict[str, int] = {}
    for place, case in enumerate(cases.ids):
        if case in seen:
            raise InvalidCases(f'{rows[place]}: the id "{case[:80]}" is in {rows[seen[case]]} already')
        seen[case] = place
    if not cases.ids:
        raise InvalidCases("it has no cases")
    return cases


def parse_ids(data: bytes, file: str) -> frozenset[str]:
    """Return the ids in the column `id` of a CSV or Parquet file. An id may be there several times.

    Raises: InvalidCases.
    """
    columns, rows = _parsed(data, file, only="id")
    if "id" not in columns:
        raise InvalidCases(_no_column("id", list(columns)))
    Cases(tuple(map(str, columns["id"])), columns, rows).column("id")
    return frozenset(map(_id, columns["id"]))


def _parsed(data: bytes, file: str, only: str | None = None) -> tuple[dict[str, Sequence[Cell]], Sequence[str]]:
    _check_size(len(data))
    return _parquet(data, only) if file.endswith(_PARQUET) else _csv(data)


def _check_size(size_bytes: int, rows: int = 0) -> None:
    if size_bytes > CASES_MAX_BYTES:
        raise InvalidCases(f"it has more than {CASES_MAX_BYTES // 1024**2} MB, the most that the gate reads")
    if rows > CASES_MAX_ROWS:
        raise InvalidCases(f"it has more than {CASES_MAX_ROWS:,} rows, the most that the gate reads")


def _csv(data: bytes) -> tuple[dict[str, Sequence[Cell]], Sequence[str]]:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidCases(f"it is not UTF-8: byte {error.start} is {data[error.start]:#04x}") from error
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    table: list[list[str]] = []
    rows: list[str] = []
    head: list[str] = []
    line = 1
    try:
        for values in reader:
            if not head:
                head = _head(values)
            elif len(values) != len(head):
                found = "is empty" if not values else f"has {len(values)} values, and the head {len(head)}"
                raise InvalidCases(f"line {line} {found}")
            else:
                table.append(values)
                rows.append(f"line {line}")
            line = reader.line_num + 1
    except csv.Error as error:
        raise InvalidCases(f"line {reader.line_num} is not CSV: {error}") from error
    if not head:
        raise InvalidCases("it is empty")
    _check_size(0, len(rows))
    columns = zip(*table, strict=True) if table else [()] * len(head)
    return dict(zip(head, columns, strict=True)), rows


def _head(names: Sequence[str]) -> list[str]:
    for place, name in enumerate(names):
        if name in names[:place]:
            raise InvalidCases(f'the column "{name[:80]}" is there twice')
    if len(names) == 1 and any(other in names[0] for other in (";", "\t")):
        raise InvalidCases("its columns are not separated by commas")
    if not names:
        raise InvalidCases("its first line is empty, and names no column")
    return list(names)


def _parquet(data: bytes, only: str | None) -> tuple[dict[str, Sequence[Cell]], Sequence[str]]:
    try:
        from pyarrow import ArrowException, BufferReader, types
        from pyarrow.parquet import ParquetFile
    except ImportError as error:
        what = "it is a Parquet file, and pyarrow is not installed: pip install 'mlci[parquet]'"
        raise InvalidCases(what) from error
    try:
        file = ParquetFile(BufferReader(data))
        names = list(file.schema_arrow.names)
        _head(names)
        size = sum(file.metadata.row_group(group).total_byte_size for group in range(file.metadata.num_row_groups))
        _check_size(size, file.metadata.num_rows)
        table = file.read(columns=[only] if only in names else None)
    except (ArrowException, OSError, ValueError) as error:
        raise InvalidCases(f"it is not a Parquet file that can be read: {str(error)[:200]}") from error
    for field in table.schema:
        if types.is_nested(field.type):
            raise InvalidCases(f'the column "{field.name}" holds {field.type}, and no single values')
    columns: dict[str, Sequence[Cell]] = {
        name: tuple(map(_plain, table.column(name).to_pylist())) for name in table.column_names
    }
    return columns, [f"row {place}" for place in range(1, table.num_rows + 1)]


def _plain(value: object) -> Cell:
    return value if isinstance(value, str | int | float | bool | None) else str(value)


def _id(value: Cell) -> str:
    """Return an id as text. Parquet may have made floats of whole numbers."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _no_column(name: str, names: Sequence[str]) -> str:
    near = nearest(name, names)
    question = f'; did you mean "{near}"?' if near else "."
    return f'it has no column "{name}"{question} There are: {shown(names)}'


def shown(words: Iterable[str]) -> str:
    """Return the first of some words, quoted, and how many more there are.

    >>> shown("abcdefghij")
    '"a", "b", "c", "d", "e", "f", "g", "h" and 2 more'
    """
    quoted = [f'"{word[:40]}"' for word in words]
    more = f" and {len(quoted) - _MAX_SHOWN} more" if len(quoted) > _MAX_SHOWN else ""
    return ", ".join(quoted[:_MAX_SHOWN]) + more
