"""SageMaker's API on the job runner: jobs that run, and the records that models, endpoints and packages are.

service.py      which operation is whose, and `run_to_end` for a state machine's `.sync` tasks
jobs.py         Create, Describe, Stop of processing, training and transform jobs
running.py      the threads that jobs run in, and how they are stopped
progress.py     what Describe… says of a job while it goes from Starting to its end
metrics.py      metrics by regular expressions on a job's log
models.py       models, endpoint configurations, endpoints
invoking.py     calls of endpoints
packages.py     model packages and their groups
tags.py         tags of all of these
listing.py      List…: filters, order, pages
records.py      where all of it is kept
"""

from __future__ import annotations

from mlci_emulator.services.sagemaker.service import SageMaker

__all__ = ["SageMaker"]
