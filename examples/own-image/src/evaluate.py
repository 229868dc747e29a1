"""Asks LIBLINEAR's `liblinear-predict` about the flowers that the model has not seen."""

from __future__ import annotations

import json
import subprocess
import sys
import tarfile
from pathlib import Path

from flowers import rows


def main(data: Path, model: Path, output: Path) -> None:
    with tarfile.open(model / "model.tar.gz") as archive:
        archive.extract("iris.model", "/tmp")
    _, lines = rows(data)
    table, predicted = Path("/tmp/test.txt"), Path("/tmp/predicted")
    table.write_text("\n".join(lines) + "\n")
    subprocess.run(["liblinear-predict", "-q", str(table), "/tmp/iris.model", str(predicted)], check=True)
    answers = predicted.read_text().split()
    right = sum(float(answer) == float(line.split()[0]) for answer, line in zip(answers, lines, strict=True))
    metrics = {"accuracy": right / len(lines), "flowers": len(lines)}
    (output / "metrics.json").write_text(json.dumps(metrics))
    print(metrics)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:4]))
