"""Measures the model on rows that it has not seen: as a whole in metrics.json, and each in cases.csv."""

import argparse
import csv
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
cases = [(name, target, predict(weights, features)) for name, features, target in rows]
mean = sum(target for _, target, _ in cases) / len(cases)
squares = sum((target - predicted) ** 2 for _, target, predicted in cases)
metrics = {"r2": 1 - squares / sum((target - mean) ** 2 for _, target, _ in cases), "n_test": len(cases)}
os.makedirs(args.out, exist_ok=True)
with open(os.path.join(args.out, "metrics.json"), "w") as file:
    json.dump(metrics, file, indent=2)
with open(os.path.join(args.out, "cases.csv"), "w", newline="") as file:
    csv.writer(file).writerows([("id", "label", "predicted"), *cases])
print(json.dumps(metrics))
