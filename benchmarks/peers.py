#!/usr/bin/env python3
"""The example by mlci, DVC, Snakemake, Kedro and Metaflow, over its scripts by a shell: cold, unchanged, edited.

    .venv/bin/python benchmarks/peers.py [--rounds 10] [--peers FOLDER] [--short]

Each peer has an environment of its own, which pip makes; with --peers they are kept. benchmarks/README.md says how to
read what it prints.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from mlci import __version__
from peer_projects import PROJECTS, REQUIREMENTS, STEPS, Commands, Project
from timing import Timing, installed_version, interleaved, machine, markdown_table, measure, median, peer_environment

SHELL, OURS = "shell", "mlci"
#: The first depth that no project has run with; each round takes another.
FIRST_DEPTH = 5


@dataclass(frozen=True)
class Case:
    """One thing that is measured: what is done before, the command, and the steps that have to run."""

    name: str
    prepare: Callable[[Project, int], None]
    command: Callable[[Commands, int], Sequence[str]]
    steps: Collection[str]


CASES = (
    Case("cold", lambda project, n: project.clear(), lambda commands, n: commands.cold, STEPS),
    Case("nothing changed", lambda project, n: None, lambda commands, n: commands.unchanged, ()),
    Case(
        "`evaluate.py` changed",
        lambda project, n: project.edit(n),
        lambda commands, n: commands.evaluate,
        ("evaluate",),
    ),
    Case(
        "one param changed",
        lambda project, n: project.set_depth(FIRST_DEPTH + n),
        lambda commands, n: commands.param(FIRST_DEPTH + n),
        ("train", "evaluate"),
    ),
)


@dataclass
class Side:
    """A project in one case. Counts its rounds, and notes the steps that ran."""

    case: Case
    project: Project
    rounds: int = 0
    ran: frozenset[str] = frozenset()

    def __call__(self) -> Timing:
        self.case.prepare(self.project, self.rounds)
        before = self.project.written()
        command = self.case.command(self.project.commands, self.rounds)
        timing = measure(command, self.project.folder, (0,), **self.project.env)
        self.rounds += 1
        self.ran = frozenset(self.project.ran(before))
        return timing

    @property
    def more(self) -> set[str]:
        """The steps that ran and did not have to."""
        return set(self.ran) - set(self.case.steps)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=10, help="how often each is run (default: 10)")
    parser.add_argument("--peers", type=Path, help="the folder of the peers' environments (default: a temporary one)")
    parser.add_argument("--short", action="store_true", help="two rounds against DVC alone")
    options = parser.parse_args()
    names = ["DVC"] if options.short else list(REQUIREMENTS)
    with tempfile.TemporaryDirectory(prefix="peers-") as temporary:
        programs = environments(options.peers or Path(temporary) / "environments", names)
        folder = Path(temporary) / "projects"
        projects = {
            name: PROJECTS[name](folder / name, programs.get(name, folder)) for name in (SHELL, OURS, *programs)
        }
        versions = ", ".join(f"{name} {installed_version(each, name.lower())}" for name, each in programs.items())
        print(f"{machine()}; mlci {__version__}, {versions}\n")
        measured = measure_cases(projects, 2 if options.short else options.rounds)
        print_tables(measured)
        print_start(2 if options.short else options.rounds, projects[OURS].folder)


def environments(folder: Path, names: Sequence[str]) -> dict[str, Path]:
    """The `bin` of each peer's environment."""
    return {name: peer_environment((folder / name.lower()).absolute(), REQUIREMENTS[name]) for name in names}


@dataclass(frozen=True)
class Measured:
    """A case's medians by project, and what some ran beyond what they had to."""

    case: Case
    medians: Mapping[str, Timing]
    more: Mapping[str, Collection[str]]

    def over_scripts(self, name: str, figure: str = "wall_s") -> float:
        """A project's seconds over those of the scripts by a shell."""
        return float(getattr(self.medians[name], figure) - getattr(self.medians[SHELL], figure))


def measure_cases(projects: Mapping[str, Project], rounds: int) -> list[Measured]:
    """The medians of each case. What the case before left is where the next one begins."""
    for project in projects.values():  # not counted: files are read, and bytecode is written
        Side(CASES[0], project)()
    measured = []
    for case in CASES:
        sides = {name: Side(case, project) for name, project in projects.items()}
        timings = interleaved(sides, rounds)
        for name, side in sides.items():
            if set(case.steps) - side.ran:
                sys.exit(f"error: {name} did not run {', '.join(set(case.steps) - side.ran)} in the case {case.name}")
        more = {name: sorted(side.more, key=STEPS.index) for name, side in sides.items() if side.more}
        measured.append(Measured(case, {name: median(each) for name, each in timings.items()}, more))
        print(f"measured: {case.name}", file=sys.stderr)
    return measured


def print_tables(measured: Sequence[Measured]) -> None:
    """Prints seconds of the clock and of the CPU, and where mlci stands beside the fastest peer."""
    names = list(measured[0].medians)
    for figure, title in (("wall_s", "seconds of the clock"), ("cpu_s", "seconds of the CPU")):
        rows = [
            (each.case.name, *(f"{getattr(each.medians[name], figure):.2f}" for name in names)) for each in measured
        ]
        print(markdown_table((title, *names), rows) + "\n")
    print(
        markdown_table(("over the scripts", "mlci", "fastest peer", "", "mlci of it"), map(standing, measured)) + "\n"
    )
    for each in measured:
        for name, steps in each.more.items():
            print(f"- {each.case.name}: {name} also ran {', '.join(steps)}.")


def seconds(timing: Timing, figure: str) -> str:
    return f"{getattr(timing, figure):.2f}"


def standing(measured: Measured) -> tuple[str, ...]:
    """mlci's seconds over the scripts, beside those of the peer that has the fewest, and their ratio."""
    peers = [name for name in measured.medians if name not in (SHELL, OURS)]
    fastest = min(peers, key=measured.over_scripts)
    ours_s, theirs_s = measured.over_scripts(OURS), measured.over_scripts(fastest)
    share = f"{ours_s / theirs_s:.0%}" if theirs_s > 0 else "-"  # a machine that is busy enough makes scripts slower
    return measured.case.name, f"{ours_s:.2f}", f"{theirs_s:.2f}", fastest, share


def print_start(rounds: int, folder: Path) -> None:
    """Prints what a start of Python takes, and `mlci validate` of the example."""
    commands = {
        "`python -c pass`": (sys.executable, "-c", "pass"),
        "`mlci validate`": (sys.executable, "-m", "mlci", "validate"),
    }
    sides = {name: partial(measure, command, folder) for name, command in commands.items()}
    medians = {name: median(each) for name, each in interleaved(sides, rounds).items()}
    rows = [(name, f"{each.wall_s:.3f}", f"{each.cpu_s:.3f}") for name, each in medians.items()]
    print("\n" + markdown_table(("starting", "clock, s", "CPU, s"), rows))


if __name__ == "__main__":
    main()
