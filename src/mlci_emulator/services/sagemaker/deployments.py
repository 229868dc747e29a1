"""Serves endpoints: a lasting process for each variant, whose invocations are captured as the configuration asks."""

from __future__ import annotations

import contextlib
import http.client
import random
import threading
from collections.abc import Callable, Mapping
from dataclasses import field
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from typing import Any

from mlci_asl import StopSignal
from mlci_dataclasses import dataclass
from mlci_emulator.jobs.job import JobContext, JobResult
from mlci_emulator.jobs.runner import LocalJobs
from mlci_emulator.jobs.transform_request import TransformRequest
from mlci_emulator.services.sagemaker.data_capture import CapturedInvocation, DataCapture

#: Source: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_runtime_InvokeEndpoint.html: 60 seconds.
TIMEOUT_S = 60
#: The time for the response to a request, beyond the script's own.
_GRACE_S = 5
#: The time that a stopped process has to end.
_STOP_S = 5.0


@dataclass(frozen=True)
class Answer:
    """A model's response, or its error: a status other than 200 and the text of the error."""

    status: int
    body: bytes
    content_type: str
    variant: str = ""


class VariantServer:
    """The process that serves one variant. `ready` is set when it responds, or has ended."""

    def __init__(
        self, runner: LocalJobs, request: TransformRequest, arn: str, log: Path, ping_timeout_s: float
    ) -> None:
        self.ready, self._ended = threading.Event(), threading.Event()
        self._stop, self._port = StopSignal(), 0
        self.result: JobResult | None = None
        context = JobContext(arn, log, self._stop)
        self._run = partial(runner.serve, request, context, ping_timeout_s, self._come_into_service)
        threading.Thread(target=self._serve, name=f"{arn} {request.name}", daemon=True).start()

    def _serve(self) -> None:
        try:
            self.result = self._run()
        except Exception as error:  # noqa: BLE001 - the endpoint must show any error
            self.result = JobResult("Failed", f"InternalServerError: {type(error).__name__}: {error}")
        finally:
            self._ended.set()
            self.ready.set()

    def _come_into_service(self, port: int) -> None:
        self._port = port
        self.ready.set()

    @property
    def failure(self) -> str | None:
        """The reason why it serves no more, or never did; None while it serves."""
        return self._reason()

    def _reason(self) -> str | None:
        if not self._ended.is_set():
            return None
        return (self.result.reason if self.result else None) or "it was stopped"

    def stop(self) -> None:
        self._stop.set()

    def wait(self) -> None:
        """Wait until a stopped process is gone."""
        self._ended.wait(_STOP_S)

    def invoke(self, body: bytes, content_type: str | None, accept: str | None) -> Answer:
        """Return the response of the container."""
        if self.failure is not None:
            return Answer(500, self.failure.encode(), "text/plain")
        headers = {name: value for name, value in (("Content-Type", content_type), ("Accept", accept)) if value}
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=TIMEOUT_S + _GRACE_S)
        with contextlib.closing(connection):
            try:
                connection.request("POST", "/invocations", body, headers)
                response = connection.getresponse()
                return Answer(response.status, response.read(), response.headers.get("Content-Type", ""))
            except (OSError, http.client.HTTPException) as error:
                self._ended.wait(0.5)  # the result of a process that just ended says more
                text = self._reason() or f"{type(error).__name__}: {error}"
                return Answer(500, text.encode(), "text/plain")


@dataclass(frozen=True)
class Variant:
    """A variant of an endpoint, with what serves it."""

    name: str
    weight: float
    server: VariantServer
    capture: DataCapture | None


@dataclass(frozen=True)
class Deployment:
    """The variants that serve an endpoint."""

    variants: tuple[Variant, ...]
    now: Callable[[], datetime] = field(default=lambda: datetime.now(timezone.utc))

    def variant(self, requested: str | None) -> Variant | None:
        """Return the requested variant, or a random one by weight; None if there is none of that name."""
        if requested is not None:
            return next((each for each in self.variants if each.name == requested), None)
        weights = [each.weight for each in self.variants]
        return random.choices(self.variants, weights if any(weights) else None)[0]

    def failure(self) -> tuple[str, str] | None:
        """Wait until all variants respond; return the name and the reason of one that does not."""
        for each in self.variants:
            each.server.ready.wait()
            if each.server.failure is not None:
                return each.name, each.server.failure
        return None

    def invoke(
        self, variant: Variant, body: bytes, headers: Mapping[str, str | None], inference_id: str | None = None
    ) -> Answer:
        """Return a variant's response, which is captured."""
        time = self.now()
        answer = variant.server.invoke(body, headers.get("Content-Type"), headers.get("Accept"))
        if answer.status == 200 and variant.capture is not None:
            content_type = headers.get("Content-Type") or ""
            variant.capture.add(
                CapturedInvocation(time, body, content_type, answer.body, answer.content_type, inference_id)
            )
        return Answer(answer.status, answer.body, answer.content_type, variant.name)

    def close(self) -> None:
        """Stop all processes, and wait for their ends."""
        for each in self.variants:
            each.server.stop()
        for each in self.variants:
            each.server.wait()


def ping_timeout_s(variant: Mapping[str, Any]) -> float:
    """Return the time in which a container has to respond to /ping.

    Sources: API_ProductionVariant.html, ContainerStartupHealthCheckTimeoutInSeconds (at most 3,600);
    https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-inference-code.html
    """
    return float(variant.get("ContainerStartupHealthCheckTimeoutInSeconds") or _PING_TIMEOUT_S)


_PING_TIMEOUT_S = 480
