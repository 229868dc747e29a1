#!/usr/bin/env python3
"""Flows of many steps: what a step costs in flows of 10, 100 and 500, whose steps write an empty file.

    .venv/bin/python benchmarks/scale.py [--sizes 10,100,500] [--rounds 5] [--run] [--peers FOLDER] [--short]

Works in a temporary folder. benchmarks/README.md says how to read what it prints.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from timing import (
    Timing,
    installed_version,
    interleaved,
    machine,
    markdown_table,
    measure,
    median,
    peer_environment,
)

ROOT = Path(__file__).resolve().parents[1]
SHAPES: Mapping[str, Callable[[int], Sequence[int]]] = {
    "chain": lambda number: [number - 1],
    "fan-out": lambda number: [0],
    "tree": lambda number: [(number - 1) // 2],
    "random": lambda number: sorted(random.Random(number).sample(range(number), min(number, 2))),
}
SNAKEMAKE = "snakemake"

#: The parts of mlci, each timed in a process of its own, with the peak of its memory.
PARTS = """
import json, resource, sys, time
from pathlib import Path
from mlci.cli.flow_file import load_flow
from mlci.cli.run_context import local_context
from mlci.build_environment.build import Build
from mlci.compile import compile_plan, sent_input
from mlci.plan import plan
from mlci.stage import stage
from mlci.stage.sdk_imports import quiet_sdk
with quiet_sdk():
    import stepfunctions.steps
def timed(name, function):
    started = time.process_time()
    result = function()
    times[name] = time.process_time() - started
    return result
times, file = {}, Path("flow.yaml")
flow = timed("load", lambda: load_flow(file, ()))
context = local_context(file, Build())
staged = timed("stage", lambda: stage(flow, context.repository, context.region, context.cache))
planned = timed("plan", lambda: plan(flow, staged, context.target))
made = []
def fresh(key, compute):
    made.append(compute())
    return made[-1]
compiled = timed("compile", lambda: compile_plan(planned, fresh))
timed("known", lambda: compile_plan(planned, lambda key, compute: made[-1]))
sizes = {"definition": len(compiled.definition), "input": len(sent_input(compiled.execution_input).text)}
unit = 1 << 20 if sys.platform == "darwin" else 1 << 10
memory_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
print(json.dumps({**times, **sizes, "memory": memory_mb}))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", default="10,100,500", help="numbers of steps (default: 10,100,500)")
    parser.add_argument("--rounds", type=int, default=5, help="how often each is measured (default: 5)")
    parser.add_argument("--run", action="store_true", help="also run each flow here, which starts a process a step")
    parser.add_argument("--peers", type=Path, help="the folder of the peers' environments (default: a temporary one)")
    parser.add_argument("--no-peers", action="store_true", help="measure mlci alone")
    parser.add_argument("--short", action="store_true", help="two shapes of 10 and 100 steps, one round, mlci alone")
    options = parser.parse_args()
    sizes = [10, 100] if options.short else [int(size) for size in options.sizes.split(",")]
    rounds = 1 if options.short else options.rounds
    print(f"{machine()}; medians of {rounds}\n")
    with tempfile.TemporaryDirectory(prefix="scale-") as name:
        folder = Path(name)
        shapes = ("chain", "random") if options.short else tuple(SHAPES)
        projects = {
            (shape, size): project(folder / f"{shape}-{size}", shape, size) for shape in shapes for size in sizes
        }
        report_parts(projects, rounds)
        report_commands(projects, rounds)
        if options.run or options.short:
            report_runs({key: each for key, each in projects.items() if options.run or key[1] == sizes[0]})
        if not options.no_peers and not options.short:
            report_peers(projects, options.peers or folder / "peers", rounds, max(sizes))


def project(folder: Path, shape: str, size: int) -> Path:
    """Writes a flow of steps that write an empty file, and the same as a Snakefile; returns its folder."""
    folder.mkdir()
    before = {number: SHAPES[shape](number) if number else () for number in range(size)}
    lines = ["flow: scale", 'defaults: {image: "mine.example/image:1"}', "steps:"]
    rules = ["rule all:", "    input: [f'out/{number}' for number in range(" + str(size) + ")]"]
    for number, others in before.items():
        inputs = ", ".join(f'i{place}: "${{{{ steps.s{other}.outputs.o }}}}"' for place, other in enumerate(others))
        lines.append(f"  s{number}: {{uses: processing, run: write.py, outputs: [o], inputs: {{{inputs}}}}}")
        files = ", ".join(f"'out/{other}'" for other in others)
        rules += [
            f"rule s{number}:",
            f"    input: [{files}]",
            f"    output: 'out/{number}'",
            "    shell: 'touch {output}'",
        ]
    (folder / "flow.yaml").write_text("\n".join(lines) + "\n")
    (folder / "Snakefile").write_text("\n".join(rules) + "\n")
    (folder / "write.py").write_text("open('/opt/ml/processing/output/o/x', 'w').close()\n")
    (folder / ".gitignore").write_text(".mlci/\n.snakemake/\nout/\ncache/\n")
    author = ("-c", "user.name=benchmark", "-c", "user.email=benchmark@example.com")
    for command in (("init", "-q", "-b", "main"), ("add", "."), (*author, "commit", "-q", "-m", "Steps")):
        subprocess.run(["git", *command], cwd=folder, check=True)
    return folder


