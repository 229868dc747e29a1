"""Trains a linear classifier with LIBLINEAR's `liblinear-train`."""

from __future__ import annotations

import argparse
import os
import subprocess
from pathlib import Path

from flowers import rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cost", type=float, required=True)
    options = parser.parse_args()
    lines, _ = rows(Path(os.environ["SM_CHANNEL_IRIS"], "iris.csv"))
    table = Path("/tmp/train.txt")
    table.write_text("\n".join(lines) + "\n")
    model = Path(os.environ["SM_MODEL_DIR"], "iris.model")
    command = ["liblinear-train", "-q", "-s", "0", "-B", "1", "-c", str(options.cost), str(table), str(model)]
    subprocess.run(command, check=True)
    print(f"trained with {len(lines)} flowers: {model.stat().st_size} bytes")


if __name__ == "__main__":
    main()
