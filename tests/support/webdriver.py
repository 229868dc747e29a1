"""A browser that a test drives: the W3C's WebDriver protocol, spoken to chromedriver over HTTP.

Source: https://www.w3.org/TR/webdriver2/
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DRIVER = shutil.which("chromedriver")
_SECONDS = 60
#: The keys that have no character. Source: https://www.w3.org/TR/webdriver2/#keyboard-actions
TAB, ENTER = "\ue004", "\ue007"


@dataclass(frozen=True)
class Browser:
    """A session of a headless browser."""

    session: str

    def open(self, file: Path) -> None:
        self._command("POST", "url", {"url": file.resolve().as_uri()})

    def resize(self, width: int, height: int) -> None:
        self._command("POST", "window/rect", {"width": width, "height": height})

    def run(self, script: str) -> Any:
        """Returns what a function with this body returns in the page."""
        return self._command("POST", "execute/sync", {"script": script, "args": []})

    def press(self, keys: str) -> None:
        """Presses keys one after another, wherever the focus is."""
        actions = [{"type": kind, "value": key} for key in keys for kind in ("keyDown", "keyUp")]
        self._command("POST", "actions", {"actions": [{"type": "key", "id": "keyboard", "actions": actions}]})

    def emulate_media(self, feature: str, value: str) -> None:
        """Sets a feature that media queries ask for; "" for the machine's own."""
        features = [{"name": feature, "value": value}]
        call = {"cmd": "Emulation.setEmulatedMedia", "params": {"features": features}}
        self._command("POST", "goog/cdp/execute", call)

    def _command(self, method: str, path: str, body: object) -> Any:
        return _send(method, f"{self.session}/{path}", body)


@contextmanager
def browser() -> Iterator[Browser]:
    """Starts a browser, and ends it."""
    assert DRIVER is not None
    options = {"args": ["--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]}
    capabilities = {"browserName": "chrome", "goog:chromeOptions": options}
    with subprocess.Popen([DRIVER, "--port=0"], stdout=subprocess.PIPE, text=True) as driver:
        try:
            assert driver.stdout is not None
            started = (re.search(r"started successfully on port (\d+)", line) for line in driver.stdout)
            port = next(found[1] for found in started if found)
            root = f"http://127.0.0.1:{port}/session"
            session = _send("POST", root, {"capabilities": {"alwaysMatch": capabilities}})["sessionId"]
            yield Browser(f"{root}/{session}")
            _send("DELETE", f"{root}/{session}", None)
        finally:
            driver.terminate()


def _send(method: str, url: str, body: object) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"}, method=method)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=_SECONDS) as answer:
        return json.load(answer)["value"]
