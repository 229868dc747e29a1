"""Put the model where the shop reads it, with a note that says who approved it."""

import json
import shutil

INPUT, OUTPUT = "/opt/ml/processing/input", "/opt/ml/processing/output/release"
with open(f"{INPUT}/decision/decision.json") as file:
    decision = json.load(file)
shutil.copy(f"{INPUT}/model/model.tar.gz", OUTPUT)
note = "{decision} by {by} at {at}: {reason}".format(**decision)
with open(f"{OUTPUT}/RELEASE.txt", "w") as file:
    file.write(note + "\n")
print(note)
