"""Run the flow in flow.yaml, as CI does on each pull request. `python pipeline.py --help` lists the options."""

from __future__ import annotations

import os
import shutil
import sys


def main() -> int:
    arguments = ["run", *sys.argv[1:]]
    try:
        from mlci.cli import main as mlci
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "mlci":
            raise
        # Installed by pipx or `uv tool install`, mlci has an environment of its own, and its command is on PATH.
        command = shutil.which("mlci")
        if command is None:
            print("mlci is not installed: neither this Python nor PATH has it.", file=sys.stderr)
            return 2
        os.execv(command, [command, *arguments])
    return mlci(arguments)


if __name__ == "__main__":
    sys.exit(main())
