"""A user's repository, and the real command in it, started in a fresh process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent.parent


@dataclass(frozen=True)
class Project:
    """A repository of a user's, with a flow in it."""

    root: Path

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "mlci", *arguments],
            cwd=self.root,
            env=clean_environment(environment),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def mlci(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        started = self.start(*arguments, **environment)
        out, err = started.communicate(timeout=300)
        return subprocess.CompletedProcess(started.args, started.returncode, out, err)

    def python(self, code: str) -> subprocess.CompletedProcess[str]:
        """Code in a fresh process, as if it were the command."""
        return subprocess.run(
            [sys.executable, "-c", code],
            cwd=self.root,
            env=clean_environment({}),
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    def write(self, path: str, text: str) -> None:
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_text(text)

    def result(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.root / ".mlci/latest/result.json").read_text())
        return found

    def latest(self, name: str) -> str:
        return (self.root / ".mlci/latest" / name).read_text()

    @property
    def runs(self) -> list[str]:
        folder = self.root / ".mlci/runs"
        return sorted(entry.name for entry in folder.iterdir()) if folder.exists() else []


#: Shared by all tests, so that not each of them pays for importing the SDK that compiles.
CACHE = Path(tempfile.gettempdir()) / f"mlci-tests-{os.getuid()}-cache"


def clean_environment(more: Mapping[str, str]) -> dict[str, str]:
    outside = ("AWS_", "MLCI_", "CODEBUILD_", "GITHUB_", "VIRTUAL_ENV", "CONDA_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(outside) and name != "CI"}
    return {**kept, "MLCI_CACHE": str(CACHE), **more}
