#!/usr/bin/env python3
"""Minutes and dollars from a pull request's webhook to its verdict, simulated.

    .venv/bin/python benchmarks/verdict.py [--short]

The delays are those of benchmarks/published_figures.yaml. benchmarks/README.md says how to read what it prints.
"""

from __future__ import annotations

import argparse
import math
import os
import statistics
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mlci import __version__
from mlci.compile import compile_plan
from mlci.stage import Cache, cache_folder
from overhead import copy_of_example
from published_figures import CHOICES, Figures, read_figures
from pull_requests import Planner, Push, Records, month, target_of
from simulated_run import PARTS, Verdict, Work, simulate, simulate_one_machine
from timing import markdown_table

PULL_REQUESTS = 100
SEED = 20261201
#: The flows whose scripts' seconds are figures: the example as it is, and as long as a team's.
SCALES: Mapping[str, str] = {
    "example": "the example's scripts: a second in all",
    "team": "scripts of a team's length: 5, 30 and 2 minutes",
}
#: The lines that a variant of the example adds to its steps.
VARIANTS: Mapping[str, Mapping[str, str]] = {
    "plain": {},
    "warm": {"train": "keep_alive: 30m"},
    "build": {"preprocess": "runs-on: build", "evaluate": "runs-on: build"},
}
#: A push, and the steps that its build does not run.
Build = tuple[Push, frozenset[str]]
_UPSTREAM = frozenset({"preprocess", "train"})


@dataclass(frozen=True)
class Row:
    """A line of the table."""

    name: str
    verdict: Verdict


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--short", action="store_true", help="a month of 10 pull requests, in place of 100")
    parser.add_argument("--seed", type=int, default=SEED, help=f"of the month's pull requests (default: {SEED})")
    options = parser.parse_args()
    figures = read_figures()
    with tempfile.TemporaryDirectory(prefix="verdict-") as name:
        folder = copy_of_example(Path(name) / "example")
        planner = Planner(folder, Cache(cache_folder(os.environ, sys.platform)))
        works = {variant: work_of(planner, variant) for variant in VARIANTS}
        pushes = list(month(planner, PULL_REQUESTS // 10 if options.short else PULL_REQUESTS, options.seed))
    records = Records()
    builds = [(push, records.run(push)) for push in pushes][1:]  # the first is the base branch as it was before
    counts = ", ".join(f"{count} {kind}" for kind, count in figures.counts().items())
    print(f"mlci {__version__}, Python {sys.version.split()[0]}, {len(figures.observations)} figures: {counts}\n")
    for scale, what in SCALES.items():
        print(f"### {what[0].upper()}{what[1:]}\n")
        print_rows(scale, works, figures)
        print_month(builds, {variant: scaled(work, scale, figures) for variant, work in works.items()}, figures)


def work_of(planner: Planner, variant: str) -> Work:
    """The definition and execution input of a variant of the example, for AWS."""
    text = (planner.folder / "flow.yaml").read_text(encoding="utf-8")
    for step, line in VARIANTS[variant].items():
        text = text.replace(f"  {step}:\n", f"  {step}:\n    {line}\n")
    planned = planner.plan(target_of(0), text)
    compiled = compile_plan(planned, planner.cache.get)
    return Work(compiled.definition, compiled.execution_input, dict.fromkeys(planned.steps, 0.0))


def scaled(work: Work, scale: str, figures: Figures) -> Work:
    return replace(work, scripts_s={step: figures[f"{scale}_{step}"] for step in work.scripts_s})


def rows_of(works: Mapping[str, Work], figures: Figures) -> Iterable[Row]:
    work, warm, in_build = works["plain"], works["warm"], works["build"]
    every = frozenset(work.scripts_s)
    yield Row("plain: each step is a job", simulate(work, figures))
    yield Row("warm: the training's instance is there", simulate(replace(warm, has_warm_pool=True), figures))
    yield Row("reused: only `evaluate.py` has changed", simulate(replace(work, reused=_UPSTREAM), figures))
    yield Row("in the build: `runs-on: build` but for the training", simulate(in_build, figures))
    yield Row("reused, and in the build", simulate(replace(in_build, reused=_UPSTREAM), figures))
    yield Row("README only: nothing to run", simulate(replace(work, reused=every), figures))
    yield Row("one machine runs all steps itself", simulate_one_machine(work.scripts_s, figures))
    due = {step: seconds for step, seconds in work.scripts_s.items() if step not in _UPSTREAM}
    yield Row("one machine with a cache: only `evaluate.py`", simulate_one_machine(due, figures))


def print_rows(scale: str, works: Mapping[str, Work], figures: Figures) -> None:
    """Prints minutes by part, dollars, and what comes of the lowest and highest observation of each figure."""
    tables = {
        name: list(rows_of({variant: scaled(work, scale, chosen) for variant, work in works.items()}, chosen))
        for name, chosen in ((name, figures.with_choice(name)) for name in CHOICES)
    }
    rows = tables["median"]
    plain_s = rows[0].verdict.seconds
    print_table(
        ("webhook to verdict", "minutes", "of plain", "lowest to highest", "dollars"),
        (
            (
                row.name,
                minutes(row.verdict.seconds),
                f"{row.verdict.seconds / plain_s:.0%}",
                f"{minutes(lowest.verdict.seconds)} to {minutes(highest.verdict.seconds)}",
                f"{row.verdict.dollars:.3f}",
            )
            for row, lowest, highest in zip(rows, tables["lowest"], tables["highest"], strict=True)
        ),
    )
    print_table(
        ("seconds of it", *PARTS),
        ((row.name, *(f"{row.verdict.parts[part]:.0f}" for part in PARTS)) for row in rows),
    )


def print_month(builds: Sequence[Build], works: Mapping[str, Work], figures: Figures) -> None:
    """Prints the minutes of the pushes to pull requests, and the dollars of these and of the merges."""
    merges = sum(push.is_merge for push, _ in builds)
    steps = sum(len(push.planned.steps) for push, _ in builds)
    print(
        f"A month: {merges} pull requests with {len(builds) - merges} pushes, and their merges. "
        f"{sum(len(reused) for _, reused in builds) / steps:.0%} of {steps} steps are reused.\n"
    )
    plain = [(push, frozenset[str]()) for push, _ in builds]
    print_table(
        ("a month", "minutes, median", "minutes, p90", "dollars"),
        (
            month_row("without reuse", plain, works["plain"], figures),
            month_row("with reuse", builds, works["plain"], figures),
            month_row("with reuse, and in the build", builds, works["build"], figures),
        ),
    )


def month_row(name: str, builds: Sequence[Build], work: Work, figures: Figures) -> tuple[str, ...]:
    simulated = {each: simulate(replace(work, reused=each), figures) for each in {reused for _, reused in builds}}
    verdicts = [(push, simulated[reused]) for push, reused in builds]
    seconds = sorted(verdict.seconds for push, verdict in verdicts if not push.is_merge)
    dollars = sum(verdict.dollars for _, verdict in verdicts)
    return name, minutes(statistics.median(seconds)), minutes(percentile(seconds, 0.9)), f"{dollars:.2f}"


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest of the sorted values that at least this share of them does not exceed.

    >>> percentile([1, 2, 3, 4, 5, 6, 7, 8, 9, 10], 0.9)
    9
    """
    return values[max(0, math.ceil(len(values) * share) - 1)]


def minutes(seconds: float) -> str:
    return f"{seconds / 60:.1f}"


def print_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    print(markdown_table(header, rows) + "\n")


if __name__ == "__main__":
    main()
