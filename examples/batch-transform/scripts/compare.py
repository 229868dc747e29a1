"""Compares the predictions of the transform job with those that the model makes here, and with the labels."""

import csv
import json
import sys
import tarfile
import tempfile
from pathlib import Path

import numpy as np
import xgboost
from measurements import read_rows

model, batch, labels, scores, report = map(Path, sys.argv[1:])
with tempfile.TemporaryDirectory() as folder:
    with tarfile.open(model / "model.tar.gz") as archive:
        archive.extract("model.json", folder)
    classifier = xgboost.Booster(model_file=Path(folder, "model.json"))
differences, hits = [], []
cultivars = dict(csv.reader((labels / "labels.csv").read_text().splitlines()))
for part in sorted(batch.iterdir()):
    numbers, samples = np.split(read_rows(part.read_text()), [1], axis=1)
    scored = read_rows((scores / f"{part.name}.out").read_text())
    assert (scored[:, :1] == numbers).all()
    differences.append(np.abs(scored[:, 1:] - classifier.predict(xgboost.DMatrix(samples))).max())
    expected = np.array([int(cultivars[str(int(number))]) for number in numbers[:, 0]])
    hits += (scored[:, 1:].argmax(axis=1) == expected).tolist()
metrics = {"max_difference": float(max(differences)), "samples": len(hits), "accuracy": sum(hits) / len(hits)}
(report / "metrics.json").write_text(json.dumps(metrics))
print(metrics)
