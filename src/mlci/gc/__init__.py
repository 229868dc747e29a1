"""Retention: what runs left in a flow's bucket, which of it something still needs, and the deletion of the rest.

    units.py        objects → units, which stay or go as a whole: a run's folder, code with one hash, a record
    references.py   what is in use or is kept: runs that go on, baselines, records, registered and deployed models
    plan.py         the units that nothing needs, and that are old enough
    collect.py      looks, shows and deletes, in an order that a run which starts meanwhile survives

`units`, `plan` and the references' values are pure. `mlci clean` takes its runs, code and data from here as well.
"""
