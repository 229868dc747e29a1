#!/usr/bin/env python3
"""What mlci costs: the example's three scripts by a plain shell, against `python pipeline.py --fresh`, side by side.

    .venv/bin/python benchmarks/overhead.py [--rounds 10]

Works in a copy of the example in a temporary folder. benchmarks/README.md says how to read what it prints.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from timing import plain_environment

ROOT = Path(__file__).resolve().parents[1]
EXAMPLE = ("flow.yaml", "pipeline.py", "data", "src/breast_cancer")

# What a person without mlci would write; $PY is the interpreter that runs mlci as well.
SHELL = """
set -e
"$PY" src/breast_cancer/preprocess.py --input=data/breast_cancer.csv --train="$OUT/train" --test="$OUT/test"
SM_CHANNEL_TRAIN="$OUT/train" SM_MODEL_DIR="$OUT/model" \
    "$PY" src/breast_cancer/train.py --max_depth 4 --num_round 100
tar -czf "$OUT/model.tar.gz" -C "$OUT/model" .
"$PY" src/breast_cancer/evaluate.py --model="$OUT/model.tar.gz" --test="$OUT/test" --output="$OUT/evaluation"
"""


@dataclass(frozen=True)
class Run:
    """One `python pipeline.py`: from outside (`seconds`), and as its result.json tells it."""

    seconds: float
    inside_s: float
    steps_s: Mapping[str, float]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=10, help="how often each is run (default: 10)")
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory(prefix="overhead-") as name:
        folder = copy_of_example(Path(name) / "example")
        by_shell(folder)  # not counted: it warms the files up for both sides
        first = by_mlci(folder)
        shell, mlci = side_by_side(folder, rounds)
        imports = imports_of_a_run(folder)
        start_s = median_of_process(["-c", "pass"], rounds)
        imported_s = median_of_process(["-c", f"import {', '.join(name for name, _ in imports)}"], rounds)
    report(first, shell, mlci, start_s, imported_s, imports)


def copy_of_example(folder: Path) -> Path:
    """The example in a git repository of its own, with no trace of an earlier run."""
    for name in EXAMPLE:
        source, target = ROOT / name, folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__", ".*_cache"))
        else:
            shutil.copy(source, target)
    (folder / ".gitignore").write_text(".mlci/\n__pycache__/\n")
    author = ("-c", "user.name=benchmark", "-c", "user.email=benchmark@example.com")
    for command in (("init", "-q", "-b", "main"), ("add", "."), (*author, "commit", "-q", "-m", "Example")):
        subprocess.run(["git", *command], cwd=folder, check=True)
    return folder


def side_by_side(folder: Path, rounds: int) -> tuple[list[float], list[Run]]:
    """Both sides in turn, each going first every other time, so that what slows the machine down slows both down."""
    shell: list[float] = []
    mlci: list[Run] = []
    for number in range(rounds):
        if number % 2:
            mlci.append(by_mlci(folder))
        shell.append(by_shell(folder))
        if not number % 2:
            mlci.append(by_mlci(folder))
        print(f"round {number + 1}: shell {shell[-1]:.2f} s, pipeline.py {mlci[-1].seconds:.2f} s", file=sys.stderr)
    return shell, mlci


def by_shell(folder: Path) -> float:
    with tempfile.TemporaryDirectory(prefix="overhead-") as out:
        return timed(["sh", "-c", SHELL], folder, PY=sys.executable, OUT=out)


def by_mlci(folder: Path) -> Run:
    seconds = timed([sys.executable, "pipeline.py", "--fresh"], folder)
    result = json.loads((folder / ".mlci" / "latest" / "result.json").read_text())
    steps = result["steps"]
    not_run = [name for name, step in steps.items() if step["status"] != "succeeded"]
    if not_run:
        sys.exit(f"error: pipeline.py did not run {', '.join(not_run)}; every run has to do all of the work")
    return Run(seconds, result["seconds"], {name: step["seconds"] for name, step in steps.items()})


def imports_of_a_run(folder: Path) -> list[tuple[str, float]]:
    """mlci's modules that `python pipeline.py` imports by itself, not through another, slowest first."""
    done = run([sys.executable, "-X", "importtime", "pipeline.py"], folder)
    line = re.compile(r"import time: +\d+ \| +(\d+) \| (mlci[.\w]*)$")  # a module that is one's own is not indented
    found = [match for match in map(line.match, done.stderr.splitlines()) if match]
    return sorted(((match[2], int(match[1]) / 1e6) for match in found), key=lambda pair: -pair[1])


def median_of_process(args: Sequence[str], rounds: int) -> float:
    return statistics.median(timed([sys.executable, *args], ROOT) for _ in range(rounds))


def timed(command: Sequence[str], folder: Path, **env: str) -> float:
    """Seconds from the start of a command to its end."""
    started = time.perf_counter()
    run(command, folder, **env)
    return time.perf_counter() - started


def run(command: Sequence[str], folder: Path, **env: str) -> subprocess.CompletedProcess[str]:
    """A command that succeeded; one that fails ends all of this, with what it printed."""
    done = subprocess.run(
        command, cwd=folder, env=plain_environment(**env), capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(f"error: exit code {done.returncode} from {command}\n{done.stdout}{done.stderr}")
    return done


def report(
    first: Run,
    shell: Sequence[float],
    mlci: Sequence[Run],
    start_s: float,
    imported_s: float,
    imports: Sequence[tuple[str, float]],
) -> None:
    shell_s = statistics.median(shell)
    mlci_s = statistics.median(one.seconds for one in mlci)
    inside_s = statistics.median(one.inside_s for one in mlci)
    steps_s = statistics.median(sum(one.steps_s.values()) for one in mlci)
    in_turn = statistics.median(one.seconds - each for one, each in zip(mlci, shell, strict=True))
    print(f"Medians of {len(shell)} rounds, in seconds, on Python {sys.version.split()[0]}\n")
    print(f"  three scripts by a shell         {shell_s:6.2f}   from {min(shell):.2f} to {max(shell):.2f}")
    seconds = [one.seconds for one in mlci]
    print(f"  python pipeline.py               {mlci_s:6.2f}   from {min(seconds):.2f} to {max(seconds):.2f}")
    print(f"  difference                       {in_turn:+6.2f}   {mlci_s / shell_s:.2f} times the shell")
    print(f"  the very first run               {first.seconds - shell_s:+6.2f}   {first.seconds:.2f}: it compiles\n")
    print("Where the difference goes\n")
    print(f"  Python starts                    {start_s:+6.2f}")
    print(f"  all that a run needs is imported {imported_s - start_s:+6.2f}")
    print(f"  before, between and after steps  {inside_s - steps_s:+6.2f}   in result.json: seconds less the steps'")
    print(f"  in the steps, over the shell     {steps_s - shell_s:+6.2f}   making /opt/ml, moving inputs and outputs")
    print(f"  the rest                         {mlci_s - inside_s - imported_s:+6.2f}   reading the flow, ending\n")
    print("The imports that take longest, in seconds, with what they import in turn\n")
    for name, seconds_each in imports[:8]:
        print(f"  {name:<32} {seconds_each:6.2f}")
    print()
    print("The steps, as result.json tells them\n")
    for name in mlci[0].steps_s:
        print(f"  {name:<32} {statistics.median(one.steps_s[name] for one in mlci):6.2f}")


if __name__ == "__main__":
    main()
