"""The local cloud: SageMaker's jobs as subprocesses, and a directory as the store.

tasks.py        the task handlers of a state machine: createProcessingJob, createTrainingJob, getObject, copyObject
jobs.py         one job from its API request to what Describe… returns
requests.py     the API requests: what is valid, what can run here
processing.py   the container of a processing job: files, environment, command
training.py     the same of a training job in script mode
toolkit.py      what the SageMaker training toolkit makes of hyperparameters and channels
transfer.py     objects to files before a job, files to objects after it
reasons.py      why a job failed, in SageMaker's words
isolation.py    how a job gets its /opt/ml
supervisor.py   starts mlci.job, and stops it
workspace.py    the folders that jobs work in
store.py        the directory that stands for S3
keys.py         which file an object's key means
placing.py      how files get their places there
walk.py         all objects in S3's order
"""

from __future__ import annotations
