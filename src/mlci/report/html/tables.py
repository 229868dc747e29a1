"""Tables of a page. A column of numbers is sorted by them; page.js makes the heads buttons where there is a script."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from mlci.report.untrusted_text import html_text
from mlci_dataclasses import dataclass


@dataclass(frozen=True)
class TableCell:
    """A cell: its HTML, and the number that it is sorted by, if it is not by its text."""

    html: str
    sort: float | None = None
    is_number: bool = False
    css: str = ""


def text_cell(text: str, css: str = "") -> TableCell:
    """Return a cell with a plain text."""
    return TableCell(html_text(text), css=css)


def code_cell(text: str) -> TableCell:
    """Return a cell with a name."""
    return TableCell(f"<code>{html_text(text)}</code>")


def number_cell(text: str, value: float | None) -> TableCell:
    """Return a cell with a number as it is shown, and its value."""
    return TableCell(html_text(text), sort=value, is_number=True)


def table(head: Sequence[str], rows: Iterable[Sequence[TableCell]], caption: str) -> str:
    """Return a table in a box that scrolls by itself. `caption` is read aloud."""
    listed = list(rows)
    heads = "".join(_head(name, [row[column] for row in listed]) for column, name in enumerate(head))
    body = "".join(f"<tr>{''.join(map(_cell, row, head))}</tr>" for row in listed)
    label = html_text(caption)
    return (
        f'<div class="scroll" role="region" aria-label="{label}" tabindex="0"><table class="sortable">'
        f"<thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _head(name: str, cells: Sequence[TableCell]) -> str:
    """Return the head of a column, which stands above the numbers where it has some."""
    marks = ' class="number"' if any(cell.is_number for cell in cells) else ""
    return f'<th scope="col"{marks}>{html_text(name)}</th>'


def _cell(cell: TableCell, head: str) -> str:
    """Return a cell. Its head is repeated in it for a narrow screen, which has no room for columns."""
    classes = " ".join(filter(None, ("number" if cell.is_number else "", cell.css)))
    sort = "" if cell.sort is None else f' data-sort="{cell.sort!r}"'
    marks = f' class="{classes}"' if classes else ""
    return f'<td{marks}{sort} data-label="{html_text(head)}">{cell.html}</td>'
