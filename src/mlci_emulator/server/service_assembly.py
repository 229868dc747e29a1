"""Creates all services over one data folder, and closes them."""

from __future__ import annotations

import json
import re
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from mlci_dataclasses import dataclass
from mlci_emulator.identity import ACCOUNT
from mlci_emulator.integrations import Integrations, MessageRecords
from mlci_emulator.jobs.container_runtime import ContainerRuntime
from mlci_emulator.jobs.isolation import Isolation
from mlci_emulator.jobs.job import JobSettings
from mlci_emulator.jobs.log_files import LogFile
from mlci_emulator.jobs.runner import LocalJobs
from mlci_emulator.protocol.aws_json import JsonService
from mlci_emulator.protocol.http_responses import HttpResponse
from mlci_emulator.protocol.operations import Response
from mlci_emulator.protocol.rest_json import RestOperation
from mlci_emulator.server.application import Application, RoutingTable
from mlci_emulator.server.cloudwatch_logs import LogFeed
from mlci_emulator.server.data_folder import DataFolder
from mlci_emulator.server.log_search import OPERATION, LogSearch
from mlci_emulator.server.moto_services.bridge import BridgedServices, ResourceFailures
from mlci_emulator.server.moto_services.clients import MotoMessageService, services
from mlci_emulator.server.moto_services.inline_objects import inline_objects
from mlci_emulator.server.moto_services.journal import Journal
from mlci_emulator.server.moto_services.lambda_functions import MotoFunctions
from mlci_emulator.server.moto_services.moto_server import MotoServer
from mlci_emulator.server.s3_endpoint import S3Endpoint
from mlci_emulator.services.glue import GlueService
from mlci_emulator.services.lambda_functions import FunctionInvoker, LambdaService
from mlci_emulator.services.s3 import S3
from mlci_emulator.services.sagemaker import SageMaker
from mlci_emulator.services.stepfunctions import StepFunctions
from mlci_emulator.store.directory import DirectoryStore

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

#: moto takes two seconds of one core to import, which must not delay the first responses.
_WARM_UP_DELAY_S = 3.0

_FUNCTION = re.compile(r"/2015-03-31/functions/([^/]+)/invocations")
_ENDPOINT = re.compile(r"/endpoints/([^/]+)/invocations")
#: The operations of SageMaker that moto handles: those on mere records. All that runs or trains is the emulator's own,
#: or it is rejected, since moto would report it as Completed without having run anything.
_MOTO_SAGEMAKER = re.compile(
    r"(?:Create|Describe|Delete|List|Update)(?:Domain|FeatureGroup|Experiment|Trial|TrialComponent|ModelCard)s?"
    r"|(?:Dis)?[Aa]ssociateTrialComponent"
)
#: The operations of Glue that moto handles: all but those on jobs and their runs.
_MOTO_GLUE = re.compile(
    r"(?!(?:Create|Update|Delete|Get)Job$|GetJobs$|ListJobs$|StartJobRun$|GetJobRuns?$|BatchStopJobRun$).*"
)
#: The operations of CloudWatch Logs that moto handles.
_MOTO_LOGS = re.compile(rf"(?!{OPERATION}$).*")


@dataclass(frozen=True)
class ServerContext:
    """The services' environment. `exports` are the variables that point an SDK at this server."""

    environment: dict[str, str]
    exports: dict[str, str]
    python: str
    isolation: Isolation
    report: Callable[[str], None]
    is_verbose: bool = False
    is_debug: bool = False
    runtime: ContainerRuntime | None = None
    warm_pool_quota: int | None = None


