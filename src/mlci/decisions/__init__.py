"""Decisions of people about runs.

approvals.py    the approvals that a run waits for
acceptances.py  the misses that somebody has accepted, and those that a run may have accepted
"""
