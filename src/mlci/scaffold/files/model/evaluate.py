"""Measures the model on rows that it has not seen."""

import argparse
import json
import os
import tarfile

from regression import predict, read

parser = argparse.ArgumentParser()
parser.add_argument("--model", required=True)
parser.add_argument("--test", required=True)
parser.add_argument("--out", required=True)
args = parser.parse_args()

with tarfile.open(os.path.join(args.model, "model.tar.gz")) as archive:
    weights = json.load(archive.extractfile("weights.json"))
rows = read(os.path.join(args.test, "rows.csv"))
mean = sum(target for _, target in rows) / len(rows)
squares = sum((target - predict(weights, features)) ** 2 for features, target in rows)
metrics = {
    "r2": 1 - squares / sum((target - mean) ** 2 for _, target in rows),
    "rmse": (squares / len(rows)) ** 0.5,
    "n_test": len(rows),
}
os.makedirs(args.out, exist_ok=True)
with open(os.path.join(args.out, "metrics.json"), "w") as file:
    json.dump(metrics, file, indent=2)
print(json.dumps(metrics))
