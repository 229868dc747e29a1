"""Measures commands side by side: interleaved rounds, seconds of the clock and of the CPU, memory, Markdown tables.

What the benchmarks share. Nothing here knows what is measured.
"""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

#: Variables that would change what is measured; without bytecode files, Python compiles each module at every start.
NOT_PASSED_ON = ("AWS_", "MLCI_", "CODEBUILD_", "SM_", "DVC_", "PYTHONDONTWRITEBYTECODE", "VIRTUAL_ENV")


@dataclass(frozen=True)
class Timing:
    """The cost of a command: seconds of the clock, of the CPU with all processes that it waited for, and memory.

    `peak_mb` is the largest resident size of one of these processes. `output` is what it printed.
    """

    wall_s: float
    cpu_s: float
    peak_mb: float
    output: str = ""


def plain_environment(**more: str) -> dict[str, str]:
    """Returns this process's environment without what would change a measurement, and with `more`."""
    return {**{name: value for name, value in os.environ.items() if not name.startswith(NOT_PASSED_ON)}, **more}


def measure(command: Sequence[str | Path], folder: Path, codes: Iterable[int] = (0,), **more: str) -> Timing:
    """Runs a command to its end and returns its cost. Another exit code than `codes` ends the benchmark."""
    with tempfile.TemporaryFile() as output:
        started = time.perf_counter()
        process = subprocess.Popen(
            [str(word) for word in command],
            cwd=folder,
            env=plain_environment(**more),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        text = output.read().decode(errors="replace")
    if process.returncode not in set(codes):
        sys.exit(f"error: exit code {process.returncode} from {' '.join(map(str, command))}\n{text}")
    unit = 1 << 20 if sys.platform == "darwin" else 1 << 10  # macOS counts bytes, Linux kilobytes
    return Timing(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / unit, text)


def interleaved(sides: Mapping[str, Callable[[], T]], rounds: int) -> dict[str, list[T]]:
    """Returns the results of each side. All sides run in each round, and another one begins each: what slows the
    machine down for a while slows all of them down."""
    names = list(sides)
    results: dict[str, list[T]] = {name: [] for name in names}
    for number in range(rounds):
        start = number % len(names)
        for name in names[start:] + names[:start]:
            results[name].append(sides[name]())
    return results


def median(timings: Iterable[Timing]) -> Timing:
    """Returns the medians of each figure, each for itself."""
    every = list(timings)
    wall_s, cpu_s, peak_mb = (
        statistics.median(getattr(each, name) for each in every) for name in ("wall_s", "cpu_s", "peak_mb")
    )
    return Timing(wall_s, cpu_s, peak_mb)


def markdown_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Returns a table in Markdown. All columns but the first are aligned to the right.

    >>> print(markdown_table(["tool", "s"], [["dvc", "1.2"]]))
    | tool | s |
    | --- | ---: |
    | dvc | 1.2 |
    """
    lines = [list(head), ["---", *["---:"] * (len(head) - 1)], *map(list, rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def machine() -> str:
    """Returns a line that describes the machine: processors, memory, kernel, Python."""
    model = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        model = next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        pass  # another system than Linux, or a processor without a name
    memory_gb = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e9
    return (
        f"{os.cpu_count()} cores ({model}), {memory_gb:.0f} GB, {platform.system()} {platform.release()}, "
        f"Python {platform.python_version()}"
    )


def peer_environment(folder: Path, requirements: Iterable[str]) -> Path:
    """Returns the `bin` of an environment with these packages, which is made by pip if the folder has none yet."""
    programs = folder / "bin"
    if not (folder / "installed").exists():
        venv.create(folder, clear=True, with_pip=True)
        quiet = ("--quiet", "--no-input", "--disable-pip-version-check")
        subprocess.run([programs / "python", "-m", "pip", "install", *quiet, *requirements], check=True)
        (folder / "installed").touch()
    return programs


def installed_version(programs: Path, package: str) -> str:
    """Returns the version of a package in an environment."""
    code = f"from importlib.metadata import version; print(version({package!r}))"
    done = subprocess.run([programs / "python", "-c", code], check=True, capture_output=True, text=True)
    return done.stdout.strip()
