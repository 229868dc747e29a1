"""Writes a job's `FailureReason` in SageMaker's words, in at most 1,024 characters."""

from __future__ import annotations

import re
from pathlib import Path

from mlci_emulator.jobs.log_files import read_tail

#: Source: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_ProcessingJob.html (FailureReason, ExitMessage)
LIMIT = 1024
#: A failure reason quotes so many of the log's last lines, at the most, from so many of its last bytes.
LAST_LINES = 12
LAST_BYTES = 16 * 1024

_HARD_CODED = re.compile(r"(FileNotFoundError|PermissionError|No such file or directory|Permission denied).*/opt/ml\b")
HARD_CODED_HINT = (
    "The script has a path under /opt/ml hard-coded, and this job ran with --isolation paths, where /opt/ml is another "
    "folder: take paths from arguments and SM_* variables, or run where --isolation namespace or link works."
)
#: The exit code of docker and podman where they fail themselves.
#: Source: https://docs.docker.com/engine/containers/run/#exit-status
RUNTIME_FAILED = 125


def runtime_hint(runtime: str) -> str:
    """Return the hint where a container runtime failed, and not the script."""
    return f"{runtime} could not run the container. Where another runtime is there, set MLCI_CONTAINER_RUNTIME to it."


def last_lines(log: Path, start: int = 0) -> str:
    """Return the last lines of a job's log, which begins at byte `start` of the file.

    Of a line that was drawn over (a progress bar), only the last state remains.
    """
    try:
        text = read_tail(log, start, LAST_BYTES).decode("utf-8", "replace")
    except FileNotFoundError:
        return ""
    lines = [line.rpartition("\r")[2].rstrip() for line in text.rstrip().split("\n")]
    return "\n".join(lines[-LAST_LINES:])


def isolation_hint(mode: str, lines: str) -> str:
    """Return the cure where the isolation made the script fail, or ""."""
    return HARD_CODED_HINT if mode == "paths" and _HARD_CODED.search(lines) else ""


def processing(exit_code: int, lines: str, hint: str = "") -> str:
    """Return the failure reason of a processing job.

    SageMaker only says "AlgorithmError: See job logs for more information"; this one appends the log's last lines.
    """
    head = f"AlgorithmError: See job logs for more information, exit code: {exit_code}"
    return _truncated(f"{head}\n", lines, f"\n{hint}" if hint else "").rstrip()


def training(exit_code: int, failure: str | None, lines: str, command: str, hint: str = "") -> str:
    """Return the failure reason of a training job: the text of `/opt/ml/output/failure`, else the training toolkit's.

    Sources: "AlgorithmError: <failure>, exit code: <code>" is how SageMaker frames that file, see
    https://github.com/aws-samples/amazon-sagemaker-ml-pipeline-deploy-with-terraform/issues/12; for the rest
    sagemaker-training-toolkit, src/sagemaker_training/errors.py, _CalledProcessError.__str__.

    >>> training(3, "no data", "", "python3 train.py")
    'AlgorithmError: no data, exit code: 3'
    """
    tail = f", exit code: {exit_code}"
    if hint:
        tail = f"{tail}\n{hint}"
    if failure is not None:
        head = "AlgorithmError: "
        return head + failure[: LIMIT - len(head) - len(tail)] + tail
    head = f'AlgorithmError: ExecuteUserScriptError:\nExitCode {exit_code}\nErrorMessage "'
    killed = '\nExtraInfo "OutOfMemory: Process killed by SIGKILL (signal 9)"' if exit_code == 137 else ""
    return _truncated(head, lines, f'"{killed}\nCommand "{command[:200]}"{tail}')


def _truncated(head: str, lines: str, tail: str) -> str:
    """Return the three texts joined, with `lines` cut at its beginning where all exceed the limit."""
    room = LIMIT - len(head) - len(tail)
    return head + (lines[-room:] if room > 0 else "") + tail
