"""Why a job failed, in SageMaker's words: `FailureReason`, at most 1,024 characters."""

from __future__ import annotations

import re
from pathlib import Path

#: Source: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_ProcessingJob.html (FailureReason, ExitMessage)
LIMIT = 1024
#: As many of a log's last lines as help, and of its bytes as are read for them.
LAST_LINES = 12
LAST_BYTES = 16 * 1024

_HARD_CODED = re.compile(r"(FileNotFoundError|PermissionError|No such file or directory|Permission denied).*/opt/ml\b")
HARD_CODED_HINT = (
    "The script has a path under /opt/ml hard-coded, and this job ran with --isolation paths, where /opt/ml is another "
    "folder: take paths from arguments and SM_* variables, or run where --isolation namespace or link works."
)


def last_lines(log: Path, start: int = 0) -> str:
    """The last lines of a log that begins at `start`, in bytes, without ends of lines that were drawn over."""
    try:
        with open(log, "rb") as file:
            end = file.seek(0, 2)
            file.seek(max(start, end - LAST_BYTES))
            text = file.read().decode("utf-8", "replace")
    except FileNotFoundError:
        return ""
    lines = [line.rpartition("\r")[2].rstrip() for line in text.rstrip().split("\n")]  # a progress bar's last state
    return "\n".join(lines[-LAST_LINES:])


def hint(mode: str, lines: str) -> str:
    """What to do where the isolation is what made the script fail, or ""."""
    return HARD_CODED_HINT if mode == "paths" and _HARD_CODED.search(lines) else ""


def processing(exit_code: int, lines: str, advice: str = "") -> str:
    """The reason of a processing job.

    SageMaker says "AlgorithmError: See job logs for more information" and no more; the log is at hand here, so its end
    comes with it.
    """
    head = f"AlgorithmError: See job logs for more information, exit code: {exit_code}"
    return _fitted(f"{head}\n", lines, f"\n{advice}" if advice else "").rstrip()


def training(exit_code: int, failure: str | None, lines: str, command: str, advice: str = "") -> str:
    """The reason of a training job: what it wrote to `/opt/ml/output/failure`, else what the training toolkit does.

    Sources: "AlgorithmError: <failure>, exit code: <code>" is how SageMaker frames that file, see
    https://github.com/aws-samples/amazon-sagemaker-ml-pipeline-deploy-with-terraform/issues/12; for the rest
    sagemaker-training-toolkit, src/sagemaker_training/errors.py, _CalledProcessError.__str__.

    >>> training(3, "no data", "", "python3 train.py")
    'AlgorithmError: no data, exit code: 3'
    """
    tail = f", exit code: {exit_code}"
    if advice:
        tail = f"{tail}\n{advice}"
    if failure is not None:
        head = "AlgorithmError: "
        return head + failure[: LIMIT - len(head) - len(tail)] + tail
    head = f'AlgorithmError: ExecuteUserScriptError:\nExitCode {exit_code}\nErrorMessage "'
    killed = '\nExtraInfo "OutOfMemory: Process killed by SIGKILL (signal 9)"' if exit_code == 137 else ""
    return _fitted(head, lines, f'"{killed}\nCommand "{command[:200]}"{tail}')


def _fitted(head: str, lines: str, tail: str) -> str:
    """All three, with the end of `lines` only where there is no room for more."""
    room = LIMIT - len(head) - len(tail)
    return head + (lines[-room:] if room > 0 else "") + tail
