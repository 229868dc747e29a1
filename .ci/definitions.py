"""Compiles the flow at the root and those of the examples: `definitions.py FOLDER` writes a definition for each.

statelint takes a step's name in a path only where it is of letters, digits and `_`, so the examples name theirs so.
"""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path

from mlci.cli.definition import command

folder = Path(sys.argv[1])
for flow in (Path("flow.yaml"), *sorted(Path("examples").glob("*/flow.yaml"))):
    name = flow.parent.name or "root"
    with (folder / f"{name}.json").open("w") as file, contextlib.redirect_stdout(file):
        command.main(["--flow", str(flow)], standalone_mode=False)
    print(f"{flow}: {(folder / f'{name}.json').stat().st_size} bytes")
