"""`mlci serve` as a process of its own, and boto3 as a client of it that knows nothing but what was printed."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support.project import clean_environment


@dataclass(frozen=True)
class Serving:
    """A server that runs, and the variables that it printed."""

    process: subprocess.Popen[str]
    exports: dict[str, str]

    def client(self, service: str, **settings: str) -> Any:
        from botocore.config import Config
        from botocore.session import Session

        given = {
            "region_name": self.exports["AWS_DEFAULT_REGION"],
            "endpoint_url": self.exports["AWS_ENDPOINT_URL"],
            "aws_access_key_id": self.exports["AWS_ACCESS_KEY_ID"],
            "aws_secret_access_key": self.exports["AWS_SECRET_ACCESS_KEY"],
            **settings,
        }
        config = Config(retries={"total_max_attempts": 1}, inject_host_prefix=False)
        return Session().create_client(service, config=config, **given)

    @property
    def port(self) -> int:
        return int(self.exports["AWS_ENDPOINT_URL"].rpartition(":")[2])

    def stop(self) -> int:
        self.process.terminate()
        return self.process.wait(20)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(20)


@contextmanager
def serving(data: Path, *options: str) -> Iterator[Serving]:
    """A server with this data folder, which is gone afterwards."""
    command = [sys.executable, "-m", "mlci", "serve", "--port", "0", "--data", str(data), *options]
    with subprocess.Popen(
        command, env=clean_environment({}), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            yield Serving(process, _exports(process))
        finally:
            process.kill()


def _exports(process: subprocess.Popen[str]) -> dict[str, str]:
    assert process.stdout is not None
    exports: dict[str, str] = {}
    for line in process.stdout:
        if line.startswith("#") and not exports:
            continue
        if not line.startswith("export "):
            return exports
        name, _, value = line.removeprefix("export ").strip().partition("=")
        exports[name] = "".join(shlex.split(value))
    assert process.stderr is not None
    raise AssertionError(f"the server did not start: {process.stderr.read()}{os.linesep}")