def mlci(folder: Path, *words: str) -> Timing:
    return measure([sys.executable, "-m", "mlci", *words], folder, MLCI_CACHE=str(folder / "cache"))


def report_parts(projects: Mapping[tuple[str, int], Path], rounds: int) -> None:
    def parts(folder: Path) -> dict[str, float]:
        done = measure([sys.executable, "-c", PARTS], folder, MLCI_CACHE=str(folder / "cache"))
        found: dict[str, float] = json.loads(done.output.splitlines()[-1])
        return found

    found = interleaved(
        {f"{shape} {size}": partial(parts, folder) for (shape, size), folder in projects.items()}, rounds
    )
    rows = []
    for name, each in found.items():
        middle = {key: statistics.median(one[key] for one in each) for key in each[0]}
        times = [f"{1000 * middle[key]:.0f}" for key in ("load", "stage", "plan", "compile", "known")]
        sizes = [f"{middle['definition'] / 1000:.0f}", f"{middle['input'] / 1000:.0f}", f"{middle['memory']:.0f}"]
        rows.append([name, *times, *sizes])
    head = ["flow", "load, ms", "stage", "plan", "compile", "compile, known", "definition, kB", "sent input, kB", "MB"]
    print(f"Milliseconds of the CPU in one process\n\n{markdown_table(head, rows)}\n")


def report_commands(projects: Mapping[tuple[str, int], Path], rounds: int) -> None:
    for folder in projects.values():
        mlci(folder, "plan")  # not counted: it compiles, and warms the files up
    commands = {"validate": ("validate",), "plan": ("plan",)}
    sides = {
        (name, command): partial(mlci, folder, *words)
        for name, folder in projects.items()
        for command, words in commands.items()
    }
    found = interleaved({f"{key}": side for key, side in sides.items()}, rounds)
    rows = []
    for shape, size in projects:
        row = [f"{shape} {size}"]
        for command in commands:
            middle = median(found[f"{((shape, size), command)}"])
            row += [f"{middle.wall_s:.2f}", f"{middle.cpu_s:.2f}", f"{middle.peak_mb:.0f}"]
        rows.append(row)
    head = ["flow", *(f"{command}, {unit}" for command in commands for unit in ("s", "CPU s", "MB"))]
    print(f"Commands, from the start of the process to its end\n\n{markdown_table(head, rows)}\n")


def report_runs(projects: Mapping[tuple[str, int], Path]) -> None:
    """Prints a first run, which runs all, and a second one. Of the first, the time of all steps is left out."""
    rows = []
    for (shape, size), folder in projects.items():
        first, second = (mlci(folder, "run") for _ in range(2))
        times = [f"{value:.2f}" for value in (first.wall_s, first.wall_s / size, second.wall_s)]
        rows.append([f"{shape} {size}", *times, f"{first.peak_mb:.0f}", f"{second.peak_mb:.0f}"])
    head = ["flow", "first run, s", "a step", "run again, s", "first, MB", "again, MB"]
    print(f"Runs\n\n{markdown_table(head, rows)}\n")


def report_peers(projects: Mapping[tuple[str, int], Path], environments: Path, rounds: int, size: int) -> None:
    """Prints the time of a look at what is to be done, where nothing is known to be done yet."""
    programs = peer_environment(environments / SNAKEMAKE, [SNAKEMAKE])
    rows = []
    for shape in SHAPES:
        folder = projects[shape, size]
        dry_run: list[str | Path] = [programs / "snakemake", "--dry-run", "--quiet", "all", "--cores", "1"]
        found = interleaved(
            {"mlci": partial(mlci, folder, "plan"), SNAKEMAKE: partial(measure, dry_run, folder)}, rounds
        )
        ours, theirs = median(found["mlci"]), median(found[SNAKEMAKE])
        times = [f"{value:.2f}" for value in (ours.wall_s, theirs.wall_s, ours.wall_s / theirs.wall_s)]
        rows.append([f"{shape} {size}", *times, f"{ours.peak_mb:.0f}", f"{theirs.peak_mb:.0f}"])
    head = ["flow", "mlci plan, s", "snakemake --dry-run, s", "ratio", "mlci, MB", "snakemake, MB"]
    print(f"Snakemake {installed_version(programs, SNAKEMAKE)}\n\n{markdown_table(head, rows)}\n")


if __name__ == "__main__":
    main()
