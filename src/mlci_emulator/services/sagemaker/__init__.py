"""SageMaker's API on the job runner: jobs that run, and the records of models, endpoints and model packages.

From the API's operations down to what they share:

    service.py           dispatches operations by name, and runs the jobs of `.sync` tasks to their end
    jobs.py              Create…, Describe… and Stop… of processing, training, transform and tuning jobs
    tuning_jobs.py       runs the trials of a tuning job
    tuning_search.py     chooses the values of a trial
    early_stopping.py    the rule by which trials are stopped early
    tuning_status.py     a tuning job's description, made of its trials
    tuning_listing.py    the list of a tuning job's trials
    job_threads.py       runs each job in a thread, and stops running jobs
    job_status.py        a job's description, from its creation to its end
    warm_pools.py        the machines that training jobs leave for the next ones
    metrics.py           extracts metrics from a training job's log
    models.py            models, endpoint configurations and endpoints
    runtime.py           deploys endpoints, and InvokeEndpoint
    deployments.py       what serves an endpoint: a process for each variant
    endpoint_listener.py  the address of an endpoint on this machine
    data_capture.py      the data that an endpoint captures
    registry.py          the operations of the model registry
    model_packages.py    model packages and their groups
    tags.py              AddTags, ListTags, DeleteTags
    listing.py           the List… operations: filters, order, pages
    records.py           stores all resources and tags in SQLite
    errors.py            SageMaker's errors
"""

from __future__ import annotations

from mlci_emulator.services.sagemaker.service import SageMaker

__all__ = ["SageMaker"]
