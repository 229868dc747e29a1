"""The jobs that the build runs itself, on this machine: by the emulator's job runner, on the store of either cloud.

A job finds what SageMaker gives a processing job: `/opt/ml`, its inputs there, and its outputs taken from there once it
has succeeded. Its environment is that of a local job: it holds no credentials, and none of the build's own variables.
On AWS, its inputs are brought to this machine first, and its outputs and its log are sent to S3 afterwards.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from mlci.backends.build_announcements import JobAnnouncement
from mlci.backends.build_tasks import JobEnd
from mlci.backends.emulator_jobs import job_python, job_pythons, job_settings
from mlci.backends.job_pythons import JobPythons
from mlci.backends.project_python import python_of_flow
from mlci.backends.protocol import BackendOptions
from mlci.backends.stop_signal import StopSignal
from mlci.backends.thread_shares import thread_shares_in_build, thread_variables
from mlci.errors import CloudError
from mlci.flow.names import written_name
from mlci.plan.models import Plan, S3Uri, Upload
from mlci.plan.names import JobSteps, Names
from mlci.s3_uris import split_s3_uri
from mlci.stage.models import StagedFile
from mlci.stage.repository import find_repository
from mlci_dataclasses import dataclass
from mlci_emulator.errors import EmulatorError

if TYPE_CHECKING:
    from mlci_emulator.jobs.job import JobSettings
    from mlci_emulator.jobs.requests import ProcessingRequest, S3Transfer
    from mlci_emulator.jobs.runner import LocalJobs
    from mlci_emulator.store.directory import DirectoryStore

#: Downloads at the same time.
_WORKERS = 8
#: The jobs of a build have no ARN of their own; the script finds this in its configuration.
_ARN = "arn:aws:sagemaker:local:000000000000:processing-job/{job}"


def run_job(jobs: LocalJobs, announced: JobAnnouncement, log: Path, stop: StopSignal) -> JobEnd:
    """Runs a job to its end on the store of `jobs`."""
    from mlci_emulator.jobs.job import JobContext

    with _failures() as ends:
        result = jobs.process(_processing(announced), JobContext(_ARN.format(job=announced.job), log, stop))
        ends.append(JobEnd(result.status, result.reason or ""))
    return ends[0]


@contextmanager
def _failures() -> Iterator[list[JobEnd]]:
    """Yields a list for the end of a job, which gets a failure if an error of the emulator or of a store is raised."""
    from mlci_emulator.jobs import requests

    ends: list[JobEnd] = []
    try:
        yield ends
    except (requests.MalformedRequest, requests.InvalidRequest, requests.UnsupportedRequest) as error:
        ends.append(JobEnd("Failed", f"ClientError: {error}"))
    except CloudError as error:
        ends.append(JobEnd("Failed", f"ClientError: Data transfer failed: {error}"))
    except EmulatorError as error:
        ends.append(JobEnd("Failed", f"InternalServerError: {error}"))


@contextmanager
def jobs_without_images(jobs: LocalJobs) -> Iterator[LocalJobs]:
    """Yields the job runner for jobs that have no image, which run with the project's Python whatever others do."""
    if jobs.settings.isolation != "container":
        yield jobs
        return
    from mlci_emulator.jobs.runner import LocalJobs

    with LocalJobs(jobs.store, replace(jobs.settings, isolation="auto")) as others:
        yield others


def _processing(announced: JobAnnouncement) -> ProcessingRequest:
    from mlci_emulator.jobs import requests

    return requests.processing({**announced.request, "ProcessingJobName": announced.job})


class JobObjects(Protocol):
    """The part of a store elsewhere that jobs of the build need. Errors are CloudError."""

    def list(self, prefix: str) -> Sequence[str]: ...

    def download(self, uri: str, target: Path) -> None: ...

    def upload(self, uploads: Iterable[Upload], stop: StopSignal) -> int: ...


