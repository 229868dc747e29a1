"""The runs of a flow: those of this machine by their folders, and those of builds by their reports in the bucket.

run_folder.py         the folder of a run: what is written there, and how it is found again
run_lock.py           the lock that tells a running run from one that was killed
watch.py              a run while it goes on: its jobs' logs, signs of life, requests to stop it
earlier_runs.py       runs of a flow on this machine that have reported
published_reports.py  the reports of a build, written to the bucket of its run
published_runs.py     the runs of builds, read from those reports
named_runs.py         the runs that an id or a branch means: of this machine, of builds, of baselines
compared_runs.py      the results, keys and cases of two such runs, for `mlci diff`
clean.py              what runs left on this machine, found and removed
"""
