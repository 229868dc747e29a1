"""Judge two models by patients that neither has seen: `compare.py DATA DEFAULT TUNED OUTPUT`."""

import json
import os
import sys

import numpy as np
import patients

data, default, tuned, output = sys.argv[1:]
x, y = patients.read(data)["test"]
scores = {}
for name, folder in (("default", default), ("tuned", tuned)):
    scores[name] = patients.r2(np.load(os.path.join(folder, "model.npz")), x, y)
    print(f"{name}: r2={scores[name]:.3f}")
os.makedirs(output, exist_ok=True)
with open(os.path.join(output, "scores.json"), "w") as file:
    json.dump({**scores, "improvement": scores["tuned"] - scores["default"]}, file)
