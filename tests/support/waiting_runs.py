"""Runs that wait for a person's decision, each in a process of its own."""

from __future__ import annotations

import re

from support.project import Project


class WaitingRun:
    """A run in a process of its own, up to its first approval. `lines` are what it printed by then."""

    def __init__(self, project: Project, *options: str, **environment: str) -> None:
        self.process = project.start("run", *options, **environment)
        self.lines: list[str] = []
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line)
            if match := re.search(r"mlci approve (\S+) (\S+?)(?: --cloud aws)?, or", line):
                self.run_id = match[1]
                return
        raise AssertionError("".join(self.lines) + str(self.process.communicate()))

    def end(self) -> tuple[int, str]:
        out, err = self.process.communicate(timeout=60)
        return self.process.returncode, "".join(self.lines) + out + err
