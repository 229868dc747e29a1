"""Runs as the process of an endpoint: responds to `/ping` and `/invocations` by the model's own inference script.

The project's interpreter starts this file by path, so it imports the standard library only, and its neighbour
inference.py, which calls the script. It writes the port that it listens on to a file; a script that can't be loaded
ends it, with the reason in `failure.json`. Requests are handled one by one, as by a container with one worker.

Sources: https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-inference-code.html (/ping, /invocations);
sagemaker-inference-toolkit, transformer.py and environment.py (the types of a request without any).
"""

from __future__ import annotations

import importlib.util
import json
import os
import sys
import traceback
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import ModuleType
from typing import Any

PORT_FILE = "port"


def main(request_file: str) -> int:
    """Serve the model of a request until the process is ended; return 1 if it can't be loaded."""
    folder = Path(request_file).parent
    inference = _inference_module()
    request = json.loads(Path(request_file).read_text(encoding="utf-8"))
    try:
        handlers = inference.Handlers(request, folder.parent)
    except Exception as error:  # noqa: BLE001 - the script is the user's, and may raise anything
        traceback.print_exc()
        inference.write_failure(folder, error)
        return 1
    server = HTTPServer(("127.0.0.1", 0), _handler(handlers, request, inference.ClientError))
    draft = folder / f"{PORT_FILE}.draft"
    draft.write_text(str(server.server_port), encoding="ascii")
    draft.rename(folder / PORT_FILE)
    server.serve_forever()
    return 0


def _inference_module() -> ModuleType:
    """Return inference.py, and take its folder out of the places where the script's imports are looked for."""
    here = Path(__file__).resolve().parent
    sys.path[:] = [entry for entry in sys.path if Path(entry or ".").resolve() != here]
    spec = importlib.util.spec_from_file_location("mlci_inference", here / "inference.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["mlci_inference"] = module
    spec.loader.exec_module(module)
    return module


def _handler(handlers: Any, request: dict[str, Any], client_error: type[Exception]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._send(200 if self.path == "/ping" else 404, b"", "text/plain")

        def do_POST(self) -> None:
            data = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if self.path != "/invocations":
                self._send(404, b"", "text/plain")
                return
            accept = self.headers.get("Accept") or "*/*"
            accept = request["accept"] if accept == "*/*" else accept
            try:
                body = handlers.transform(data, self.headers.get("Content-Type"), accept)
            except Exception as error:  # noqa: BLE001 - as above
                traceback.print_exc()
                status = 400 if isinstance(error, client_error) else 500
                self._send(status, f"{type(error).__name__}: {error}".encode(), "text/plain; charset=utf-8")
                return
            self._send(200, body, handlers.content_type)

        def _send(self, status: int, body: bytes, content_type: str) -> None:
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Write no line for a request: the log is the script's."""

    return Handler


if __name__ == "__main__":
    code = main(sys.argv[1])
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