@dataclass
class BuildJobs:
    """The jobs of a run on AWS that the build runs. `planned` gets the run's plan when it is checked.

    `objects` are those of the run's bucket, and `other_objects` those of buckets that may be anyone's.
    """

    settings: JobSettings
    objects: JobObjects
    other_objects: JobObjects
    pythons: JobPythons
    log: Callable[[str], None]
    cores: int
    planned: list[Plan]
    shares: dict[str, int] = field(default_factory=dict)
    reported: set[str] = field(default_factory=set)

    def use(self, planned: Plan) -> None:
        """Takes the run's plan."""
        self.planned.append(planned)
        self.shares.update(thread_shares_in_build(planned, self.cores))

    def software(self) -> Mapping[str, str]:
        """Returns the versions of what scripts run with in the build, by name."""
        return self.pythons.software()

    def run(self, announced: JobAnnouncement, stop: StopSignal) -> JobEnd:
        """Runs a job to its end, with its files from S3 and to S3."""
        from mlci_emulator.jobs.workspace import workspace
        from mlci_emulator.store.directory import DirectoryStore

        log = self.settings.logs(announced.job).absolute()
        with workspace(self.settings.work) as space, _failures() as ends:
            ends.append(self._run_on(DirectoryStore(space.folder / "store"), announced, log, stop))
        self._keep_log(announced, log, stop)
        return ends[0]

    def _run_on(self, store: DirectoryStore, announced: JobAnnouncement, log: Path, stop: StopSignal) -> JobEnd:
        from mlci_emulator.jobs.runner import LocalJobs

        request = _processing(announced)
        for source in request.inputs:
            self._fetch(source.uri, store, stop)
        if stop.is_set():
            return JobEnd("Stopped")
        with LocalJobs(store, self.settings, self._report_once) as jobs:
            end = run_job(jobs, announced, log, stop)
        if end.status == "Completed":
            self._send(request.outputs, store, stop)
        return end

    def _report_once(self, text: str) -> None:
        """Tells of the isolation, which is the same for all jobs."""
        if text not in self.reported:
            self.reported.add(text)
            self.log(text)

    def _fetch(self, uri: str, store: DirectoryStore, stop: StopSignal) -> None:
        """Brings the objects of an input here. What the run itself staged is taken from its files, as it was hashed."""
        staged = [upload for upload in self.planned[-1].uploads if uri in (upload.unit, upload.uri)]
        for upload in staged:
            file = upload.files[0]
            if file.content is not None:
                store.put_bytes(file.content, upload.uri)
            else:
                store.put_checked(file.source, upload.uri, file.sha256)
        if staged:
            return
        is_own = split_s3_uri(uri)[0] == self.planned[-1].target.bucket
        objects = self.objects if is_own else self.other_objects

        def download(number: int, found: str) -> None:
            if not stop.is_set() and not found.endswith("/"):  # such an object stands for a folder
                target = store.root.parent / f"download-{number}"
                objects.download(found, target)
                store.move_file(target, found)

        found = objects.list(uri)
        with ThreadPoolExecutor(_WORKERS, "download") as pool:
            list(pool.map(download, range(len(found)), found))

    def _send(self, outputs: Sequence[S3Transfer], store: DirectoryStore, stop: StopSignal) -> None:
        """Sends what the job has put into its outputs."""
        uploads = [
            _upload(store.path(found), found, output.uri) for output in outputs for found in store.list(output.uri)
        ]
        if uploads:
            self.objects.upload(uploads, stop)

    def _keep_log(self, announced: JobAnnouncement, log: Path, stop: StopSignal) -> None:
        """Keeps the log beside the run's outputs, where other machines find it. A job ends without that as well."""
        plan = self.planned[-1]
        names = Names(plan.flow.name, plan.target.is_protected)
        uri = f"s3://{plan.target.bucket}/{names.build_log(announced.step, plan.target.run_id)}"
        try:
            if log.is_file() and not stop.is_set():
                self.objects.upload([_upload(log, uri, uri)], stop)
        except (CloudError, OSError) as error:
            self.log(f"{announced.step}: its log could not be kept in S3: {error}")


def _upload(path: Path, uri: str, unit: str) -> Upload:
    with path.open("rb") as stream:
        digest = hashlib.sha256()
        while part := stream.read(1 << 20):
            digest.update(part)
    file = StagedFile(path.name, digest.hexdigest(), path.stat().st_size, path)
    return Upload(S3Uri(uri), S3Uri(unit), (file,))


@contextmanager
def open_build_jobs(
    options: BackendOptions,
    objects: JobObjects,
    other_objects: JobObjects,
    log_file: Callable[[str], Path],
    log: Callable[[str], None],
) -> Iterator[BuildJobs]:
    """Yields the jobs that the build of a flow runs, on a store elsewhere.

    Raises: InputError, if the flow names a Python that is not there.
    """
    repository = find_repository(Path(options.flow.file))
    python = python_of_flow(options.flow, options.environment, (repository.base, repository.root), options.python)
    planned: list[Plan] = []
    shares: dict[str, int] = {}
    jobs = JobSteps(Names(options.flow.name, options.is_protected), options.flow.steps)
    # What a job runs with is the project's Python, so it has no container.
    isolation = "auto" if options.isolation == "container" else options.isolation
    settings = job_settings(options.home / "work", log_file, python.executable, options.environment, isolation)
    with job_pythons(options, python, log) as pythons:
        settings = replace(
            settings,
            pythons=lambda job, *rest: (
                job_python(pythons, planned[-1].steps[jobs.step_of(job)[1]], *rest) if planned else None
            ),
            defaults=lambda job: thread_variables(shares.get(written_name(jobs.step_of(job)[1]))),
        )
        yield BuildJobs(settings, objects, other_objects, pythons, log, options.cores, planned, shares)
