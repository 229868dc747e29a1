"""Repositories of git, for tests."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path


def git(folder: Path, *arguments: str, **environment: str) -> str:
    """The output of a command of git."""
    command = ["git", "-c", "user.name=t", "-c", "user.email=t@example.com", *arguments]
    settings = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", **environment}
    done = subprocess.run(command, cwd=folder, env=settings, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def repository(folder: Path, branch: str = "main", **files: str) -> Path:
    """A repository whose first commit holds these files, and all that is there already."""
    folder.mkdir(exist_ok=True)
    git(folder, "init", "-q", "-b", branch)
    for name, text in files.items():
        (folder / name).write_text(text)
    commit(folder)
    return folder


def commit(folder: Path, **environment: str) -> str:
    """Commits all files, changed or not, and returns the commit."""
    git(folder, "add", "--all")
    git(folder, "commit", "-q", "--allow-empty", "-m", "a commit", **environment)
    return git(folder, "rev-parse", "HEAD")
