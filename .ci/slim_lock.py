"""Splits src/mlci/locks/runtime.txt: `slim.txt` for what each run needs, `sdk.txt` for the SDKs and what these need.

And it takes from all.txt what mlci installs when a flow has cases to judge, `stats.txt` and `parquet.txt`, or plots to
draw, `plots.txt`;
and what it takes to post reports beside a slim install: `github.txt`.

`make lock` calls it, with an environment in which everything is installed: its distributions say what needs what.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

#: The packages that compile a definition.
SDKS = frozenset({"sagemaker", "stepfunctions"})
#: The packages of locks that hold what an extra of mlci names.
EXTRAS = {"stats": frozenset({"numpy", "scipy"}), "parquet": frozenset({"pyarrow"}), "plots": frozenset({"matplotlib"})}

#: The package that posts reports.
CLIENTS = frozenset({"pygithub"})


def needed(name: str, extras: Iterable[str] = ()) -> set[tuple[str, frozenset[str]]]:
    """The packages that a distribution needs, on whatever platform, with the extras that it asks for."""
    try:
        lines = requires(name) or []
    except PackageNotFoundError:
        return set()  # of another platform
    found = set()
    for requirement in map(Requirement, lines):
        marker = requirement.marker
        if marker is None or "extra" not in str(marker) or any(marker.evaluate({"extra": extra}) for extra in extras):
            found.add((canonicalize_name(requirement.name), frozenset(requirement.extras)))
    return found


def closure(names: Iterable[str]) -> set[str]:
    """These distributions, and all that they need."""
    left, found = {(name, frozenset[str]()) for name in names}, set[tuple[str, frozenset[str]]]()
    while left:
        found |= left
        left = set().union(*(needed(*each) for each in left)) - found
    return {name for name, _ in found}


def entries(lock: str) -> list[str]:
    """The requirements of a lock, each with the lines of its hashes."""
    return re.findall(r"^[^\s#].*(?:\n .*)*\n", lock, re.MULTILINE)


def name_of(entry: str) -> str:
    return canonicalize_name(entry.partition("==")[0])


def main() -> None:
    locks = Path(sys.argv[1])
    own = {name for name, _ in needed("mlci")}
    slim = closure(own - SDKS)
    found = entries((locks / "runtime.txt").read_text())
    for name, is_slim in (("slim", True), ("sdk", False)):
        (locks / f"{name}.txt").write_text("".join(each for each in found if (name_of(each) in slim) is is_slim))
    everything = entries((locks / "all.txt").read_text())
    wanted = {name: closure(packages) for name, packages in EXTRAS.items()} | {"github": closure(CLIENTS) - slim}
    for lock, packages in wanted.items():
        (locks / f"{lock}.txt").write_text("".join(each for each in everything if name_of(each) in packages))


if __name__ == "__main__":
    main()
