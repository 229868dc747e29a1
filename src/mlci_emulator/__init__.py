"""The local cloud: SageMaker's jobs as subprocesses, and a directory as the store.

integrations/   the task handlers of a state machine: what Step Functions can call, and what comes of it here
lambdas/        Lambda functions as subprocesses
jobs.py         runs one job to its end
requests.py     the API requests: what is valid, what can run here
validation.py   whether a request is one that the API takes, by its model (shapes.py, shapes.json)
sagemaker/      SageMaker's API: jobs and what they are named, listed, stopped by
processing.py   the container of a processing job: files, environment, command
training.py     the same of a training job in script mode
transform.py    the same of a transform job; inference.py is what runs in it
toolkit.py      what the SageMaker training toolkit makes of hyperparameters and channels
transfer.py     objects to files before a job, files to objects after it
reasons.py      why a job failed, in SageMaker's words
isolation.py    how a job gets its /opt/ml
supervisor.py   starts mlci_emulator.jobs.supervisor, and stops it
workspace.py    the folders that jobs work in
store.py        the directory that stands for S3
keys.py         which file an object's key means
placing.py      how files get their places there
walk.py         all objects in S3's order
"""

from __future__ import annotations
