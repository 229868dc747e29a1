"""A prepared run → its execution: deployed, started and watched until it ends."""

from __future__ import annotations

import contextlib
import functools
import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timezone

from mlci.backends.events import Event
from mlci.backends.progress import ExpectedEnd, Progress, StepState, initial_progress
from mlci.backends.protocol import Cloud, ExecutionArn, Outcome
from mlci.backends.stop_signal import StopSignal
from mlci.compile import sent_input
from mlci.early_imports import import_early
from mlci.errors import CloudError
from mlci.flow import dependencies
from mlci.flow.models import Flow
from mlci.gate import Verdict
from mlci.interrupts import run_interruptible
from mlci.outcome.empty_outputs import EmptyOutputs
from mlci.outcome.gate_answers import GateAnswers
from mlci.outcome.unsent_files import explain_unsent
from mlci.plan import Plan
from mlci.running.context import RunContext
from mlci.running.judgement import judge_so_far
from mlci.running.prepared_run import PreparedRun, run_start, with_images
from mlci.runs.watch import LateSeconds, RunWatch
from mlci.step_types import closing_titles


def execute(prepared: PreparedRun, context: RunContext, cloud: Cloud, started: datetime) -> tuple[Progress, Outcome]:
    """Deploys and executes, in a thread of its own: this one waits for signals and for the timeout.

    Raises: CloudError, if nothing has started.
    """
    planned, compiled, keys = prepared.planned, prepared.compiled, prepared.keys
    progress, lock = initial_progress(planned.steps, _closing(planned), planned.reused), threading.Lock()
    stop, has_started = StopSignal(), threading.Event()
    outputs = EmptyOutputs(planned, cloud.is_empty, context.reporter.log)
    usual_s = LateSeconds(lambda: _usual_seconds(planned, context, cloud))
    rest_s = functools.partial(_rest_s, planned.flow, usual_s)
    watch = RunWatch(context.watch, context.folder, context.reporter.log, lambda: progress.steps, rest_s)

    def on_event(event: Event) -> None:
        nonlocal progress
        watch.print_new_lines()
        with lock:
            before, progress = progress, progress.after(event)
            progress = explain_unsent(before, outputs.explain(before, progress), planned, context.repository)
            context.reporter.update(progress)
            if any(before.steps[name].open_question != progress.steps[name].open_question for name in progress.changed):
                context.folder.write_undecided(progress.undecided)

    def work() -> Outcome:
        version = cloud.publish(planned.flow.name, compiled.definition)
        if context.definitions is not None:
            context.definitions.write_new()
        context.reporter.log(f"{planned.flow.name}: run {context.target.run_id} on the {cloud.name} cloud")
        start = run_start(planned, context, cloud, started)
        context.folder.start(compiled.definition, compiled.execution_input, start, keys)
        context.lock.acquire(context.folder.start_file)
        has_started.set()
        cloud.upload(planned.uploads, stop)
        execution_input = with_images(compiled.execution_input, cloud.publish_images(planned.images, stop))
        context.folder.write_input(execution_input)
        sent = sent_input(execution_input)
        for uri, text in sent.objects.items():
            cloud.write(uri, text.encode())
        answers = GateAnswers(verdict_so_far, context.reporter.log) if planned.asks_mlci else None
        import_early(planned, context.cache.folder, context.reporter.log)
        return cloud.run(
            version, context.target.run_id, sent.text, on_event, stop, lambda: _ends(progress.steps, usual_s), answers
        )

    def verdict_so_far() -> Verdict:
        with lock:
            so_far = progress
        return judge_so_far(prepared, so_far, context, cloud).verdict

    def interrupt(reason: str) -> None:
        context.reporter.log(f"{reason}: stopping the run")
        stop.set(error="mlci.Stopped", cause=reason)

    context.reporter.update(progress)
    try:
        with context.interrupts() as interrupts, context.reporter.live(), watch.running(interrupts):
            outcome = run_interruptible(work, interrupts, interrupt, context.timeout_s)
    except (CloudError, OSError) as error:  # OSError: the disk is full, or a file went away while it was staged
        if not has_started.is_set():
            raise
        outcome = Outcome(ExecutionArn(""), "FAILED", type(error).__name__, str(error))
    return progress.finished(datetime.now(timezone.utc)), outcome


def _closing(planned: Plan) -> dict[str, frozenset[str]]:
    return {
        name: closing_titles(planned.flow.steps[name].uses, tuple(sorted(step.execution_input)))
        for name, step in planned.steps.items()
    }


def _usual_seconds(planned: Plan, context: RunContext, cloud: Cloud) -> Mapping[str, float]:
    """The seconds that each step usually takes: by the runs of this machine, else by the cloud's newest."""
    from mlci.report.estimate import usual_seconds
    from mlci.runs.earlier_runs import earlier_runs

    runs = earlier_runs(context.folder.siblings(), planned.flow.name, cloud.name)
    usual = {**usual_seconds(run.seconds() for run in runs), **dict.fromkeys(planned.reused, 0.0)}
    if usual.keys() >= planned.steps.keys():
        return usual
    with contextlib.suppress(CloudError):
        return {**cloud.step_seconds(planned.flow.name, planned.steps.keys()), **usual}
    return usual


def _rest_s(flow: Flow, usual_s: Callable[[], Mapping[str, float]], steps: Mapping[str, StepState]) -> float | None:
    from mlci.report.estimate import remaining_s

    return remaining_s(steps, dependencies(flow), usual_s(), datetime.now(timezone.utc))


def _ends(steps: Mapping[str, StepState], usual_s: Callable[[], Mapping[str, float]]) -> Sequence[ExpectedEnd] | None:
    from mlci.report.estimate import expected_ends

    return expected_ends(steps, usual_s, datetime.now(timezone.utc))
