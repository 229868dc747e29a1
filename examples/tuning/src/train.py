"""Fit a model with given hyperparameters, and print how good it is for patients that it has not seen."""

import argparse
import os

import numpy as np
import patients

parser = argparse.ArgumentParser()
parser.add_argument("--gamma", type=float, required=True)
parser.add_argument("--alpha", type=float, required=True)
arguments = parser.parse_args()

parts = patients.read(os.path.join(os.environ["SM_CHANNEL_DATA"], "patients.csv"))
model = patients.fit(*parts["train"], arguments.gamma, arguments.alpha)
np.savez(os.path.join(os.environ["SM_MODEL_DIR"], "model.npz"), **model)
print(f"validation_r2={patients.r2(model, *parts['validation']):.4f}")
