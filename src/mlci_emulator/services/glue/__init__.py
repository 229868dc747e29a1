"""Glue jobs on this machine: a Python shell script in a process of its own, with Glue's way of passing arguments.

From the API's operations down to what they share:

    service.py      the operations on jobs and job runs
    job_runs.py     runs the script of a job
    modules/        what scripts import of Glue: awsglue.utils

Spark and Ray are not implemented: such a job can be created, and not run.
"""

from __future__ import annotations

from mlci_emulator.services.glue.service import GlueService

__all__ = ["GlueService"]
