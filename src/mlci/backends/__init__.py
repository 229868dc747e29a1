"""The backends that a definition runs on, registered by name, and what they have in common.

protocol.py                   what a run needs of a backend
isolation.py                  the ways in which a local job gets its own /opt/ml
events.py                     an event of an execution's history
at_once.py                    some work for each of many items, several at the same time
stop_signal.py                the signal that asks a run to stop
concurrent_work.py            work on many things at a time, which a stop or an error ends early
upload_progress.py            reports how far a long upload is
sent_requests.py              the API requests of a step, as they are checked before anything starts
enum_values.py                values of a request that the API does not list
thread_shares.py              the cores of this machine, shared by the local jobs that run at once
unenforced_keys.py            the keys that have no effect on the local cloud
secrets.py                    checks that a run's secrets can be read, and the values that local jobs get
decisions.py                  the question of an approval, and the decision about it
build_announcements.py        the announcement of a job that the build is to run, or of a gate that it is to judge
build_tasks.py                the tasks that the build does: tokens, heartbeats and answers
build_jobs.py                 the jobs of these tasks, by the emulator's job runner
billed_seconds.py             the seconds of a job that AWS bills
job_phases.py                 the phases of a job that has ended: starting, downloading, running, uploading
progress.py                   the state of each step, from the history
project_python.py             the interpreter that local jobs run with
function_handlers.py          the local code of Lambda functions that steps call
glue_jobs.py                  the check of Glue jobs before a local run
job_pythons.py                the interpreter of each local job
requirements_environments.py  environments that hold a requirements file, in the user's cache folder
local_objects.py              the objects of the local store
emulator_jobs.py              the settings of the emulator's job runner
local_registry.py             the model registry of the local cloud, a file in .mlci
container_runtime.py          the container runtime of this machine
image_builds.py               builds the images of a flow on this machine
local_images.py               the images of a local run
local_errors.py               the emulator's errors as mlci's own
local_checks.py               the checks before a local run
local_location.py             the location of local runs
local_uploads.py              the staged files of a run in the local store
local_cloud.py                the cloud of a local run: an adapter to the emulator
local_decisions.py            the waiting tasks of local runs, which other processes complete
local.py                      the local backend, before a run
aws/                          the aws backend, through boto3
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlci.backends.protocol import Backend, BackendOptions

#: The module of each backend, imported when the backend is used. Its `configure` takes BackendOptions.
BACKENDS: Mapping[str, str] = {"local": "mlci.backends.local", "aws": "mlci.backends.aws.configure"}


def default_backend(environment: Mapping[str, str]) -> tuple[str, str]:
    """Returns the backend that runs where no option names one, and why.

    >>> default_backend({})
    ('local', 'the default outside of CodeBuild')
    """
    if "CODEBUILD_BUILD_ID" in environment:
        return "aws", "this is CodeBuild"
    return "local", "the default outside of CodeBuild"


def configure(name: str, options: BackendOptions) -> Backend:
    """Returns a backend, ready to be opened for a run.

    Raises: InputError, for a setting that is wrong or missing.
    """
    backend: Backend = importlib.import_module(BACKENDS[name]).configure(options)
    return backend
