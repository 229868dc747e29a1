"""Trains a classifier of the cultivar that a wine is made of."""

import argparse
import os
from pathlib import Path

import xgboost
from measurements import read_rows

parser = argparse.ArgumentParser()
parser.add_argument("--rounds", type=int, required=True)
parser.add_argument("--depth", type=int, required=True)
arguments = parser.parse_args()
_, lines = Path(os.environ["SM_CHANNEL_TRAIN"], "train.csv").read_text().split("\n", 1)
rows = read_rows(lines)
parameters = {"objective": "multi:softprob", "num_class": 3, "max_depth": arguments.depth, "seed": 0}
model = xgboost.train(parameters, xgboost.DMatrix(rows[:, :-1], rows[:, -1]), arguments.rounds)
model.save_model(Path(os.environ["SM_MODEL_DIR"], "model.json"))
