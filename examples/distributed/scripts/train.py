"""Train a softmax classifier by gradient descent, on each instance's own part of the data."""

import argparse
import json
import os
from pathlib import Path

import numpy as np
from network import Group

parser = argparse.ArgumentParser()
parser.add_argument("--steps", type=int, default=200)
parser.add_argument("--learning-rate", type=float, default=0.5)
arguments = parser.parse_args()

hosts, me = json.loads(os.environ["SM_HOSTS"]), os.environ["SM_CURRENT_HOST"]
files = sorted(Path(os.environ["SM_CHANNEL_TRAIN"]).glob("*.csv"))
table = np.concatenate([np.loadtxt(file, delimiter=",") for file in files])
features = np.column_stack([table[:, :-1], np.ones(len(table))])
classes = np.eye(3)[table[:, -1].astype(int)]
print(f"{me} of {len(hosts)}: {len(table)} rows of {[file.name for file in files]}", flush=True)

group = Group(hosts, me)
weights = np.zeros((features.shape[1], 3))
rows = group.average(np.array([float(len(table))]))[0]
for step in range(arguments.steps):
    scores = np.exp(features @ weights)
    probabilities = scores / scores.sum(axis=1, keepdims=True)
    gradient = features.T @ (probabilities - classes) / rows
    weights = weights - arguments.learning_rate * group.average(gradient)
    if (step + 1) % 50 == 0 or step + 1 == arguments.steps:
        loss = group.average(np.array([-np.log((probabilities * classes).sum(axis=1)).sum() / rows]))[0]
        print(f"step {step + 1}: loss={loss:.4f}", flush=True)

# All instances have the same weights. Each leaves a file of its own; the model's archive has the files of all.
model = Path(os.environ["SM_MODEL_DIR"])
(model / f"{me}.json").write_text(json.dumps({"rows": len(table)}))
if me == hosts[0]:
    np.save(model / "weights.npy", weights)