class EmulatorServices:
    """The services of one server."""

    def __init__(self, folder: DataFolder, context: ServerContext) -> None:
        """Raises: ConfigurationError, for an isolation that does not work here."""
        self._context = context
        journal = Journal(folder.journal)
        self._has_journal = not journal.is_empty()
        self._moto = MotoServer(journal, ACCOUNT, context.report, self._register)
        self._lambdas = FunctionInvoker(folder.work, folder.log, context.environment, context.exports)
        self._functions = LambdaService(MotoFunctions(self._moto, folder.functions), self._lambdas)
        store = DirectoryStore(folder.store)
        self._s3 = S3(store, folder.path / "s3")
        self._jobs = LocalJobs(store, _settings(folder, context), context.report)
        if context.isolation != "auto":
            self._jobs.mode()
        self._sagemaker = SageMaker(
            store,
            self._jobs,
            folder.path / "sagemaker",
            report=context.report,
            warm_pool_quota=context.warm_pool_quota,
        )
        others = services(self._moto, context.exports.get("AWS_ENDPOINT_URL", "http://127.0.0.1"))
        self._logs = LogFeed(self._moto, self._log_files)
        others["cloudwatchlogs"] = logs = LogSearch(self._moto, self._logs, others["cloudwatchlogs"])
        self._glue = GlueService(
            store, _settings(folder, context), lambda: context.exports, folder.path / "glue.sqlite"
        )
        messages = MotoMessageService(others, MessageRecords(folder.path))
        #: The handlers of state machines' tasks.
        self.handlers = Integrations(self._s3, self._sagemaker, self._functions, messages, others, self._glue)
        self._states = StepFunctions(
            folder.path / "states",
            self.handlers,
            on_status_change=self._put_status_change,
            has_log_group=self._has_log_group,
        )
        self.handlers.services["sfn"] = self._states
        self.application = Application(
            RoutingTable(
                json={
                    "AWSStepFunctions": JsonService("stepfunctions", self._states, self._report_error),
                    "SageMaker": JsonService("sagemaker", self._sagemaker, self._report_error, True, _MOTO_SAGEMAKER),
                    "AWSGlue": JsonService("glue", self._glue, self._report_error, excluded=_MOTO_GLUE),
                    "Logs_20140328": JsonService("logs", logs, self._report_error, excluded=_MOTO_LOGS),
                },
                own=("sagemaker", "states"),
                s3=S3Endpoint(self._s3),
                rest=(
                    RestOperation("lambda", "Invoke", _FUNCTION, self._functions),
                    RestOperation("sagemaker-runtime", "InvokeEndpoint", _ENDPOINT, self._sagemaker),
                ),
                fallback=self._call_moto,
            ),
            self._report_error,
            context.report if context.is_verbose else None,
        )

    def _has_log_group(self, arn: str) -> bool:
        """Return whether a log group exists: `arn:aws:logs:<region>:<account>:log-group:<name>:*`."""
        parts = arn.split(":")
        if len(parts) < 7 or not self._moto.is_in_use():
            return False
        with self._moto.backend("logs", parts[3]) as logs:
            return parts[6] in logs.groups

    def _put_status_change(self, detail: Response) -> None:
        """Send a status-change event of an execution to the rules of its region's default event bus."""
        if not self._moto.is_in_use():
            return
        event = {
            "Source": "aws.states",
            "DetailType": "Step Functions Execution Status Change",
            "Resources": [detail["executionArn"]],
            "Detail": json.dumps(detail),
        }
        try:
            with self._moto.backend("events", detail["executionArn"].split(":")[3]) as events:
                events.put_events([event])
        except Exception as error:  # noqa: BLE001 - a target that fails does not fail the execution
            self._report_error(error)

    def _call_moto(self, service: str, region: str, environ: WSGIEnvironment, body: bytes) -> HttpResponse:
        if service == "logs":
            self._logs.feed(region)
        return self._moto.respond(environ, inline_objects(service, body, self._s3))

    def _register(self, is_replay: Callable[[], bool], failures: ResourceFailures) -> None:
        from mlci_emulator.server.moto_services.register import register

        register(BridgedServices(self._s3, self._states, self._sagemaker, is_replay, failures))

    def issued_keys(self) -> frozenset[str]:
        """The access keys that STS and IAM issued to clients; they are valid as well."""
        return self._moto.issued_keys

    def _log_files(self, region: str) -> Iterator[LogFile]:
        yield from (file for file in self._sagemaker.log_files() if file.region == region)
        yield from (file for file in self._glue.log_files() if file.region == region)
        yield from self._lambdas.log_files()

    def warm_up(self) -> None:
        """Import moto in the background: at once if the journal has requests to repeat."""

        def load() -> None:
            time.sleep(0 if self._has_journal else _WARM_UP_DELAY_S)
            self._moto.load()

        threading.Thread(target=load, name="moto", daemon=True).start()

    def close(self) -> None:
        """Stop executions, jobs and functions."""
        self._states.close("mlci serve was stopped")
        self._sagemaker.close()
        self._functions.close()
        self._glue.close()
        self._jobs.close()
        self._s3.close()

    def _report_error(self, error: BaseException) -> None:
        self._context.report(f"an error inside: {type(error).__name__}: {error}")
        if self._context.is_debug:
            self._context.report("".join(traceback.format_exception(type(error), error, error.__traceback__)))


def _settings(folder: DataFolder, context: ServerContext) -> JobSettings:
    return JobSettings(
        folder.work,
        folder.log,
        context.python,
        context.environment,
        context.isolation,
        context.exports,
        runtime=lambda: context.runtime,
    )
