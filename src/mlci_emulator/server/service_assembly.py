"""All services, put together over one data folder, and taken apart again."""

from __future__ import annotations

import re
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlci_emulator.identity import ACCOUNT
from mlci_emulator.integrations import Integrations, Records
from mlci_emulator.jobs.isolation import Isolation
from mlci_emulator.jobs.job import JobSettings
from mlci_emulator.jobs.log_files import LogFile
from mlci_emulator.jobs.runner import LocalJobs
from mlci_emulator.protocol.aws_json import JsonService
from mlci_emulator.protocol.http_responses import HttpResponse
from mlci_emulator.protocol.rest_json import RestOperation
from mlci_emulator.server.application import Application, Services
from mlci_emulator.server.cloudwatch_logs import JobLogs
from mlci_emulator.server.data_folder import Folder
from mlci_emulator.server.moto_services.backend import Moto
from mlci_emulator.server.moto_services.clients import MotoMessages, services
from mlci_emulator.server.moto_services.inline_objects import inlined
from mlci_emulator.server.moto_services.journal import Journal
from mlci_emulator.server.moto_services.lambda_functions import MotoFunctions
from mlci_emulator.server.s3 import S3Face
from mlci_emulator.services.lambda_functions import FunctionInvoker, LambdaService
from mlci_emulator.services.s3 import S3
from mlci_emulator.services.sagemaker import SageMaker
from mlci_emulator.services.stepfunctions import StepFunctions
from mlci_emulator.store.directory import DirectoryStore

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

#: moto takes two seconds of one core to import: not while the first requests are answered.
_WARM_UP_AFTER_S = 3.0

_FUNCTION = re.compile(r"/2015-03-31/functions/([^/]+)/invocations")
_ENDPOINT = re.compile(r"/endpoints/([^/]+)/invocations")
#: What moto does of SageMaker: things that are records and nothing more. What runs or trains is ours, or refused,
#: since moto would say that it is Completed and have done nothing.
_SAGEMAKER_S_RECORDS = re.compile(
    r"(?:Create|Describe|Delete|List|Update)(?:Domain|FeatureGroup|Experiment|Trial|TrialComponent|ModelCard)s?"
    r"|(?:Dis)?[Aa]ssociateTrialComponent"
)


@dataclass(frozen=True)
class Surroundings:
    """What the parts take from outside. `exports` are the variables that make an SDK ask this server."""

    environment: dict[str, str]
    exports: dict[str, str]
    python: str
    isolation: Isolation
    tell: Callable[[str], None]
    is_verbose: bool = False
    is_debug: bool = False


class Parts:
    """The services of one server."""

    def __init__(self, folder: Folder, around: Surroundings) -> None:
        """Raises: InputError, for an isolation that does not work here."""
        self._around = around
        journal = Journal(folder.journal)
        self._has_kept = not journal.is_empty()
        self._moto = Moto(journal, ACCOUNT, around.tell, self._join)
        self._lambdas = FunctionInvoker(folder.work, folder.log, around.environment, around.exports)
        self._functions = LambdaService(MotoFunctions(self._moto, folder.functions), self._lambdas)
        store = DirectoryStore(folder.store)
        self._s3 = S3(store, folder.path / "s3")
        self._jobs = LocalJobs(store, _settings(folder, around), around.tell)
        if around.isolation != "auto":
            self._jobs.mode()
        self._sagemaker = SageMaker(store, self._jobs, folder.path / "sagemaker")
        others = services(self._moto, around.exports.get("AWS_ENDPOINT_URL", "http://127.0.0.1"))
        messages = MotoMessages(others, Records(folder.path))
        #: What state machines' tasks are done by.
        self.handlers = Integrations(self._s3, self._sagemaker, self._functions, messages, others)
        self._states = StepFunctions(folder.path / "states", self.handlers)
        self.handlers.services["sfn"] = self._states
        self._logs = JobLogs(self._moto, self._log_files)
        self.application = Application(
            Services(
                json={
                    "AWSStepFunctions": JsonService("stepfunctions", self._states, self._failed),
                    "SageMaker": JsonService("sagemaker", self._sagemaker, self._failed, True, _SAGEMAKER_S_RECORDS),
                },
                refused=("sagemaker", "states"),
                s3=S3Face(self._s3),
                calls=(
                    RestOperation("lambda", "Invoke", _FUNCTION, self._functions),
                    RestOperation("sagemaker-runtime", "InvokeEndpoint", _ENDPOINT, self._sagemaker),
                ),
                rest=self._ask_moto,
            ),
            self._failed,
            around.tell if around.is_verbose else None,
        )

    def _ask_moto(self, service: str, region: str, environ: WSGIEnvironment, body: bytes) -> HttpResponse:
        if service == "logs":
            self._logs.feed(region)
        return self._moto.answer(environ, inlined(service, body, self._s3))

    def _join(self, is_replay: Callable[[], bool]) -> None:
        from mlci_emulator.server.moto_services.registration import Ours, join

        join(Ours(self._s3, self._states, is_replay))

    def issued_keys(self) -> frozenset[str]:
        """Access keys that STS and IAM gave to clients; they may ask, too."""
        return self._moto.issued_keys

    def _log_files(self, region: str) -> Iterator[LogFile]:
        yield from (file for file in self._sagemaker.log_files() if file.region == region)
        yield from self._lambdas.log_files()

    def warm_up(self) -> None:
        """Imports moto in the background: at once where it has something to repeat."""

        def load() -> None:
            time.sleep(0 if self._has_kept else _WARM_UP_AFTER_S)
            self._moto.load()

        threading.Thread(target=load, name="moto", daemon=True).start()

    def close(self) -> None:
        """Stops executions, jobs and functions."""
        self._states.close("mlci serve was stopped")
        self._sagemaker.close()
        self._functions.close()
        self._jobs.close()
        self._s3.close()

    def _failed(self, error: BaseException) -> None:
        self._around.tell(f"an error inside: {type(error).__name__}: {error}")
        if self._around.is_debug:
            self._around.tell("".join(traceback.format_exception(type(error), error, error.__traceback__)))


def _settings(folder: Folder, around: Surroundings) -> JobSettings:
    return JobSettings(folder.work, folder.log, around.python, around.environment, around.isolation, around.exports)
