"""Score the model on the test rows: `evaluate.py MODEL TEST OUTPUT`."""

import json
import os
import sys
import tarfile
from pathlib import Path

import numpy as np

with tarfile.open(Path(sys.argv[1], "model.tar.gz")) as archive:
    archive.extractall("model")
weights = np.load("model/weights.npy")
instances = sorted(Path("model").glob("algo-*.json"))
for file in instances:
    print(f"{file.stem} trained on {json.loads(file.read_text())['rows']} rows")

test = np.loadtxt(Path(sys.argv[2], "test.csv"), delimiter=",")
features = np.column_stack([test[:, :-1], np.ones(len(test))])
accuracy = float(((features @ weights).argmax(axis=1) == test[:, -1]).mean())

os.makedirs(sys.argv[3], exist_ok=True)
with open(os.path.join(sys.argv[3], "metrics.json"), "w") as file:
    json.dump({"accuracy": accuracy, "instances": len(instances)}, file)
print(f"accuracy {accuracy:.3f}")
