"""Runs the scripts of a job's instances side by side: where one fails, the others are stopped."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Generic, TypeVar

from mlci_asl import StopSignal as SettableStopSignal
from mlci_dataclasses import dataclass
from mlci_emulator.jobs.hosts import Host
from mlci_emulator.jobs.process import StopSignal
from mlci_emulator.jobs.workspace import Workspace

ResultT = TypeVar("ResultT")


@dataclass(frozen=True)
class Instance:
    """One machine of a job: its host, its folder, its log and its network.

    One that `is_offline` has a network of its own, and `network_of` is the process that holds that of several; without
    both, it is this machine's. `notes` are the first lines of the log.
    """

    host: Host
    space: Workspace
    log: Path
    is_offline: bool = False
    network_of: int = 0
    notes: str = ""


@dataclass(frozen=True)
class Ended(Generic[ResultT]):
    """The result of one instance."""

    instance: Instance
    result: ResultT


def run_together(
    instances: Sequence[Instance],
    run: Callable[[Instance, StopSignal], ResultT],
    succeeded: Callable[[ResultT], bool],
    stop: StopSignal,
) -> Ended[ResultT]:
    """Run all instances to their end, and return the first that did not succeed, or else the first host's.

    `run` gets the stop signal of its instance. It is set with `stop`, and when another instance did not succeed. An
    error of an instance counts as one that did not succeed, and is raised.
    """
    if len(instances) == 1:
        return Ended(instances[0], run(instances[0], stop))
    from concurrent.futures import ThreadPoolExecutor  # late: most jobs have one instance

    signal, lock = SettableStopSignal(), threading.Lock()
    failed: list[Ended[ResultT] | BaseException] = []

    def run_one(instance: Instance) -> Ended[ResultT]:
        try:
            ended = Ended(instance, run(instance, signal))
        except BaseException as error:
            fail(error)
            raise
        if not succeeded(ended.result):
            fail(ended)
        return ended

    def fail(how: Ended[ResultT] | BaseException) -> None:
        with lock:
            failed.append(how)
        signal.set()

    unsubscribe = stop.subscribe(lambda: signal.set())
    try:
        with ThreadPoolExecutor(len(instances)) as pool:
            futures = [pool.submit(run_one, instance) for instance in instances]
        first = failed[0] if failed else futures[0].result()
    finally:
        unsubscribe()
    if isinstance(first, BaseException):
        raise first
    return first
