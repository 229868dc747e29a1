"""Glue's operations on jobs and their runs.

Sources: https://docs.aws.amazon.com/glue/latest/dg/aws-glue-api-jobs-job.html, aws-glue-api-jobs-runs.html
"""

from __future__ import annotations

import json
import secrets
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import field
from datetime import datetime
from pathlib import Path
from typing import Any

from mlci_asl import StopSignal
from mlci_dataclasses import dataclass
from mlci_emulator.jobs.job import JobSettings
from mlci_emulator.jobs.log_files import LogFile
from mlci_emulator.jobs.process import StopSignal as Stop
from mlci_emulator.protocol.operations import ApiError, Request, Response
from mlci_emulator.services.database import Database
from mlci_emulator.services.glue.job_runs import RunResult, ScriptRun, ScriptRunner
from mlci_emulator.services.timestamps import Clock, now_in_ms
from mlci_emulator.store.directory import DirectoryStore

PYTHON_SHELL = "pythonshell"
#: Minutes. Source: aws-glue-api-jobs-job.html (Timeout: "the default is 2,880 minutes (48 hours)")
_DEFAULT_TIMEOUT = 2_880
#: Arguments that ask Glue to fetch files, which is not implemented here.
_UNSUPPORTED = ("--extra-py-files", "--extra-files", "--extra-jars")
_ENDED = ("SUCCEEDED", "FAILED", "STOPPED", "TIMEOUT")
_SCHEMA = "CREATE TABLE IF NOT EXISTS jobs (region TEXT, name TEXT, body TEXT, PRIMARY KEY (region, name));"


@dataclass
class JobRun:
    """A run of a job, from its start on."""

    job: str
    region: str
    arguments: dict[str, str]
    timeout: int
    started: datetime
    stop: StopSignal
    id: str = field(default_factory=lambda: f"jr_{secrets.token_hex(32)}")
    state: str = "RUNNING"
    message: str = ""
    ended: datetime | None = None
    thread: threading.Thread | None = None

    def described(self) -> Response:
        """Return the run as GetJobRun does."""
        described: Response = {
            "Id": self.id,
            "Attempt": 0,
            "JobName": self.job,
            "StartedOn": self.started,
            "LastModifiedOn": self.ended or self.started,
            "JobRunState": self.state,
            "Arguments": self.arguments,
            "PredecessorRuns": [],
            "ExecutionTime": int((self.ended - self.started).total_seconds()) if self.ended else 0,
            "Timeout": self.timeout,
            "LogGroupName": "/aws-glue/python-jobs",
        }
        if self.ended:
            described["CompletedOn"] = self.ended
        if self.message:
            described["ErrorMessage"] = self.message
        return described


