"""Report how many irises of the test are next to the centre of their own species."""

import json
import tarfile

import numpy as np

INPUT = "/opt/ml/processing/input"
with tarfile.open(f"{INPUT}/model/model.tar.gz") as archive:
    archive.extractall("model")
centres = np.load("model/centres.npy")
table = np.loadtxt(f"{INPUT}/test/iris.csv", delimiter=",", skiprows=1)
features, species = table[:, : centres.shape[1]], table[:, -1]
distances = ((features[:, None] - centres) ** 2).sum(axis=2)
accuracy = float((distances.argmin(axis=1) == species).mean())
with open("/opt/ml/processing/output/evaluation/metrics.json", "w") as file:
    json.dump({"accuracy": round(accuracy, 3)}, file)
