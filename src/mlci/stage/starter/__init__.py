"""The files that run in a step's container, beside its code: they start the script. Nothing of mlci imports them.

mlci_start.py               the starter: becomes the script, as `python SCRIPT` in the code's folder would be
mlci_start_glue.py          starts a script in Glue, which takes one file: fetches the others
mlci_start_secrets.py       sets the variables that hold secrets, and masks secrets in the output
mlci_start_aws.py           reads a secret from AWS
mlci_start_requirements.py  installs the requirements file of the step
mlci_start_places.py        links inputs to the paths that a script reads, and moves what it writes
mlci_start_inference.py     puts the script that serves a model into it
mlci_start_toolkit.py       stands in for the training toolkit, in an image that has none
mlci_start_supervise.py     runs the script as a child, where something has to happen to its output or after its end
mlci_start_metrics.py       collects metrics from files and from the script's output into one file

Beside them lies `mlci_start.json`, which says how the script starts; `mlci.step_types.script_start` makes it. A key
of it that is more than the start itself is a feature: `FEATURES` in mlci_start.py names them in their order, and each
is a file `mlci_start_<feature>.py` with a function `prepare(value, job)`; `toolkit` comes first. A step's code holds
the files of its own features alone. Standard library only; Python 3.6 and newer.
"""
