"""The runs of a flow, as they stand on this machine.

run_folder.py         the folder of a run: what is written there, and how it is found again
run_lock.py           the lock that tells a running run from one that was killed
watch.py              a run while it goes on: its jobs' logs, signs of life, requests to stop it
earlier_runs.py       runs of a flow that have reported
compared_runs.py      the two runs of `mlci diff`
named_runs.py         the runs that a name or a branch means
published_reports.py  the reports of a build, in the bucket of its run
clean.py              what runs left on this machine, found and removed
"""
