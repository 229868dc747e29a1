"""Runs a SageMaker job: fills its folder, runs its script as a subprocess, uploads its outputs, returns its result."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import mlci_asl as asl
from mlci_dataclasses import dataclass
from mlci_emulator.errors import ConfigurationError, OperationError
from mlci_emulator.jobs import failure_reason, log_files, processing, training
from mlci_emulator.jobs.container_runtime import (
    ContainedCommand,
    ContainerNetwork,
    ContainerUnavailable,
    LocalImage,
    container,
)
from mlci_emulator.jobs.containers import VARIABLES_IN_IMAGES, ContainerCommand, host_environment
from mlci_emulator.jobs.continuous_upload import continuous_upload, synchronized_checkpoints
from mlci_emulator.jobs.hosts import HOSTS_FILE, SINGLE_HOST, Host, hosts_file, hosts_of
from mlci_emulator.jobs.instances import Ended, Instance, run_together
from mlci_emulator.jobs.isolation import CONTAINER, Isolator, command_in_folder, container_link, environment_in_folder
from mlci_emulator.jobs.job import JobContext, JobResult, JobSettings
from mlci_emulator.jobs.merged_log import merged_log
from mlci_emulator.jobs.process import (
    EntryPointError,
    IsolationError,
    LaunchRequest,
    Mode,
    ProcessResult,
    StopSignal,
    Supervisors,
    shared_network,
)
from mlci_emulator.jobs.python_overlay import IMAGE_PYTHON, Interpreter, JobPython, PythonUnavailable, overlay
from mlci_emulator.jobs.requests import ProcessingRequest, TrainingRequest
from mlci_emulator.jobs.transfer import Interrupted, TransferFailed, common_files
from mlci_emulator.jobs.workspace import Workspace, remove_abandoned, workspace
from mlci_emulator.store.directory import DirectoryStore

if TYPE_CHECKING:
    from typing_extensions import Self

    from mlci_emulator.jobs.transform_request import TransformRequest


@dataclass(frozen=True)
class _ScriptResult:
    """A script's result, its log's last lines, and a cure where the isolation made it fail."""

    process: ProcessResult
    log_tail: str
    hint: str

    @property
    def has_exited(self) -> bool:
        return self.process.outcome == "exited"

    @property
    def exit_code(self) -> int:
        return self.process.exit_code


class LocalJobs:
    """The job runner, on a store. Any number of jobs may run at once, each in the thread that calls."""

    def __init__(
        self, store: DirectoryStore, settings: JobSettings, report: Callable[[str], None] = lambda text: None
    ) -> None:
        self.store, self.settings = store, settings
        self._host = {**host_environment(settings.environment), **settings.extra}
        self._supervisors = Supervisors(self._host)
        has_runtime = lambda: settings.runtime() is not None  # noqa: E731
        self._isolator = Isolator(settings.isolation, settings.work, self._supervisors, report, has_runtime)
        self._sweep_lock, self._has_swept = threading.Lock(), False
        # The first processes start while the caller does all that comes before its first job.
        self._warm_up = threading.Thread(target=self._start_early, name="isolation of jobs", daemon=True)
        self._warm_up.start()

    def _start_early(self) -> None:
        self._supervisors.warm_up()
        with contextlib.suppress(ConfigurationError):  # raised for the caller that asks for the mode
            self.mode()

    def mode(self) -> Mode:
        """Return the isolation of all jobs; the first call determines it.

        Raises:
            ConfigurationError: the requested isolation does not work here.
        """
        return self._isolator.mode()

    def check_isolation(self) -> None:
        """Check that the requested isolation works here. `auto` does everywhere, so nothing waits for it.

        Raises: ConfigurationError.
        """
        if self.settings.isolation != "auto":
            self.mode()

    def close(self) -> None:
        self._warm_up.join()
        self._supervisors.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def log(self, name: str) -> Path:
        """Return the default log file of a job of this name."""
        return self.settings.logs(name)

    def problem(self, instance_count: int) -> str:
        """Return why a job with that number of instances can't run here, or ""."""
        if instance_count == 1:
            return ""
        if self.mode() in ("namespace", "container"):
            return "" if HOSTS_FILE.is_file() else f"the names of instances need a file {HOSTS_FILE}, and there is none"
        return (
            f"{instance_count} instances each need an /opt/ml, and names by which they reach each other: that is what "
            f"private namespaces are for, and here the isolation is {self.mode()}. Use one instance for local runs "
            "(`instance_count: 1`), or a machine where `--isolation namespace` works."
        )

    def process(self, request: ProcessingRequest, job: JobContext) -> JobResult:
        """Run a processing job to its end."""

        def run_one(instance: Instance, stop: StopSignal) -> _ScriptResult:
            host, space = instance.host, instance.space
            processing.prepare_folder(request, host, job.arn, space, self.store, stop.is_set)
            image = self._local_image(request.image)
            python = IMAGE_PYTHON if image else self._python(request.name, space, job)
            inherited = self._host_of(request.name, python)
            command = processing.container_command(request, inherited, python, space.temporary)
            command = self._with_variables(request.name, command)
            continuous = [output for output in request.outputs if output.is_continuous]
            with continuous_upload(continuous, space, self.store):
                return self._run_script(job, request.max_runtime_s, instance, stop, command, image=image)

        def run(instances: Sequence[Instance]) -> JobResult:
            ended = self._run_instances(instances, run_one, job)
            message = processing.exit_message(ended.instance.space)
            script = ended.result
            if not script.has_exited:
                return _stopped(script.process, request.max_runtime_s, message)
            if script.exit_code != 0:
                reason = processing.job_failure_reason(script.exit_code, message, script.log_tail, script.hint)
                return JobResult("Failed", reason, exit_message=message)
            job.on_phase("Uploading")
            _note_common_files(instances, [output.path for output in request.outputs])
            for instance in reversed(instances):  # of objects of one name, the first host's stays
                processing.upload_outputs(request, instance.space, self.store)
            return JobResult("Completed", exit_message=message)

        return self._in_workspaces(request, job, run)

    def train(self, request: TrainingRequest, job: JobContext) -> JobResult:
        """Run a training job to its end."""
        commands: dict[str, str] = {}

        def run_one(instance: Instance, stop: StopSignal) -> _ScriptResult:
            host, space = instance.host, instance.space
            training.prepare_folder(request, host, space, self.store, stop.is_set)
            image = self._local_image(request.image)
            base = str(space.ml) if image is None and self.mode() == "paths" else CONTAINER
            python = IMAGE_PYTHON if image else self._python(request.name, space, job)
            inherited = self._host_of(request.name, python)
            command = training.container_command(request, host, job.arn, base, inherited, python, space)
            command = self._with_variables(request.name, command)
            commands[host.name] = " ".join(command.command)
            notes = "" if image else training.log_notes(space)
            with synchronized_checkpoints(request.checkpoints, space, self.store, stop.is_set):
                return self._run_script(job, request.max_runtime_s, instance, stop, command, notes, image=image)

        def run(instances: Sequence[Instance]) -> JobResult:
            ended = self._run_instances(instances, run_one, job)
            script, instance = ended.result, ended.instance
            spaces = [instance.space for instance in instances]
            if not script.has_exited:
                stopped = _stopped(script.process, request.max_runtime_s)
                if stopped.is_timed_out or job.saves_model_on_stop():
                    self._upload_partial_model(request, job, spaces)
                return stopped
            if script.exit_code != 0:
                arguments, failure = commands[instance.host.name], training.failure_message(instance.space)
                if not request.program and failure is None:  # those words are the training toolkit's
                    reason = failure_reason.processing(script.exit_code, script.log_tail, script.hint)
                else:
                    reason = failure_reason.training(script.exit_code, failure, script.log_tail, arguments, script.hint)
                self._upload_partial_model(request, job, spaces)
                return JobResult("Failed", reason)
            job.on_phase("Uploading")
            _note_common_files(instances, ["/opt/ml/model", "/opt/ml/output/data"])
            training.upload_archives(request, spaces, self.store)
            return JobResult("Completed")

        return self._in_workspaces(request, job, run)

    def transform(self, request: TransformRequest, job: JobContext) -> JobResult:
        """Run a transform job to its end."""
        from mlci_emulator.jobs import (
            transform,  # imported late: a flow's run has no transform job, and must start fast
        )

        def run(space: Workspace) -> JobResult:
            job.on_phase("Downloading")
            inference_request = transform.prepare_folder(request, space, self.store, job.stop.is_set)
            python, temporary = self._python(request.name, space, job), space.temporary
            command = transform.container_command(request, inference_request, self._host, python, temporary)
            is_offline, notes = self._network(request.model.is_offline)
            instance = Instance(SINGLE_HOST, space, job.log, is_offline=is_offline, notes=notes)
            script = self._run_script(job, request.max_runtime_s, instance, job.stop, command)
            if not script.has_exited:
                return _stopped(script.process, request.max_runtime_s)
            job.on_phase("Uploading")
            transform.upload_outputs(request, space, self.store)
            if script.exit_code != 0:
                reason = transform.job_failure_reason(script.exit_code, space, script.log_tail, script.hint)
                return JobResult("Failed", reason)
            return JobResult("Completed")

        return self._in_workspace(run)

    def serve(
        self, request: TransformRequest, job: JobContext, ping_timeout_s: float, in_service: Callable[[int], None]
    ) -> JobResult:
        """Serve a model until the job is stopped. `in_service` gets the port once the model responds to /ping.

        A model that does not respond in time fails. Where jobs take turns in `/opt/ml`, this one takes no turn.
        """
        from mlci_emulator.jobs import serving_container, transform  # imported late, as above

        def run(space: Workspace) -> JobResult:
            file = serving_container.prepare_folder(request, space, self.store, job.stop.is_set)
            python = self._python(request.name, space, job)
            command = serving_container.container_command(request, file, self._host, python, space.temporary)
            stop, has_ended = asl.StopSignal(), threading.Event()
            unsubscribe = job.stop.subscribe(stop.set)

            def wait_for_ping() -> None:
                port = serving_container.wait_for_ping(space, has_ended.wait, ping_timeout_s)
                if port is not None:
                    in_service(port)
                else:
                    stop.set()

            watcher = threading.Thread(target=wait_for_ping, name=f"ping of {job.arn}", daemon=True)
            watcher.start()
            instance = Instance(SINGLE_HOST, space, job.log)
            try:
                script = self._run_script(job, None, instance, stop, command, takes_turns=False)
            finally:
                unsubscribe()
                has_ended.set()
                watcher.join()
            if script.has_exited:
                kind, text = transform.first_failure(space) or ("AlgorithmError", script.log_tail)
                return JobResult("Failed", f"{kind}: {text}")
            if job.stop.is_set():
                return JobResult("Stopped")
            return JobResult("Failed", f"AlgorithmError: no response to /ping within {ping_timeout_s:g} seconds")

        return self._in_workspace(run)

    def _python(self, name: str, space: Workspace, job: JobContext) -> JobPython:
        """Return the interpreter of the job of that name, with an environment of the job's own above it.

        Raises: PythonUnavailable
        """
        chosen = self.settings.pythons(name, job.log.absolute(), job.stop)
        if job.stop.is_set():
            raise Interrupted
        return overlay(chosen or Interpreter(self.settings.python), space.python, self._host)

    def runs_in_image(self, image: str) -> bool:
        """Return True if a job on this image runs in it."""
        return self.settings.isolation == "container" or self.settings.is_contained(image)

    def _local_image(self, image: str) -> LocalImage | None:
        """Return the image of a job that runs in it; None for a job that runs as a process of this machine.

        Raises: ContainerUnavailable, if the image is not on this machine.
        """
        if not self.runs_in_image(image):
            return None
        runtime = self.settings.runtime()
        if runtime is None:
            raise ContainerUnavailable("there is no container runtime")
        if not runtime.has_image(image):
            raise ContainerUnavailable(f"the image {image} is not on this machine: {runtime.pull_command(image)}")
        return LocalImage(runtime, image)

    def _host_of(self, name: str, python: JobPython) -> dict[str, str]:
        """Return the variables of this machine that a job gets unless its request sets them."""
        host = self._host
        if python.is_in_image:
            names = VARIABLES_IN_IMAGES | self.settings.extra.keys()
            host = {name: value for name, value in host.items() if name in names}
        return {**self.settings.defaults(name), **host}

    def _with_variables(self, name: str, command: ContainerCommand) -> ContainerCommand:
        """Return the command with the variables that stand in no request."""
        return replace(command, private=self.settings.variables(name))

    def _upload_partial_model(self, request: TrainingRequest, job: JobContext, spaces: Sequence[Workspace]) -> None:
        """Upload the output of a job that did not complete, as SageMaker does.

        Source: https://github.com/aws/sagemaker-python-sdk/pull/746; API_StopTrainingJob.html
        """
        job.on_phase("Uploading")
        with contextlib.suppress(TransferFailed):  # the job has another failure reason already
            training.upload_archives(request, spaces, self.store)

    def _sweep(self) -> None:
        """Remove the folders of killed jobs before the first job runs, and not where nothing runs."""
        with self._sweep_lock:
            if not self._has_swept:
                runtime = self.settings.runtime()
                remove_abandoned(self.settings.work, runtime.remove if runtime else lambda name: None)
                self._has_swept = True

    def _in_workspace(self, run: Callable[[Workspace], JobResult]) -> JobResult:
        self._sweep()
        try:
            with workspace(self.settings.work) as space:
                return run(space)
        except Interrupted:
            return JobResult("Stopped")
        except TransferFailed as error:
            return JobResult("Failed", str(error)[: failure_reason.LIMIT])
        except ContainerUnavailable as error:
            return JobResult("Failed", f"ClientError: {error}"[: failure_reason.LIMIT])
        except PythonUnavailable as error:
            return JobResult("Failed", f"ClientError: {error}"[: failure_reason.LIMIT])
        except EntryPointError as error:
            reason = f"ClientError: the entry point can't be started: {error}"
            return JobResult("Failed", reason[: failure_reason.LIMIT])

    def _in_workspaces(
        self,
        request: ProcessingRequest | TrainingRequest,
        job: JobContext,
        run: Callable[[Sequence[Instance]], JobResult],
    ) -> JobResult:
        """Run a job whose instances each have a folder of their own."""
        hosts = hosts_of(request.instance_count)
        is_offline, notes = self._network(request.is_offline)

        def run_in(first: Workspace) -> JobResult:
            if len(hosts) == 1:
                self._write_hosts(request.name, [first], hosts[0])
                return run([Instance(hosts[0], first, job.log, is_offline=is_offline, notes=notes)])
            with contextlib.ExitStack() as stack:
                spaces = [first, *(stack.enter_context(workspace(self.settings.work)) for _ in hosts[1:])]
                network_of = stack.enter_context(shared_network()) if is_offline else 0
                instances = [
                    Instance(
                        host,
                        space,
                        (job.instance_log(host.name) or space.log).absolute(),
                        network_of=network_of,
                        notes=notes,
                    )
                    for host, space in zip(hosts, spaces, strict=True)
                ]
                self._write_hosts(request.name, spaces, hosts[0])
                with merged_log(job.log.absolute(), {instance.host.name: instance.log for instance in instances}):
                    return run(instances)

        return self._in_workspace(run_in)

    def _write_hosts(self, job: str, spaces: Sequence[Workspace], host: Host) -> None:
        """Write the file by which an instance finds the others, and itself, where it can have one."""
        if self.mode() == "namespace" and HOSTS_FILE.is_file():
            file = hosts_file(HOSTS_FILE.read_text(errors="replace"), host.names, job)
            for space in spaces:
                space.hosts.write_text(file)

    def _network(self, is_offline: bool) -> tuple[bool, str]:
        """Return whether the network can be taken from a job that is to have none, and a note for its log if not."""
        problem = self._isolator.network_problem() if is_offline else ""
        notes = f"mlci: EnableNetworkIsolation is not enforced here, since {problem}.\n" if problem else ""
        return is_offline and not problem, notes

    def _run_instances(
        self,
        instances: Sequence[Instance],
        run: Callable[[Instance, StopSignal], _ScriptResult],
        job: JobContext,
    ) -> Ended[_ScriptResult]:
        job.on_phase("Downloading")
        ended = run_together(instances, run, lambda script: script.has_exited and script.exit_code == 0, job.stop)
        if len(instances) > 1 and ended.result.has_exited and ended.result.exit_code != 0:
            log_files.append(ended.instance.log, "mlci: this instance failed, so the others are stopped.\n")
        return ended

    def _run_script(
        self,
        job: JobContext,
        max_runtime_s: int | None,
        instance: Instance,
        stop: StopSignal,
        command: ContainerCommand,
        log_notes: str = "",
        takes_turns: bool = True,
        image: LocalImage | None = None,
    ) -> _ScriptResult:
        mode = "container" if image else self.mode()
        if mode == "link" and not takes_turns:
            mode = "paths"
        log, space = instance.log.absolute(), instance.space
        start = log_files.append(log, instance.notes + log_notes)
        with self._container_path(mode, space, stop) as is_available:
            if not is_available or stop.is_set():
                raise Interrupted
            if instance.host.number == 0:
                job.on_phase("Training")
            try:
                with _launch_request(mode, instance, log, command, image) as launch:
                    process = self._supervisors.run(launch, timeout_s=max_runtime_s, stop=stop)
            except IsolationError as error:
                raise OperationError(f"{job.arn} could not be set up: {error}") from error
        log_tail = failure_reason.last_lines(log, start)
        hint = failure_reason.isolation_hint(mode, log_tail)
        if image and image.runtime.name != "buildah" and process.exit_code == failure_reason.RUNTIME_FAILED:
            hint = failure_reason.runtime_hint(image.runtime.name)
        return _ScriptResult(process, log_tail, hint)

    @contextlib.contextmanager
    def _container_path(self, mode: Mode, space: Workspace, stop: StopSignal) -> Iterator[bool]:
        """Yield True once `/opt/ml` is the job's; False if the job was stopped while it waited for its turn."""
        if mode != "link":
            yield True
            return
        with container_link(space, stop.wait) as is_linked:
            yield is_linked


