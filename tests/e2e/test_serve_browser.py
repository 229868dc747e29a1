"""A page in a real browser, from another port of this machine, tries to make `mlci serve` run something.

It even knows the access key id. Each of its requests works where it comes from a client, which the last test shows.
"""

from __future__ import annotations

import http.client
import json
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from support.serving import Serving, serving

pytestmark = pytest.mark.e2e

KEY = "known-to-the-page"
ROLE = "arn:aws:iam::000000000000:role/r"
DEFINITION = json.dumps({"StartAt": "P", "States": {"P": {"Type": "Pass", "End": True}}})
BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)

needs_browser = pytest.mark.skipif(BROWSER is None, reason="there is no Chromium on the PATH")

PAGE = """<!doctype html><title>attack</title><body><script>
const given = GIVEN, results = {};
const attempt = async (name, act) => {
  try { const answer = await act(); results[name] = answer ? `${answer.type} ${answer.status}` : "sent"; }
  catch (error) { results[name] = `${error.name}`; }
};
const element = (tag, url) => new Promise(done => {
  const made = document.createElement(tag);
  made.onload = made.onerror = () => done();
  made.src = url;
  document.body.append(made);
});
const form = (url, body) => new Promise(done => {
  const frame = document.createElement("iframe"), made = document.createElement("form");
  frame.name = "target-" + Math.random();
  Object.assign(made, {method: "POST", enctype: "text/plain", action: url, target: frame.name});
  const field = document.createElement("input");
  const at = body.indexOf("=") < 0 ? body.length : body.indexOf("=");
  [field.name, field.value] = [body.slice(0, at), body.slice(at + 1)];
  made.append(field); document.body.append(frame, made);
  frame.onload = () => done();
  made.submit();
});
const xhr = (method, url, headers, body) => new Promise((done, fail) => {
  const request = new XMLHttpRequest();
  request.open(method, url);
  for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value);
  request.onload = () => done({type: "xhr", status: request.status});
  request.onerror = () => fail(new TypeError("refused"));
  request.send(body);
});
(async () => {
  for (const [name, {method, url, headers, body}] of Object.entries(given.requests)) {
    const sent = method === "GET" ? undefined : body;
    await attempt(`${name}: fetch`, () => fetch(url, {method, headers, body: sent}));
    await attempt(`${name}: xhr`, () => xhr(method, url, headers, sent));
    const simple = method === "PUT" ? "POST" : method;
    await attempt(`${name}: no-cors`, () => fetch(url, {method: simple, mode: "no-cors", body: sent}));
    await attempt(`${name}: beacon`, async () => { navigator.sendBeacon(url, body); });
    await attempt(`${name}: form`, () => form(url, body));
    for (const tag of ["img", "script", "iframe"]) await attempt(`${name}: ${tag}`, () => element(tag, url));
  }
  await attempt("websocket", () => new Promise((done, fail) => {
    const socket = new WebSocket(given.requests.execution.url.replace("http", "ws"));
    socket.onopen = () => done(); socket.onerror = () => fail(new TypeError("refused"));
  }));
  await fetch("/report", {method: "POST", body: JSON.stringify(results)});
})();
</script>"""


