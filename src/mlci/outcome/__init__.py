"""The outcome of a run: read from the store and from its events when its steps have ended, and judged.

metrics.py         the metrics of its steps, and why there are none
cases.py           the cases of its steps and of its baseline, and the verdict by them
measurements.py    the time, size and cost that rules of the gate are on
plots.py           the plots of its report
empty_outputs.py   the outputs that a step left empty
unsent_files.py    the file that a failed step's job was not sent
skipped_steps.py   the reasons of steps that were skipped
warm_starts.py     the steps that started on machines which another job had left
since_baseline.py  what it has changed since the baseline's run
conclusion.py      its status, and the reason
gate_answers.py    the answers to a state machine that asks whether the gate holds
"""
