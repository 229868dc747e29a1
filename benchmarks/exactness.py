#!/usr/bin/env python3
"""Who answers as AWS does: the table of cases under tests/mlci_asl/cases, asked of mlci, moto and ministack over boto3.

    .venv/bin/python benchmarks/exactness.py [--peers FOLDER] [--list]

FOLDER is the `bin` of an environment with `moto[server]` and `ministack`; without it, moto is this environment's own,
and ministack is left out. benchmarks/README.md says how to read what it prints.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

TABLE = Path(__file__).resolve().parents[1] / "tests" / "mlci_asl" / "cases"
KEY = "exactness"
REGION = "us-east-1"
ROLE = "arn:aws:iam::000000000000:role/exactness"
#: How long an execution may take before it counts as one that hangs. No case that is asked waits longer than a second.
PATIENCE_S = 15.0

#: `words` is right but for the cause's text; `refused` says no where AWS goes on; `silent` is a wrong answer that looks
#: like a right one: a success with another output, a success where AWS fails, a definition that AWS refuses.
Mark = Literal["right", "words", "refused", "loud", "silent"]
MARKS: tuple[Mark, ...] = ("right", "words", "refused", "loud", "silent")


@dataclass(frozen=True)
class Case:
    """A definition with an input, and what AWS makes of it; `expect` is None where AWS refuses the definition."""

    name: str
    definition: str
    given: str
    expect: Mapping[str, Any] | None


@dataclass(frozen=True)
class Response:
    """What an endpoint made of a case: `status` REFUSED at creation, HANGS, or the execution's."""

    status: str
    output: Any = None
    error: str = ""
    cause: str = ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers", type=Path, help="the bin folder of an environment with moto and ministack")
    parser.add_argument("--list", action="store_true", help="show each case that is not right, for mlci too")
    options = parser.parse_args()
    cases = table()
    print(f"{len(cases)} cases of {TABLE.relative_to(TABLE.parents[2])}\n")
    print(f"{'':12}" + "".join(f"{mark:>9}" for mark in MARKS))
    with tempfile.TemporaryDirectory(prefix="exactness-") as name:
        for peer, command, environment in endpoints(Path(name), options.peers):
            with serving(command, environment) as url:
                prepare(peer, url)
                marks = [(case, *asked(url, case, number)) for number, case in enumerate(cases)]
            counts = Counter(mark for _, mark, _ in marks)
            print(f"{peer:12}" + "".join(f"{counts[mark]:>9}" for mark in MARKS), flush=True)
            if options.list:
                for case, mark, answer in marks:
                    if mark != "right":
                        print(f"    {mark:8} {case.name}\n             expected {case.expect}\n             {answer}")


def table() -> list[Case]:
    """The cases that need nothing but Step Functions: no task, no long wait, no name that the test made up."""
    found = []
    for path in sorted(TABLE.glob("*.json")):
        for case in json.loads(path.read_text("utf-8")):
            text = json.dumps(case)
            if '"Task"' in text or "pauses" in case or "$$" in text or "states.context" in text or "doubt" in case:
                continue
            name, given = f"{path.stem}: {case['name']}", json.dumps({} if case["input"] is None else case["input"])
            found.append(Case(name, json.dumps(definition_of(case)), given, case["expect"]))
    refusals = json.loads((TABLE / "definitions" / "refusals.json").read_text("utf-8"))
    return found + [
        Case(f"refusals: {case['name']}", json.dumps(case["definition"]), "{}", None)
        for case in refusals
        if '"Task"' not in json.dumps(case) and isinstance(case["definition"], dict) and "doubt" not in case
    ]


def definition_of(case: Mapping[str, Any]) -> Any:
    if "definition" in case:
        return case["definition"]
    end = {} if case["state"]["Type"] in ("Choice", "Succeed", "Fail") else {"End": True}
    return {"StartAt": "S", "States": {"S": {**case["state"], **end}, **case.get("more", {})}}


def endpoints(work: Path, peers: Path | None) -> Iterator[tuple[str, Sequence[str], Mapping[str, str]]]:
    """Each endpoint's name, command (with `{port}`) and variables."""
    own = Path(sys.executable).parent
    serve = [sys.executable, "-m", "mlci", "serve", "--port", "{port}", "--access-key", KEY]
    yield "mlci", [*serve, "--data", str(work / "data")], {}
    yield "moto", [str((peers or own) / "moto_server"), "-p", "{port}"], {}
    if peers is not None:
        yield "ministack", [str(peers / "ministack")], {"GATEWAY_PORT": "{port}", "LOG_LEVEL": "ERROR"}


@contextlib.contextmanager
def serving(command: Sequence[str], environment: Mapping[str, str]) -> Iterator[str]:
    """The URL of an endpoint that answers as long as the block lasts."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    more = {name: value.format(port=port) for name, value in environment.items()}
    process = subprocess.Popen(
        [part.format(port=port) for part in command],
        env={**os.environ, **more},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for(int(port), process)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()


def wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.05)
    raise SystemExit(f"{process.args!r} does not answer")


def prepare(peer: str, url: str) -> None:
    """moto runs state machines only where it is told to."""
    if peer == "moto":
        body = json.dumps({"stepfunctions": {"execute_state_machine": True}}).encode()
        urllib.request.urlopen(urllib.request.Request(f"{url}/moto-api/config", body), timeout=30).close()


def asked(url: str, case: Case, number: int) -> tuple[Mark, Response]:
    client = boto3.client(
        "stepfunctions",
        endpoint_url=url,
        region_name=REGION,
        aws_access_key_id=KEY,
        aws_secret_access_key="none",  # nobody checks the signature
        config=Config(retries={"total_max_attempts": 1}, read_timeout=PATIENCE_S),
    )
    with ThreadPoolExecutor(1) as alone:  # moto executes while it answers, and may hang in there
        answer = alone.submit(answered, client, case, number).result()
    return judged(case.expect, answer), answer


def answered(client: Any, case: Case, number: int) -> Response:
    try:
        made = client.create_state_machine(name=f"case-{number}", definition=case.definition, roleArn=ROLE)
    except (ClientError, BotoCoreError) as error:
        return Response("REFUSED", cause=str(error))
    try:
        started = client.start_execution(stateMachineArn=made["stateMachineArn"], input=case.given)
        until = time.monotonic() + PATIENCE_S
        while time.monotonic() < until:
            found = client.describe_execution(executionArn=started["executionArn"])
            if found["status"] != "RUNNING":
                output = json.loads(found["output"]) if found.get("output") else None
                return Response(found["status"], output, found.get("error") or "", found.get("cause") or "")
            time.sleep(0.01)
    except (ClientError, BotoCoreError, ValueError) as error:
        return Response("BROKEN", cause=str(error))
    return Response("HANGS")


def judged(expect: Mapping[str, Any] | None, answer: Response) -> Mark:
    if expect is None:
        return "right" if answer.status == "REFUSED" else "silent"
    if answer.status == "REFUSED":
        return "refused"
    if answer.status == "SUCCEEDED":
        same = expect["status"] == "SUCCEEDED" and ("output" not in expect or alike(answer.output, expect["output"]))
        return "right" if same else "silent"
    if answer.status != expect["status"] or answer.error != (expect.get("error") or answer.error):
        return "loud"
    return "words" if expect.get("cause") not in (None, answer.cause) else "right"


def alike(one: Any, other: Any) -> bool:
    """As text, so that 1, 1.0 and true differ."""
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


if __name__ == "__main__":
    main()
