"""Evaluate the network: a script for SageMaker's ScriptProcessor, with a report as SageMaker Model Monitor has it."""

import json
import tarfile

import numpy as np
import torch
from network import network

if __name__ == "__main__":
    with tarfile.open("/opt/ml/processing/input/model/model.tar.gz") as archive:
        hidden = json.load(archive.extractfile("network.json"))["hidden"]
        model = network(hidden)
        model.load_state_dict(torch.load(archive.extractfile("model.pt"), weights_only=True))
    table = np.loadtxt("/opt/ml/processing/input/test/test.csv", delimiter=",", dtype=np.float32)
    with torch.no_grad():
        predicted = model(torch.from_numpy(table[:, :-1])).argmax(dim=1).numpy()
    accuracy = float((predicted == table[:, -1]).mean())
    report = {"multiclass_classification_metrics": {"accuracy": {"value": accuracy, "standard_deviation": "NaN"}}}
    with open("/opt/ml/processing/output/evaluation/evaluation.json", "w") as file:
        json.dump(report, file)
