#!/usr/bin/env python3
"""Staging at the speed of the disk: many small files and a large one, against DVC and `aws s3 sync`.

    .venv/bin/python benchmarks/staging.py [--short] [--dir FOLDER] [--peers FOLDER] [--rounds 5]

Needs about 20 GB (--short: 1 GB) in FOLDER or the temporary folder, and leaves nothing there. DVC and the AWS CLI are
installed by pip into environments of their own below --peers. benchmarks/README.md says how to read what it prints.
"""

from __future__ import annotations

import argparse
import itertools
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from exactness import KEY, REGION, serving
from timing import Timing, installed_version, interleaved, machine, markdown_table, measure, median, peer_environment

FLOW = """\
flow: staging
steps:
  count:
    uses: processing
    image: sklearn:1.2-1
    instance: ml.m5.large
    run: count.py
    inputs: {data: data}
    outputs: [result]
"""
ACCOUNT, BUCKET = "0" * 12, "staging"
_BLOCK_BYTES = 1 << 20


@dataclass(frozen=True)
class Size:
    """The data: so many small files of up to 8 kB, and one large file of so many megabytes."""

    files: int
    large_mb: int


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--short", action="store_true", help="1,000 files and one of 64 MB, in one round")
    parser.add_argument("--dir", type=Path, help="where to work (default: the temporary folder)")
    parser.add_argument("--peers", type=Path, help="where the peers are or are installed (default: temporary)")
    parser.add_argument("--rounds", type=int, default=5, help="how often each but the first is run (default: 5)")
    parser.add_argument("--stage", choices=("local", "s3"), help=argparse.SUPPRESS)  # one process of mlci that stages
    options = parser.parse_args()
    if options.stage:
        stage(options.stage)
        return
    size, rounds = (Size(1_000, 64), 1) if options.short else (Size(10_000, 2_048), options.rounds)
    with tempfile.TemporaryDirectory(prefix="staging-", dir=options.dir) as name:
        folder = Path(name)
        peers = options.peers.absolute() if options.peers else folder / "peers"
        dvc = peer_environment(peers / "dvc", ["dvc"])
        aws = peer_environment(peers / "aws", ["awscli"])
        print(f"{size.files:,} files of up to 8 kB, and one of {size.large_mb:,} MB. {machine()}.")
        print(f"DVC {installed_version(dvc, 'dvc')}, AWS CLI {installed_version(aws, 'awscli')}.\n")
        compare_local(folder, dvc, size, rounds)
        serve = [sys.executable, "-m", "mlci", "serve", "--port", "{port}", "--access-key", KEY]
        serve += ["--data", str(folder / "served")]
        with serving(serve, {"MLCI_CACHE": str(folder / "served-cache")}) as url:
            compare_s3(folder, aws, size, rounds, url)


def compare_local(folder: Path, dvc: Path, size: Size, rounds: int) -> None:
    """Compares with DVC: a store on the same disk on both sides."""
    mlci_project, dvc_project = project(folder / "mlci", size), project(folder / "dvc", size)
    env = {"MLCI_CACHE": str(folder / "cache")}
    home = {"HOME": str(folder), "DVC_NO_ANALYTICS": "1", "DVC_SITE_CACHE_DIR": str(folder / "dvc-site")}
    tool = dvc / "dvc"
    command(dvc_project, home, tool, "init", "-q")()
    command(dvc_project, home, tool, "remote", "add", "-q", "-d", "store", folder / "dvc-remote")()
    mlci = command(mlci_project, env, sys.executable, Path(__file__).absolute(), "--stage", "local")
    plan = command(mlci_project, env, sys.executable, "-m", "mlci", "plan")
    add = command(dvc_project, home, tool, "add", "-q", "data")
    status = command(dvc_project, home, tool, "status")
    push = command(dvc_project, home, tool, "push", "-q")
    validate = command(mlci_project, env, sys.executable, "-m", "mlci", "validate")
    sides = {
        "mlci stage": mlci,
        "mlci plan": plan,
        "mlci validate": validate,
        "dvc add": add,
        "dvc status": status,
        "dvc push": push,
    }
    first = {"mlci stage": [mlci()], "dvc add": [add()], "dvc push": [push()]}
    mlci(), plan(), status()  # once more: what changed within the two seconds before it was hashed is read again
    unchanged = interleaved(sides, rounds)
    both = (mlci_project, dvc_project)
    small = interleaved(changing({name: sides[name] for name in ("mlci stage", "dvc add")}, both, "small"), rounds)
    large = interleaved(changing({name: sides[name] for name in ("mlci stage", "dvc add")}, both, "large"), 1)
    show({"first": first, "unchanged": unchanged, "one byte of a small file": small, "one byte of the large": large})


