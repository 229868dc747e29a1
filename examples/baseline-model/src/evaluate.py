"""Write what the new model says of each wine of the test, and what the base branch's model says, if there is one."""

import csv
import glob
import tarfile

import numpy as np

INPUT = "/opt/ml/processing/input"


def predictions(name, features):
    """Return what the model in an input says of each wine; None for an input without a model."""
    archives = glob.glob(f"{INPUT}/{name}/**/model.tar.gz", recursive=True)
    if not archives:
        return None
    with tarfile.open(archives[0]) as archive:
        archive.extractall(name)
    model = np.load(f"{name}/model.npz")
    features = features[:, : len(model["mean"])]
    return ((features - model["mean"]) / model["scale"] @ model["weights"]).argmax(axis=1)


with open(f"{INPUT}/test/wine.csv", newline="") as file:
    wines = list(csv.reader(file))[1:]
features = np.array([wine[1:-1] for wine in wines], dtype=float)
columns = {
    "id": [wine[0] for wine in wines],
    "label": [wine[-1] for wine in wines],
    "predicted": predictions("model", features),
    "baseline_predicted": predictions("previous", features),
}
columns = {name: values for name, values in columns.items() if values is not None}
with open("/opt/ml/processing/output/evaluation/cases.csv", "w", newline="") as file:
    table = csv.writer(file)
    table.writerow(columns)
    table.writerows(np.column_stack(list(columns.values())).tolist())
print(f"{len(wines)} wines, {', '.join(columns)}")