def _note_common_files(instances: Sequence[Instance], paths: Sequence[str]) -> None:
    """Say in the first instance's log which files others have written as well: its own are kept."""
    first = instances[0]
    for path in paths if len(instances) > 1 else ():
        names = common_files([instance.space.ml for instance in instances], Workspace.names(path))
        if names:
            text = f"mlci: several instances wrote {path.rstrip('/')}/{names[0]}"
            text += f" and {len(names) - 1} more" if len(names) > 1 else ""
            log_files.append(first.log, f"{text}. Here {first.host.name}'s is kept; SageMaker does not say whose.\n")


@contextlib.contextmanager
def _launch_request(
    mode: Mode, instance: Instance, log: Path, script: ContainerCommand, image: LocalImage | None
) -> Iterator[LaunchRequest]:
    """Yield the request to start a job's process."""
    space, hosts = instance.space, instance.space.hosts if instance.space.hosts.is_file() else None
    command, environment, folder = script.command, dict(script.environment), script.working_folder
    launch = LaunchRequest(
        mode,
        space.ml,
        space.stage,
        log,
        temporary=space.temporary,
        hosts=hosts,
        is_offline=instance.is_offline,
        network_of=instance.network_of,
    )
    if image is not None:
        variables = {**environment, **script.private}
        contained = ContainedCommand(command, script.arguments, variables, folder, script.required)
        network = ContainerNetwork(hosts, instance.is_offline, instance.network_of)
        with container(image, space.folder.name, space.ml, contained, network) as contained_launch:
            yield replace(
                launch,
                mode="container" if contained_launch.root is None else "namespace",
                command=contained_launch.command,
                environment=contained_launch.environment,
                working_folder=contained_launch.working_folder,
                temporary=None,
                root=contained_launch.root,
                removal=contained_launch.removal,
                removal_environment=image.runtime.environment,
            )
        return
    if mode == "paths":
        base = str(space.ml)
        command, environment = command_in_folder(base, command), environment_in_folder(base, environment)
        folder = command_in_folder(base, [folder])[0]
    environment |= script.private  # as they are: a secret is no path
    yield replace(launch, command=command, environment=environment, working_folder=folder)


def _stopped(process: ProcessResult, max_runtime_s: int, message: str | None = None) -> JobResult:
    # SageMaker gives a stopped job no FailureReason; the text is that of its SecondaryStatusTransitions.
    if process.outcome == "timed_out":
        reason = f"Job runtime exceeded MaxRuntimeInSeconds provided ({max_runtime_s})"
        return JobResult("Stopped", reason, is_timed_out=True, exit_message=message)
    return JobResult("Stopped", exit_message=message)
