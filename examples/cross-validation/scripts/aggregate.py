"""Average the scores of all folds: `aggregate.py SCORES OUTPUT`, with one folder in SCORES for each fold."""

import json
import os
import sys
from pathlib import Path

scores = {}
for file in sorted(Path(sys.argv[1]).glob("*/scores.json")):
    scores[file.parent.name] = json.loads(file.read_text())["accuracy"]
for fold, accuracy in scores.items():
    print(f"{fold}: {accuracy:.3f}")

mean = sum(scores.values()) / len(scores)
spread = (sum((accuracy - mean) ** 2 for accuracy in scores.values()) / (len(scores) - 1)) ** 0.5
os.makedirs(sys.argv[2], exist_ok=True)
with open(os.path.join(sys.argv[2], "summary.json"), "w") as file:
    json.dump({"accuracy": {"mean": mean, "std": spread}, "folds": len(scores)}, file)