def compare_s3(folder: Path, aws: Path, size: Size, rounds: int, url: str) -> None:
    """Compares with `aws s3 sync`: both send to the same `mlci serve`, which is a part of every figure."""
    mlci_project, aws_project = project(folder / "mlci-s3", size), project(folder / "aws", size)
    credentials = {
        "AWS_ENDPOINT_URL": url,
        "AWS_ACCESS_KEY_ID": KEY,
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": REGION,
    }
    env = {**credentials, "MLCI_CACHE": str(folder / "cache-s3")}
    tool = aws / "aws"
    command(folder, credentials, tool, "s3", "mb", f"s3://{BUCKET}")()
    mlci = command(mlci_project, env, sys.executable, Path(__file__).absolute(), "--stage", "s3")
    sync = command(aws_project, credentials, tool, "s3", "sync", "data", f"s3://{BUCKET}/aws", "--only-show-errors")
    sides = {"mlci stage": mlci, "aws s3 sync": sync}
    first = {name: [side()] for name, side in sides.items()}
    mlci()
    unchanged = interleaved(sides, rounds)
    show({"first": first, "unchanged": unchanged}, "to S3")


def command(folder: Path, environment: Mapping[str, str], *words: str | Path) -> Callable[[], Timing]:
    """Returns what runs a command in a folder, and returns its cost."""
    return lambda: measure(words, folder, (0,), **environment)


def changing(
    sides: dict[str, Callable[[], Timing]], projects: tuple[Path, Path], which: str
) -> dict[str, Callable[[], Timing]]:
    """Returns the sides, each of which first changes one byte in its project."""
    numbers = itertools.count()

    def changed(side: Callable[[], Timing], folder: Path) -> Callable[[], Timing]:
        def run() -> Timing:
            file = folder / "data" / ("large.bin" if which == "large" else "00/00001.bin")
            with file.open("r+b") as stream:
                stream.write(bytes([next(numbers) % 256]))
            return side()

        return run

    return {name: changed(side, folder) for (name, side), folder in zip(sides.items(), projects, strict=True)}


def show(cases: dict[str, dict[str, list[Timing]]], title: str = "to a store on this disk") -> None:
    """Prints a table: seconds of the clock and of the CPU, and memory."""
    rows = []
    for case, sides in cases.items():
        base = median(next(iter(sides.values())))
        for name, timings in sides.items():
            each = median(timings)
            ratio = f"{each.wall_s / base.wall_s:.2f}"
            rows.append([case, name, f"{each.wall_s:.2f}", f"{each.cpu_s:.2f}", f"{each.peak_mb:.0f}", ratio])
    print(markdown_table([title, "command", "s", "CPU s", "peak MB", "over mlci"], rows), end="\n\n", flush=True)


def project(folder: Path, size: Size) -> Path:
    """Makes a repository with a flow that reads the data. The data is ignored by git, as it is where DVC has it."""
    data = folder / "data"
    data.mkdir(parents=True)
    (folder / "flow.yaml").write_text(FLOW)
    (folder / "count.py").write_text("print('nothing to count')\n")
    (folder / ".gitignore").write_text(".mlci/\n")
    chance = random.Random(1)
    for number in range(size.files):
        file = data / f"{number // 1000:02}" / f"{number:05}.bin"
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(chance.randbytes(chance.randint(100, 8_000)))
    with (data / "large.bin").open("wb") as large:
        for block in blocks(chance, size.large_mb):
            large.write(block)
    subprocess.run(["git", "init", "-q", "."], cwd=folder, check=True)
    return folder


def blocks(chance: random.Random, count: int) -> Iterator[bytes]:
    """Yields so many blocks of a megabyte, no two of which are the same."""
    pool = [chance.randbytes(_BLOCK_BYTES) for _ in range(16)]
    for number in range(count):
        yield number.to_bytes(8, "little") + pool[number % 16][8:]


def stage(where: str) -> None:
    """Stages the flow of the current folder and uploads what is missing, as `mlci run` does before it starts."""
    from mlci.flow import load
    from mlci.plan import Target, plan
    from mlci.stage import Cache, find_repository
    from mlci.stage import stage as stage_flow

    file = Path("flow.yaml")
    cache = Path(os.environ["MLCI_CACHE"])
    flow = load(file.read_bytes(), str(file))
    staged = stage_flow(flow, find_repository(file), REGION, Cache(cache))
    planned = plan(flow, staged, Target(BUCKET, f"arn:aws:iam::{ACCOUNT}:role/job", "20260101-000000-000000"))
    from mlci.backends.stop_signal import StopSignal

    if where == "s3":
        from mlci.backends.aws.s3_objects import Objects
        from mlci.backends.aws.s3_uploads import S3Uploads, checksums_memory
        from mlci.backends.aws.session import open_session

        objects = Objects(open_session(REGION).api("s3"), ACCOUNT)
        S3Uploads(objects, checksums_memory(cache)).upload(planned.uploads, StopSignal())
        return
    from mlci.backends.local_cloud import open_local
    from mlci_emulator.jobs.job import JobSettings

    home = Path(".mlci").absolute()

    def settings() -> JobSettings:
        return JobSettings(home / "work", lambda job: home / "logs" / job, sys.executable, environment={})

    with open_local(home / "store", settings, cache=cache) as cloud:
        cloud.upload(planned.uploads, StopSignal())


if __name__ == "__main__":
    main()
