"""Programs that stand for others on PATH."""

from __future__ import annotations

import sys
from pathlib import Path


def program(folder: Path, name: str, body: str) -> Path:
    """Write a Python program; `sys`, `os`, `shutil` and `arguments` are there for its body."""
    file = folder / name
    lines = [f"#!{sys.executable}", "import os, shutil, sys", "arguments = sys.argv[1:]", body]
    file.write_text("\n".join(lines) + "\n")
    file.chmod(0o755)
    return file
