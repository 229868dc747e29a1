"""Writes a table of what each toolkit does with each layout and value, alone and with the starter. Takes ten minutes.

MLCI_TOOLKITS=FOLDER PYTHONPATH=tests .venv/bin/python -m toolkits.write_table table.md
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from support.toolkit_cases import LAYOUTS, PROBE, VALUES, Layout
from support.training_toolkits import TOOLKITS, Image, Result, Toolkit
from toolkits import test_toolkits as table
from toolkits.test_toolkits import arguments_of

Rows = dict[str, dict[str, list[str]]]


def seen(result: Result, person: Result) -> str:
    """The outcome, with the names of what the script sees otherwise."""
    outcome = table.outcome(result, person)
    if outcome != "differs":
        return outcome
    expected = table.view(person)
    return "differs: " + ", ".join(name for name in expected if table.view(result).get(name) != expected[name])


def layout_cell(toolkit: Toolkit, layout: Layout, environments: Path) -> list[str]:
    cell = []
    for start in (table.without_starter, table.with_starter):
        with tempfile.TemporaryDirectory() as folder:
            image = Image(toolkit, Path(folder))
            image.build(environments)
            unit = table.unit_of(image.folder / "repository", layout.script, layout.files)
            person = image.person(layout.command(["--eta", "0.1"]), layout.files, unit.start.import_roots)
            cell.append(seen(start(image, unit, {"eta": "0.1"}), person))
    return cell


def value_cell(toolkit: Toolkit, values: Mapping[str, str], environments: Path) -> list[str]:
    cell = []
    for start in (table.without_starter, table.with_starter):
        with tempfile.TemporaryDirectory() as folder:
            image = Image(toolkit, Path(folder))
            image.build(environments)
            unit = table.unit_of(image.folder / "repository", "train.py", {"train.py": PROBE})
            result = start(image, unit, values)
            arguments = table.arguments(result)
            ran = "; **a command ran**" if list(image.folder.rglob("PWNED*")) else ""
            if arguments == arguments_of(values):
                cell.append("exact" + ran)
            elif arguments is None:
                cell.append("the job fails" + ran)
            else:
                cell.append(f"`{json.dumps(arguments, ensure_ascii=False)}`{ran}")
    return cell


def markdown(layouts: Rows, values: Rows) -> str:
    """Both tables; a cell holds the outcome without the starter, and the one with it."""
    names = [toolkit.name for toolkit in TOOLKITS]
    lines = [
        "# The toolkits' table",
        "",
        "A cell is: the toolkit alone → with the starter. `same`: as `python SCRIPT`.",
        "",
    ]
    for title, rows in (("layout", layouts), ("value (JSON, as in the request)", values)):
        columns = [name for name in names if any(name in row for row in rows.values())]
        lines += [f"| {title} | {' | '.join(columns)} |", "| --- " * (len(columns) + 1) + "|"]
        for name, row in rows.items():
            cells = [" → ".join(row[column]).replace("|", "\\|") for column in columns]
            lines.append(f"| {name.replace('|', chr(92) + '|')} | {' | '.join(cells)} |")
        lines.append("")
    return "\n".join(lines)


def main(markdown_file: str) -> None:
    environments = Path(os.environ["MLCI_TOOLKITS"])
    layouts: Rows = {
        name: {toolkit.name: layout_cell(toolkit, layout, environments) for toolkit in TOOLKITS}
        for name, layout in LAYOUTS.items()
    }
    shell = [toolkit for toolkit in TOOLKITS if toolkit.name in ("scikit-learn-5.0", "pytorch-5.0")]
    values: Rows = {
        f"`{name}`: `{value}`": {toolkit.name: value_cell(toolkit, {name: value}, environments) for toolkit in shell}
        for name, value in VALUES.items()
    }
    Path(markdown_file).write_text(markdown(layouts, values))


if __name__ == "__main__":
    main(*sys.argv[1:])
