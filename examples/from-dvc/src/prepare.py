"""Split the patients into two files: data/prepared/train.csv and data/prepared/test.csv."""

import os
import random
import sys

import yaml

with open("params.yaml") as file:
    params = yaml.safe_load(file)["prepare"]

with open(sys.argv[1]) as file:
    header, *rows = file.read().splitlines()

random.seed(params["seed"])
random.shuffle(rows)
count = int(len(rows) * params["test_share"])

os.makedirs("data/prepared", exist_ok=True)
for name, part in (("test", rows[:count]), ("train", rows[count:])):
    with open(os.path.join("data/prepared", f"{name}.csv"), "w") as file:
        file.write("\n".join([header, *part]) + "\n")
    print(f"{name}: {len(part)} patients")
