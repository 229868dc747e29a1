"""A Glue Python shell job: drops flowers that are measured twice, keeps the chosen measures, and reports on both."""

import csv
import io
import json
import sys

from awsglue.utils import getResolvedOptions
from objects import read_text, write_text

options = getResolvedOptions(sys.argv, ["raw", "prepared", "measures"])
measures = int(options["measures"])

head, *rows = csv.reader(io.StringIO(read_text(options["raw"])))
kept = [[*row[:measures], row[-1]] for row in dict.fromkeys(map(tuple, rows))]
print(f"{len(rows)} flowers, {len(kept)} of them once, {measures} measures of each")

text = io.StringIO()
csv.writer(text, lineterminator="\n").writerows([[*head[:measures], head[-1]], *kept])
write_text(options["prepared"] + "flowers.csv", text.getvalue())
write_text(options["prepared"] + "summary.json", json.dumps({"rows": len(kept), "measures": measures}))
