"""Split the flowers: a script for SageMaker's ScriptProcessor."""

import random

HEADER_LINES = 1

if __name__ == "__main__":
    with open("/opt/ml/processing/input/iris/iris.csv") as file:
        rows = file.read().splitlines()[HEADER_LINES:]
    random.Random(4).shuffle(rows)
    for name, part in (("test", rows[:45]), ("train", rows[45:])):
        with open(f"/opt/ml/processing/output/{name}/{name}.csv", "w") as file:
            file.write("\n".join(part) + "\n")
