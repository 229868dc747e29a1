"""Report the model's accuracy on the wines that it has not seen, and what it says of each."""

import csv
import json
import tarfile

import numpy as np
import wine

INPUT = "/opt/ml/processing/input"
with tarfile.open(f"{INPUT}/model/model.tar.gz") as archive:
    archive.extractall("model")
model = np.load("model/model.npz")
_, _, features, kinds = wine.read(f"{INPUT}/wine")
predicted = ((features[:, : len(model["mean"])] - model["mean"]) / model["scale"] @ model["weights"]).argmax(axis=1)
with open("/opt/ml/processing/output/evaluation/metrics.json", "w") as file:
    json.dump({"accuracy": float((predicted == kinds).mean()), "wines": len(kinds)}, file)
with open("/opt/ml/processing/output/evaluation/cases.csv", "w", newline="") as file:
    table = csv.writer(file)
    table.writerow(["id", "label", "predicted"])
    table.writerows(zip(range(len(kinds)), kinds.tolist(), predicted.tolist()))
