"""Run the flow in flow.yaml, as CodeBuild does on each pull request. `python pipeline.py --help` lists the options."""

from __future__ import annotations

import sys

from mlci.cli import main

if __name__ == "__main__":
    sys.exit(main(["run", *sys.argv[1:]]))