class GlueService:
    """Jobs and their runs. The definitions of jobs are kept in the file `home`; with None, in memory, as runs are."""

    def __init__(
        self,
        store: DirectoryStore,
        settings: JobSettings,
        exports: Callable[[], Mapping[str, str]],
        home: Path | None = None,
        now: Clock = now_in_ms,
    ) -> None:
        self._runner = ScriptRunner(store, settings, exports)
        self._database = Database(home, _SCHEMA)
        self._now = now
        self._lock = threading.Lock()
        self._runs: dict[str, JobRun] = {}
        self._closing = StopSignal()
        self._operations: dict[str, Callable[[Request, str], Response]] = {
            "CreateJob": self._create,
            "UpdateJob": self._update,
            "DeleteJob": self._delete,
            "GetJob": lambda request, region: {"Job": self._job(request["JobName"], region)},
            "GetJobs": lambda request, region: {"Jobs": list(self._jobs(region).values())},
            "ListJobs": lambda request, region: {"JobNames": list(self._jobs(region))},
            "StartJobRun": self._start,
            "GetJobRun": lambda request, region: {"JobRun": self._run(request["RunId"]).described()},
            "GetJobRuns": self._runs_of,
            "BatchStopJobRun": self._stop,
        }

    @property
    def operations(self) -> frozenset[str]:
        """The names of the operations that are implemented; all others are rejected."""
        return frozenset(self._operations)

    def call(self, operation: str, request: Request, region: str) -> Response:
        """Return the response of an operation.

        Raises: ApiError
        """
        handler = self._operations.get(operation)
        if handler is None:
            raise ApiError("UnknownOperationException", f"the local cloud's Glue has no {operation}")
        return handler({name: value for name, value in request.items() if value is not None}, region)

    def run_to_end(self, request: Request, region: str, stop: Stop, submitted: Callable[[Response], None]) -> Response:
        """Start a run, call `submitted` with the response, wait for the run's end, and return its description.

        Raises: ApiError if the run can't be started, and any error that `submitted` raises.
        """
        run, script = self._prepare(request, region)
        submitted({"JobRunId": run.id})
        unsubscribe = stop.subscribe(run.stop.set)
        try:
            self._to_end(run, script)
        finally:
            unsubscribe()
        return run.described()

    def log_files(self) -> Iterator[LogFile]:
        """Yield the logs of the newest runs of all jobs, as Glue's Python shell writes them."""
        with self._lock:
            newest = {(run.region, run.job): run for run in self._runs.values()}
        for run in newest.values():
            yield LogFile("/aws-glue/python-jobs/output", run.id, self._runner.log(run.job), run.region)

    def close(self) -> None:
        """Stop all runs, and wait for their end."""
        self._closing.set()
        with self._lock:
            threads = [run.thread for run in self._runs.values() if run.thread]
        for thread in threads:
            thread.join()
        self._runner.close()
        self._database.close()

    # --- Jobs ---

    def _create(self, request: Request, region: str) -> Response:
        name = request["Name"]
        with self._lock:
            if name in self._jobs(region):
                raise ApiError("AlreadyExistsException", f"Job with name: {name} already exists.")
            if not request["Command"].get("ScriptLocation"):
                raise ApiError("InvalidInputException", "Command must have a ScriptLocation")
            self._save(region, name, {**request, "CreatedOn": self._now().timestamp()})
        return {"Name": name}

    def _update(self, request: Request, region: str) -> Response:
        name = request["JobName"]
        with self._lock:
            job = self._job(name, region)
            self._save(region, name, {"Name": name, "CreatedOn": job["CreatedOn"].timestamp(), **request["JobUpdate"]})
        return {"JobName": name}

    def _delete(self, request: Request, region: str) -> Response:
        """Delete a job. "If the job definition is not found, no exception is thrown." (DeleteJob)"""
        self._database.execute("DELETE FROM jobs WHERE region = ? AND name = ?", [region, request["JobName"]])
        return {"JobName": request["JobName"]}

    def _save(self, region: str, name: str, body: Mapping[str, Any]) -> None:
        kept = {key: value for key, value in body.items() if key != "Tags"}
        self._database.execute("INSERT OR REPLACE INTO jobs VALUES (?, ?, ?)", [region, name, json.dumps(kept)])

    def _jobs(self, region: str) -> dict[str, Response]:
        rows = self._database.query("SELECT name, body FROM jobs WHERE region = ? ORDER BY name", [region])
        return {name: _with_time(json.loads(body)) for name, body in rows}

    def _job(self, name: str, region: str) -> Response:
        job = self._jobs(region).get(name)
        if job is None:
            raise ApiError("EntityNotFoundException", f"Job {name} not found.")
        return job

    # --- Runs ---

    def _prepare(self, request: Request, region: str) -> tuple[JobRun, ScriptRun]:
        name = request["JobName"]
        job = self._job(name, region)
        command = job["Command"]
        if command["Name"] != PYTHON_SHELL:
            what = f'the local cloud runs Glue\'s Python shell jobs alone, and "{name}" is a {command["Name"]} job'
            raise ApiError("InvalidInputException", what)
        arguments = {
            **job.get("DefaultArguments", {}),
            **request.get("Arguments", {}),
            **job.get("NonOverridableArguments", {}),
        }
        unsupported = [argument for argument in _UNSUPPORTED if argument in arguments]
        if unsupported:
            raise ApiError("InvalidInputException", f"the local cloud does not do {unsupported[0]} of a Glue job")
        timeout = int(request.get("Timeout") or job.get("Timeout") or _DEFAULT_TIMEOUT)
        run = JobRun(name, region, arguments, timeout, self._now(), self._closing.child())
        most = job.get("ExecutionProperty", {}).get("MaxConcurrentRuns", 1)
        with self._lock:
            if sum(1 for each in self._runs.values() if each.job == name and each.state not in _ENDED) >= most:
                raise ApiError("ConcurrentRunsExceededException", f"Concurrent runs exceeded for {name}")
            self._runs[run.id] = run
        return run, ScriptRun(name, command["ScriptLocation"], arguments, timeout * 60, region)

    def _start(self, request: Request, region: str) -> Response:
        run, script = self._prepare(request, region)
        run.thread = threading.Thread(target=self._to_end, args=(run, script), name=f"glue {run.job}", daemon=True)
        run.thread.start()
        return {"JobRunId": run.id}

    def _to_end(self, run: JobRun, script: ScriptRun) -> None:
        result = RunResult("FAILED", "an error inside of the local cloud")
        try:
            result = self._runner.run(script, run.stop)
        finally:
            run.state, run.message, run.ended = result.state, result.message, self._now()

    def _run(self, run_id: str) -> JobRun:
        run = self._runs.get(run_id)
        if run is None:
            raise ApiError("EntityNotFoundException", f"Job run {run_id} not found.")
        return run

    def _runs_of(self, request: Request, region: str) -> Response:
        runs = [run for run in self._runs.values() if (run.job, run.region) == (request["JobName"], region)]
        return {"JobRuns": [run.described() for run in reversed(runs)]}

    def _stop(self, request: Request, region: str) -> Response:
        for run_id in request["JobRunIds"]:
            self._run(run_id).stop.set()
        named = [{"JobName": request["JobName"], "JobRunId": run_id} for run_id in request["JobRunIds"]]
        return {"SuccessfulSubmissions": named, "Errors": []}


def _with_time(body: dict[str, Any]) -> Response:
    from mlci_emulator.services.timestamps import from_epoch

    return {**body, "CreatedOn": from_epoch(body["CreatedOn"])}
