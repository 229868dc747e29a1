"""Executions that run: a thread for each, from its first event to its record's end."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

import mlci_asl as asl
from mlci_emulator.protocol.operations import ApiError
from mlci_emulator.services.stepfunctions import history
from mlci_emulator.services.stepfunctions.records import Doc, Records
from mlci_emulator.services.stepfunctions.timestamps import Clock, kept


@dataclass
class Running:
    """One execution that has not ended."""

    doc: Doc
    machine: asl.Machine
    context: asl.Context
    resume: asl.Resume | None = None
    stop: asl.StopSignal = field(default_factory=asl.StopSignal)
    ended: threading.Event = field(default_factory=threading.Event)


class Runner:
    """Runs executions, and knows those that run."""

    def __init__(self, records: Records, handlers: asl.Handlers, now: Clock) -> None:
        self._records, self._handlers, self._now = records, handlers, now
        self._lock = threading.Lock()
        self._running: dict[str, Running] = {}
        self._is_closed = False

    def find(self, arn: str) -> Running | None:
        with self._lock:
            return self._running.get(arn)

    def start(self, running: Running) -> None:
        """Runs an execution in a thread of its own.

        Raises: ApiError, where no more executions are started.
        """
        self._add(running)
        name = f"execution {running.doc['name']}"
        threading.Thread(target=self._to_end, args=(running,), name=name, daemon=True).start()

    def run(self, running: Running) -> Doc:
        """Runs an execution to its end in this thread.

        Raises: ApiError, where no more executions are started.
        """
        self._add(running)
        return self._to_end(running)

    def _add(self, running: Running) -> None:
        """From here on the execution is on record and can be stopped: both or neither, whoever looks."""
        with self._lock:
            if self._is_closed:
                raise ApiError("ServiceUnavailable", "the server is stopping", 503)
            self._keep(running.doc)
            self._running[running.doc["arn"]] = running

    def _to_end(self, running: Running) -> Doc:
        arn = running.doc["arn"]
        is_express = running.doc["type"] == "EXPRESS"
        keep = _forget if is_express else (lambda event: history.keep(self._records, arn, event))
        try:
            outcome = asl.execute(
                running.machine,
                running.doc["input"],
                context=running.context,
                handlers=self._handlers,
                stop=running.stop,
                on_event=keep,
                now=self._now,
                resume=running.resume,
            )
            self._end(running.doc, outcome)
        finally:
            with self._lock:
                if self._running.get(arn) is running:  # it may have been redriven since its record was kept
                    del self._running[arn]
            running.ended.set()
        return running.doc

    def _end(self, doc: Doc, outcome: asl.Outcome) -> None:
        doc["status"], doc["stopped"] = outcome.status, kept(self._now())
        told = {"output": outcome.output, "error": outcome.error, "cause": outcome.cause}
        doc.update({name: value for name, value in told.items() if value})
        self._keep(doc)

    def _keep(self, doc: Doc) -> None:
        if doc["type"] != "EXPRESS":
            self._records.put("execution", doc["arn"], doc["machine"], doc)

    def close(self, cause: str) -> None:
        """Stops all executions and waits until none of them runs."""
        with self._lock:
            self._is_closed = True
            running = list(self._running.values())
        for one in running:
            one.stop.set("", cause)
        for one in running:
            one.ended.wait()


def _forget(event: asl.Event) -> None:
    """What is kept of an express execution's events."""
