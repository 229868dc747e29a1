"""The arrows of `run()`, each of them a function on typed values.

phase_clock.py      the times at which its phases end
context.py          from outside of the flow: the repository, the target, the folder of the run, its reporter
planned_run.py      its first steps: stage, plan, compile
prepared_run.py     a run before deploy: staged, planned, compiled, and what is reused
due_steps.py        its steps that are due, executed; or none, and the results of earlier runs
execution.py        the run deployed, started and watched until it ends
judgement.py        the judgement on it, with its measurements and what was accepted
earned_baseline.py  the baseline of a run that has earned it
result.py           its Result, collected and reported
"""
