"""Fit a ridge regression."""

import json
import os
import sys

import numpy as np
import yaml

with open("params.yaml") as file:
    alpha = yaml.safe_load(file)["train"]["alpha"]

features, model = sys.argv[1:]
data = np.load(os.path.join(features, "train.npz"))
x, y = data["x"], data["y"]
intercept = y.mean()
weights = np.linalg.solve(x.T @ x + alpha * len(y) * np.eye(x.shape[1]), x.T @ (y - intercept))

with open(model, "w") as file:
    json.dump({"intercept": intercept, "weights": weights.tolist()}, file)
print(f"trained on {len(y)} patients")
