#!/usr/bin/env python3
"""What `mlci serve` bears: start, long definitions, many executions at once and one after the other, stops.

    .venv/bin/python benchmarks/serve.py [--executions 10000] [--stops 300]

Everything is asked over boto3, and what moto's server can do as well is done side by side. benchmarks/README.md says
how to read what it prints.
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
import statistics
import subprocess
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3

from exactness import KEY, REGION, ROLE, endpoints, prepare, serving

SCRIPT = "import time; print('started', flush=True); time.sleep(60)"


@dataclass(frozen=True)
class Endpoint:
    """One server that answers."""

    name: str
    url: str

    def client(self, service: str = "stepfunctions") -> Any:
        return boto3.client(
            service,
            endpoint_url=self.url,
            region_name=REGION,
            aws_access_key_id=KEY,
            aws_secret_access_key="none",
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--executions", type=int, default=10_000, help="how many, one after the other")
    parser.add_argument("--stops", type=int, default=300, help="how many executions with a job are stopped")
    options = parser.parse_args()
    figures: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory(prefix="serve-") as name:
        for peer, command, environment in endpoints(Path(name), None):
            started = time.perf_counter()
            with serving(command, environment) as url:
                on = Endpoint(peer, url)
                on.client().list_state_machines()
                figures[peer] = {"start to first answer, s": time.perf_counter() - started}
                prepare(peer, url)
                figures[peer].update(compared(on))
        show(figures)
        own = next(iter(endpoints(Path(name) / "again", None)))
        with serving(*own[1:]) as url:
            on = Endpoint(own[0], url)
            many(on, options.executions)
            stops(on, options.stops)


def compared(on: Endpoint) -> dict[str, float]:
    """What both can do; the median of three where it is short."""
    client = on.client()

    def created(number: int) -> float:
        definition = json.dumps({"Comment": str(number), **chain(500)})  # a new one each: known ones are not read again
        return timed(lambda: make(client, f"long-{number}", definition))

    passes = make(client, "passes", json.dumps(chain(1000)))
    waits = make(client, "waits", json.dumps(chain(3, wait=True)))
    return {
        "create 500 states, s": statistics.median(created(number) for number in range(3)),
        "run 1,000 Pass states, s": statistics.median(timed(lambda: run(client, passes)) for _ in range(3)),
        "50 executions at once (each waits 1 s), s": timed(lambda: at_once(on, waits, 50)),
    }


def chain(length: int, *, wait: bool = False) -> dict[str, Any]:
    """So many states in a row; where `wait`, the second waits for a second."""
    names = [f"s{number}" for number in range(length)]
    states: dict[str, Any] = {name: {"Type": "Pass", "Next": after} for name, after in itertools.pairwise(names)}
    states[names[-1]] = {"Type": "Pass", "End": True}
    if wait:
        states[names[1]] = {"Type": "Wait", "Seconds": 1, "Next": names[2]}
    return {"StartAt": names[0], "States": states}


def make(client: Any, name: str, definition: str) -> str:
    made = client.create_state_machine(name=name, definition=definition, roleArn=ROLE)
    return str(made["stateMachineArn"])


def run(client: Any, machine: str) -> str:
    """The status in which an execution ended."""
    name = uuid.uuid4().hex  # AWS makes one up, but moto does not
    execution = client.start_execution(stateMachineArn=machine, name=name)["executionArn"]
    while True:
        status = str(client.describe_execution(executionArn=execution)["status"])
        if status != "RUNNING":
            return status
        time.sleep(0.005)


def at_once(on: Endpoint, machine: str, count: int) -> None:
    with ThreadPoolExecutor(count) as pool:
        statuses = Counter(pool.map(lambda _: run(on.client(), machine), range(count)))
    if statuses != {"SUCCEEDED": count}:
        raise SystemExit(f"{on.name}: {dict(statuses)}")


def timed(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def show(figures: dict[str, dict[str, float]]) -> None:
    peers = list(figures)
    print(f"{'':44}" + "".join(f"{peer:>10}" for peer in peers) + f"{'ratio':>10}")
    for line in figures[peers[0]]:
        values = [figures[peer][line] for peer in peers]
        print(f"{line:44}" + "".join(f"{value:>10.2f}" for value in values) + f"{values[1] / values[0]:>9.1f}x")


def many(on: Endpoint, count: int) -> None:
    """Executions one after the other, from four clients: what the server holds afterwards."""
    machine = make(on.client(), "many", json.dumps(chain(3)))
    process, done = server(on), 0
    print(f"\n{'executions':>12}{'memory, MB':>12}{'threads':>9}{'files':>7}{'a second':>10}")
    for target in (count // 10, count // 2, count):
        started, before = time.perf_counter(), done
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(row, [on.client() for _ in range(4)], [machine] * 4, [(target - done) // 4] * 4))
        done = target
        rate = (done - before) / (time.perf_counter() - started)
        memory, threads, files = held(process)
        print(f"{done:>12,}{memory:>12.0f}{threads:>9}{files:>7}{rate:>10.0f}", flush=True)


def row(client: Any, machine: str, count: int) -> None:
    for _ in range(count):
        status = run(client, machine)
        if status != "SUCCEEDED":
            raise SystemExit(f"an execution ended as {status}")


def stops(on: Endpoint, count: int) -> None:
    """Executions of a processing job, stopped at random moments: statuses, histories, and processes that are left."""
    role = {"RoleArn": ROLE}
    objects = on.client("s3")
    objects.create_bucket(Bucket="stops")
    objects.put_object(Bucket="stops", Key="code/script.py", Body=SCRIPT.encode())
    machine = make(on.client(), "stops", json.dumps(processing(role)))
    chance = random.Random(7)

    def stopped(number: int) -> str:
        client = on.client()
        execution = client.start_execution(stateMachineArn=machine, name=f"stop-{number}")["executionArn"]
        time.sleep(chance.uniform(0, 0.6))
        client.stop_execution(executionArn=execution, cause="a benchmark")
        status = str(client.describe_execution(executionArn=execution)["status"])
        last = client.get_execution_history(executionArn=execution, reverseOrder=True, maxResults=1)["events"][0][
            "type"
        ]
        return status if last == f"Execution{status.capitalize()}" else f"{status}, but its history ends in {last}"

    started = time.perf_counter()
    with ThreadPoolExecutor(8) as pool:
        found = Counter(pool.map(stopped, range(count)))
    seconds = time.perf_counter() - started
    time.sleep(1)
    listed = on.client("sagemaker").list_processing_jobs(StatusEquals="InProgress")["ProcessingJobSummaries"]
    left = subprocess.run(["pgrep", "-fc", "input/code/script.py"], capture_output=True, text=True).stdout.strip()
    print(f"\n{count} stops in {seconds:.0f} s: {dict(found)}; jobs in progress: {len(listed)}; processes left: {left}")


def processing(role: dict[str, str]) -> dict[str, Any]:
    """A machine of one processing job."""
    place = "/opt/ml/processing/input/code"
    source = {"S3Uri": "s3://stops/code/", "LocalPath": place, "S3DataType": "S3Prefix", "S3InputMode": "File"}
    parameters = {
        **role,
        "ProcessingJobName.$": "$$.Execution.Name",
        "AppSpecification": {"ImageUri": "image", "ContainerEntrypoint": ["python3", f"{place}/script.py"]},
        "ProcessingInputs": [{"InputName": "code", "S3Input": source}],
        "ProcessingResources": {
            "ClusterConfig": {"InstanceCount": 1, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 1}
        },
    }
    resource = "arn:aws:states:::sagemaker:createProcessingJob.sync"
    return {
        "StartAt": "job",
        "States": {"job": {"Type": "Task", "Resource": resource, "Parameters": parameters, "End": True}},
    }


def server(on: Endpoint) -> int:
    """The process that listens on the endpoint's port."""
    port = on.url.rpartition(":")[2]
    found = subprocess.run(["pgrep", "-f", f"serve --port {port} "], capture_output=True, text=True, check=True)
    return int(found.stdout.split()[0])


def held(process: int) -> tuple[float, int, int]:
    """Memory in MB, threads and open files of a process."""
    status = Path(f"/proc/{process}/status").read_text()
    memory_kb, threads = (int(status.split(f"{name}:")[1].split()[0]) for name in ("VmRSS", "Threads"))
    return memory_kb / 1024, threads, len(list(Path(f"/proc/{process}/fd").iterdir()))


if __name__ == "__main__":
    main()
