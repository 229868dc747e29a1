"""Runs each execution in a thread of its own, and saves its events and result."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import field

import mlci_asl as asl
from mlci_dataclasses import dataclass
from mlci_emulator.protocol.operations import ApiError, Response
from mlci_emulator.protocol.timestamps import epoch_seconds
from mlci_emulator.services.stepfunctions import execution_responses, history
from mlci_emulator.services.stepfunctions.records import Document, StepFunctionsRecords
from mlci_emulator.services.timestamps import Clock


@dataclass
class RunningExecution:
    """An execution that has not ended."""

    doc: Document
    machine: asl.Machine
    context: asl.Context
    resume: asl.Resume | None = None
    stop: asl.StopSignal = field(default_factory=asl.StopSignal)
    ended: threading.Event = field(default_factory=threading.Event)


class ExecutionThreads:
    """The running executions."""

    def __init__(
        self,
        records: StepFunctionsRecords,
        handlers: asl.Handlers,
        now: Clock,
        on_status_change: Callable[[Response], None] = lambda detail: None,
    ) -> None:
        self._records, self._handlers, self._now = records, handlers, now
        self._on_status_change = on_status_change
        self._lock = threading.Lock()
        self._running: dict[str, RunningExecution] = {}
        self._is_closed = False

    def find(self, arn: str) -> RunningExecution | None:
        with self._lock:
            return self._running.get(arn)

    def start(self, running: RunningExecution) -> None:
        """Run an execution in a thread of its own.

        Raises: ApiError after `close`.
        """
        self._add(running)
        name = f"execution {running.doc['name']}"
        threading.Thread(target=self._run_to_end, args=(running,), name=name, daemon=True).start()

    def run(self, running: RunningExecution) -> Document:
        """Run an execution to its end in this thread.

        Raises: ApiError after `close`.
        """
        self._add(running)
        return self._run_to_end(running)

    def _add(self, running: RunningExecution) -> None:
        """Save the execution and make it stoppable, both at the same time."""
        with self._lock:
            if self._is_closed:
                raise ApiError("ServiceUnavailable", "the server is stopping", 503)
            self._save(running.doc)
            self._running[running.doc["arn"]] = running

    def _run_to_end(self, running: RunningExecution) -> Document:
        arn = running.doc["arn"]
        is_express = running.doc["type"] == "EXPRESS"
        self._report_status(running.doc)
        on_event = _discard if is_express else (lambda event: history.save(self._records, arn, event))
        try:
            outcome = asl.execute(
                running.machine,
                running.doc["input"],
                context=running.context,
                handlers=self._handlers,
                stop=running.stop,
                on_event=on_event,
                now=self._now,
                resume=running.resume,
            )
            self._save_result(running.doc, outcome)
        finally:
            with self._lock:
                if self._running.get(arn) is running:  # it may have been redriven since its record was saved
                    del self._running[arn]
            running.ended.set()
        return running.doc

    def _save_result(self, doc: Document, outcome: asl.Outcome) -> None:
        doc["status"], doc["stopped"] = outcome.status, epoch_seconds(self._now())
        result = {"output": outcome.output, "error": outcome.error, "cause": outcome.cause}
        doc.update({name: value for name, value in result.items() if value})
        self._save(doc)
        self._report_status(doc)

    def _report_status(self, doc: Document) -> None:
        if doc["type"] != "EXPRESS":  # Source: the page eventbridge-integration of the Step Functions guide
            self._on_status_change(execution_responses.status_change(doc))

    def _save(self, doc: Document) -> None:
        if doc["type"] != "EXPRESS":
            self._records.put("execution", doc["arn"], doc["machine"], doc)

    def close(self, cause: str) -> None:
        """Stop all executions, and wait until all have ended."""
        with self._lock:
            self._is_closed = True
            running = list(self._running.values())
        for one in running:
            one.stop.set("", cause)
        for one in running:
            one.ended.wait()


def _discard(event: asl.Event) -> None:
    """Discard an event of an express execution, whose history is not saved."""
