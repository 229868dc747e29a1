"""Fits the model to the `train` channel and leaves it in the model folder, as SageMaker training jobs do."""

import argparse
import json
import os

from regression import fit, read

parser = argparse.ArgumentParser()
parser.add_argument("--ridge", type=float, default=0.001)
parser.add_argument("--train", default=os.environ.get("SM_CHANNEL_TRAIN"))
parser.add_argument("--model-dir", default=os.environ.get("SM_MODEL_DIR"))
args = parser.parse_args()

rows = read(os.path.join(args.train, "rows.csv"))
weights = fit(rows, args.ridge)
with open(os.path.join(args.model_dir, "weights.json"), "w") as file:
    json.dump(weights, file)
print(f"fitted {len(weights)} weights to {len(rows)} rows")