@dataclass(frozen=True)
class Asked:
    """One request, as a client sends it. Its URL is signed, as far as anybody checks."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: str


@dataclass(frozen=True)
class Target:
    """A server with something to attack."""

    served: Serving
    machine: str

    def requests(self, host: str = "127.0.0.1") -> dict[str, Asked]:
        address = f"http://{host}:{self.served.port}"

        def asked(service: str, method: str, path: str, body: str = "", target: str = "") -> Asked:
            scope = f"{KEY}/20260101/us-east-1/{service}/aws4_request"
            query = f"X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential={scope.replace('/', '%2F')}"
            signed = f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0"
            headers = {"Authorization": signed, **({"X-Amz-Target": target} if target else {})}
            url = f"{address}{path}{'&' if '?' in path else '?'}{query}"
            return Asked(method, url, headers, body)

        start = json.dumps({"stateMachineArn": self.machine, "name": "by-the-page"})
        return {
            "execution": asked("states", "POST", "/", start, "AWSStepFunctions.StartExecution"),
            "job": asked("sagemaker", "POST", "/", json.dumps(_job()), "SageMaker.CreateProcessingJob"),
            "object": asked("s3", "PUT", "/data/by-the-page", "x"),
            "user": asked("iam", "GET", "/?Action=CreateUser&UserName=by-the-page&Version=2010-05-08"),
        }

    def done(self) -> dict[str, int]:
        """What requests have brought about."""
        client = self.served.client
        return {
            "execution": len(client("stepfunctions").list_executions(stateMachineArn=self.machine)["executions"]),
            "job": len(client("sagemaker").list_processing_jobs()["ProcessingJobSummaries"]),
            "object": client("s3").list_objects_v2(Bucket="data")["KeyCount"],
            "user": len(client("iam").list_users()["Users"]),
        }


def _job() -> dict[str, Any]:
    cluster = {"InstanceCount": 1, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 1}
    return {
        "ProcessingJobName": "by-the-page",
        "RoleArn": ROLE,
        "AppSpecification": {"ImageUri": "image", "ContainerEntrypoint": ["true"]},
        "ProcessingResources": {"ClusterConfig": cluster},
    }


@pytest.fixture
def target(tmp_path: Path) -> Iterator[Target]:
    with serving(tmp_path / "data", "--access-key", KEY) as served:
        served.client("s3").create_bucket(Bucket="data")
        made = served.client("stepfunctions").create_state_machine(name="m", definition=DEFINITION, roleArn=ROLE)
        yield Target(served, str(made["stateMachineArn"]))


@dataclass
class Attack:
    """The attacker's own server: the page, and what the page reported."""

    page: bytes
    reported: dict[str, str]


def _attacking(attack: Attack) -> ThreadingHTTPServer:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(attack.page)

        def do_POST(self) -> None:
            attack.reported.update(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def _browser(profile: Path, *arguments: str) -> list[str]:
    options = ["--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
    return [str(BROWSER), *options, f"--user-data-dir={profile}", *arguments]


def _visit(attack: Attack, url: str, profile: Path, *arguments: str) -> None:
    """Opens a page, and waits until it has reported."""
    process = subprocess.Popen(_browser(profile, *arguments, url), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until = time.monotonic() + 60
        while not attack.reported and time.monotonic() < until and process.poll() is None:
            time.sleep(0.05)
    finally:
        process.terminate()
        process.wait(20)


@needs_browser
@pytest.mark.slow
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "rebound.example"])
def test_a_page_starts_nothing(target: Target, tmp_path: Path, host: str) -> None:
    requests = {name: vars(asked) for name, asked in target.requests(host).items()}
    attack = Attack(PAGE.replace("GIVEN", json.dumps({"requests": requests})).encode(), {})
    server = _attacking(attack)
    try:
        # A name that has been rebound: the browser takes this machine for the attacker's.
        rules = "--host-resolver-rules=MAP rebound.example 127.0.0.1"
        page_host = host if host == "rebound.example" else "127.0.0.1"
        _visit(attack, f"http://{page_host}:{server.server_port}/", tmp_path / "profile", rules)
    finally:
        server.shutdown()
        server.server_close()
    assert attack.reported, "the page did not report"
    assert attack.reported["execution: no-cors"] == "opaque 0"  # it came through to the server, and had an answer
    assert {name for name, seen in attack.reported.items() if " 2" in seen} == set()
    assert attack.reported["websocket"] == "TypeError"
    assert set(target.done().values()) == {0}


@pytest.mark.slow
@needs_browser
def test_a_name_that_leads_here_shows_nothing(target: Target, tmp_path: Path) -> None:
    asked = target.requests("rebound.example")["user"]
    rules = "--host-resolver-rules=MAP rebound.example 127.0.0.1"
    shown = subprocess.run(
        _browser(tmp_path / "profile", rules, "--dump-dom", asked.url), capture_output=True, text=True, timeout=60
    )
    # What comes with an error status and is no page, this browser doesn't show: it came through, and had an answer.
    assert 'rejects the host "rebound.example' in shown.stdout or "ERR_INVALID_RESPONSE" in shown.stderr
    assert set(target.done().values()) == {0}


@pytest.mark.slow
def test_the_same_requests_work_from_a_client(target: Target) -> None:
    for name, asked in target.requests().items():
        connection = http.client.HTTPConnection("127.0.0.1", target.served.port, timeout=30)
        connection.request(asked.method, asked.url.partition(str(target.served.port))[2], asked.body, asked.headers)
        answer = connection.getresponse()
        assert answer.status == 200, (name, answer.read())
        connection.close()
    assert set(target.done().values()) == {1}
