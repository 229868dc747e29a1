"""GitHub as far as reports are posted to it: checks, commit statuses and comments of one repository, with their state.

`templates` are whole objects of GitHub's own description, which answers are then based on: the nightly check has Prism
validate them.
"""

from __future__ import annotations

import functools
import json
import re
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

Json = dict[str, Any]


@dataclass(frozen=True)
class Fault:
    """An answer in the place of GitHub's own. One that comes `late` is for a request that was carried out."""

    status: int
    message: str = "Server Error"
    headers: Mapping[str, str] = field(default_factory=dict)
    is_late: bool = False


@dataclass
class FakeGitHub:
    """The state of the repository. `login` is whom the token belongs to; `scopes` what it may write.

    `faults` are used up in order by requests whose "METHOD /path" begins with the key.
    """

    login: str = "mlci[bot]"
    scopes: set[str] = field(default_factory=lambda: {"checks", "statuses", "comments"})
    head: str = "c" * 40
    repository: str = "octo/model"
    templates: Mapping[str, Json] = field(default_factory=dict)
    comments: list[Json] = field(default_factory=list)
    checks: list[Json] = field(default_factory=list)
    statuses: list[Json] = field(default_factory=list)
    faults: list[tuple[str, Fault]] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    tokens: set[str] = field(default_factory=set)
    app: str = "mlci"
    url: str = ""
    lock: threading.RLock = field(default_factory=threading.RLock)
    _ids: int = 100

    def comment_by(self, login: str, body: str) -> Json:
        """Write a comment as somebody."""
        with self.lock:
            self._ids += 1
            at = _now()
            comment = {
                **self.templates.get("comment", {}),
                "id": self._ids,
                "url": f"{self.url}/repos/{self.repository}/issues/comments/{self._ids}",
                "body": body,
                "user": {
                    **self.templates.get("user", {}),
                    "login": login,
                    "type": "Bot" if login.endswith("[bot]") else "User",
                },
                "created_at": at,
                "updated_at": at,
            }
            self.comments.append(comment)
            return comment

    @property
    def bodies(self) -> list[str]:
        return [comment["body"] for comment in self.comments]

    def handle(self, method: str, target: str, body: Json, token: str) -> tuple[int, Any, Mapping[str, str]]:
        """Return the status, the document and the headers of the answer."""
        with self.lock:
            target = target.removeprefix("/api/v3")  # of a GitHub Enterprise Server
            path = urlsplit(target).path
            self.requests.append(f"{method} {path}")
            self.tokens.add(token)
            for index, (prefix, fault) in enumerate(self.faults):
                if f"{method} {path}".startswith(prefix):
                    del self.faults[index]
                    if fault.is_late:
                        self._answer(method, target, body)
                    return fault.status, {"message": fault.message}, fault.headers
            return (*self._answer(method, target, body), {})

    def _answer(self, method: str, target: str, body: Json) -> tuple[int, Any]:  # noqa: C901 - one case a call
        split = urlsplit(target)
        query = {name: values[0] for name, values in parse_qs(split.query).items()}
        path = split.path.removeprefix(f"/repos/{self.repository}")
        match method, path.strip("/").split("/"):
            case "GET", ["user"]:
                return 200, {**self.templates.get("user", {}), "login": self.login}
            case "GET", ["app"]:
                return 200, {**self.templates.get("app", {}), "slug": self.app}
            case "GET", ["installation"]:
                return 200, {**self.templates.get("installation", {}), "id": 5}
            case "POST", ["app", "installations", "5", "access_tokens"]:
                return 201, {"token": f"ghs_{'i' * 36}", "expires_at": "2099-01-01T00:00:00Z", "permissions": {}}
            case "GET", ["pulls", number]:
                pull = self.templates.get("pull", {})
                head = {**pull.get("head", {}), "sha": self.head}
                return 200, {**pull, "number": int(number), "head": head, "url": f"{self.url}{split.path}"}
            case "GET", ["commits", _, "check-runs"]:
                found = [each for each in self.checks if each["name"] == query["check_name"]]
                return 200, {"total_count": len(found), "check_runs": _page(found, query)}
            case "POST", ["check-runs"]:
                return self._create_check(body)
            case "PATCH", ["check-runs", number]:
                return self._update_check(int(number), body)
            case "GET", ["commits", commit, "status"]:
                newest = {each["context"]: each for each in self.statuses if each["sha"] == commit}
                statuses = [{name: value for name, value in each.items() if name != "sha"} for each in newest.values()]
                own = {"sha": commit, "statuses": statuses, "total_count": len(statuses)}
                return 200, {**self.templates.get("combined", {}), **own}
            case "POST", ["statuses", commit]:
                return self._create_status(commit, body)
            case "GET", ["issues", _, "comments"]:
                return 200, _page(self.comments, query)
            case "POST", ["issues", _, "comments"]:
                if "comments" not in self.scopes:
                    return 403, {"message": "Resource not accessible by integration"}
                return 201, self.comment_by(self.login, body["body"])
            case "PATCH" | "DELETE", ["issues", "comments", number]:
                return self._change_comment(method, int(number), body)
        return 404, {"message": "Not Found"}

    def _create_check(self, body: Json) -> tuple[int, Any]:
        if "checks" not in self.scopes:
            return 403, {"message": "Resource not accessible by personal access token"}
        self._ids += 1
        template = self.templates.get("check", {})
        check = {**template, "id": self._ids, "url": f"{self.url}/repos/{self.repository}/check-runs/{self._ids}"}
        self.checks.append({**check, "annotations": [], "external_id": None, "conclusion": None, **body, "output": {}})
        return 201, self._with_output(self.checks[-1], body)

    def _update_check(self, number: int, body: Json) -> tuple[int, Any]:
        [check] = [each for each in self.checks if each["id"] == number]
        return 200, self._with_output(check, body)

    def _with_output(self, check: Json, body: Json) -> Json:
        output = dict(body.get("output", {}))
        annotations = output.pop("annotations", [])
        assert len(annotations) <= 50
        check["annotations"] += annotations
        check.update({name: value for name, value in body.items() if name != "output"})
        if body.get("conclusion"):
            check["status"] = "completed"
        template = self.templates.get("check", {}).get("output", {})
        check["output"] = {**template, **output, "annotations_count": len(check["annotations"])}
        check["output"].setdefault("annotations_url", f"{check['url']}/annotations")
        return {name: value for name, value in check.items() if name != "annotations"}

    def _create_status(self, commit: str, body: Json) -> tuple[int, Any]:
        if "statuses" not in self.scopes:
            return 403, {"message": "Resource not accessible by integration"}
        status = {**self.templates.get("status", {}), "sha": commit, "created_at": _now(), "updated_at": _now(), **body}
        self.statuses.append(status)
        return 201, {name: value for name, value in status.items() if name != "sha"}

    def _change_comment(self, method: str, number: int, body: Json) -> tuple[int, Any]:
        found = [each for each in self.comments if each["id"] == number]
        if not found:
            return 404, {"message": "Not Found"}
        if "comments" not in self.scopes or found[0]["user"]["login"] != self.login:
            return 403, {"message": "Resource not accessible by integration"}
        if method == "DELETE":
            self.comments.remove(found[0])
            return 204, None
        found[0].update(body, updated_at=_now())
        return 200, found[0]


