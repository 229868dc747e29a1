"""Plan → the key of each step: a hash of all that can change its result, and the words for what differs. Pure.

request_fields.py   the fields of API requests that can't change a result
ingredients.py      all that can change a step's result, as JSON
decisions.py        the steps that are reused, and why the others run
step_keys.py        the keys of a plan's steps
key_document.py     keys.json
differences.py      what differs between two runs' steps, in words
record.py           the document of a record
explained_steps.py  the steps that a name on the command line means

It imports none of them: a run needs the words only if there is an earlier run to compare with.
"""
