"""Splits the patients into files for the built-in XGBoost: the label first, and no head."""

import argparse
import csv
import random
from pathlib import Path

parser = argparse.ArgumentParser()
parser.add_argument("source", type=Path)
parser.add_argument("--label", required=True)
parser.add_argument("--train", type=Path, required=True)
parser.add_argument("--validation", type=Path, required=True)
options = parser.parse_args()

with options.source.open(newline="") as file:
    patients = list(csv.DictReader(file))
random.Random(7).shuffle(patients)
measures = [name for name in patients[0] if name != options.label]
held_out = len(patients) // 4
for folder, rows in ((options.validation, patients[:held_out]), (options.train, patients[held_out:])):
    with (folder / "patients.csv").open("w", newline="") as file:
        csv.writer(file).writerows([row[name] for name in (options.label, *measures)] for row in rows)
    print(f"{len(rows)} patients in {folder.name}")