def _page(found: list[Any], query: Mapping[str, str]) -> list[Any]:
    size, page = int(query.get("per_page", "30")), int(query.get("page", "1"))
    return found[(page - 1) * size : page * size]


def _now() -> str:
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


@contextmanager
def served(github: FakeGitHub, certificate: Path | None = None) -> Iterator[str]:
    """While in here, the address of the API. Lists have the `Link` header that PyGithub pages by.

    With a certificate (`self_signed`) it is a GitHub Enterprise Server on localhost.
    """

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _serve(self) -> None:
            size = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(size) or b"{}") if size else {}
            token = (self.headers.get("Authorization") or "").partition(" ")[2]
            status, document, headers = github.handle(self.command, self.path, body, token)
            data = b"" if document is None else json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json; charset=utf-8")
            self.send_header("Content-Length", str(len(data)))
            for name, value in {**headers, **self._next(document)}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data)

        def _next(self, document: Any) -> dict[str, str]:
            if not isinstance(document, list) or not (match := re.search(r"per_page=(\d+)", self.path)):
                return {}
            if len(document) < int(match[1]):
                return {}
            page = int((re.search(r"[?&]page=(\d+)", self.path) or ["", "1"])[1]) + 1
            path = re.sub(r"([?&])page=\d+&?", r"\1", self.path).rstrip("&?")
            return {"Link": f'<{github.url}{path}{"&" if "?" in path else "?"}page={page}>; rel="next"'}

        do_GET = do_POST = do_PATCH = do_DELETE = _serve  # noqa: N815 - as http.server looks for them

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    github.url = f"http://127.0.0.1:{server.server_port}"
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        github.url = f"https://localhost:{server.server_port}/api/v3"
    try:
        yield github.url
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def self_signed(folder: Path) -> Path:
    """A certificate of localhost with its key, which is its own authority."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

    key: Any = load_pem_private_key(private_key().encode(), None)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(timezone.utc)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now, now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    file = folder / "certificate.pem"
    file.write_text(private_key() + certificate.public_bytes(Encoding.PEM).decode())
    return file


@functools.cache
def private_key() -> str:
    """The private key of an App."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    plain = serialization.NoEncryption()
    form = serialization.PrivateFormat.TraditionalOpenSSL
    return key.private_bytes(serialization.Encoding.PEM, form, plain).decode()
