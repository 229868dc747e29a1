"""Measure the model on the test patients."""

import json
import os
import sys

import numpy as np

path, features = sys.argv[1:]
with open(path) as file:
    model = json.load(file)
data = np.load(os.path.join(features, "test.npz"))
predicted = model["intercept"] + data["x"] @ np.array(model["weights"])
errors = data["y"] - predicted

os.makedirs("metrics", exist_ok=True)
with open("metrics/scores.json", "w") as file:
    json.dump({"r2": 1 - float((errors**2).mean() / data["y"].var()), "mae": float(np.abs(errors).mean())}, file)
