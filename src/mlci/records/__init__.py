"""Objects in a flow's bucket that a run leaves for later ones, so that nobody pays twice. `reuse` decides by them.

step_records.py      the records of steps, by which later runs reuse what they made
reused_steps.py      the steps of a run whose results earlier runs made
input_objects.py     the objects below inputs in S3, as they count in the keys of steps
kept_outputs.py      the outputs that records and baselines name, copied where merged code made them
kept_definitions.py  compiled definitions
"""
