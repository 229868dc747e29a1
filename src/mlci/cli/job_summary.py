"""The summary of a job of GitHub Actions: the report of the run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path


def write_job_summary(environment: Mapping[str, str], run_folder: Path) -> None:
    """Append report.md to the job's summary, in a job of GitHub Actions. A summary that can't be written is left out:
    the report is in the run's folder.

    Source: https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands#adding-a-job-summary
    """
    file = environment.get("GITHUB_STEP_SUMMARY")
    if environment.get("GITHUB_ACTIONS") != "true" or not file:
        return
    from mlci.pull_request.actions import summary_text

    try:
        report = (run_folder / "report.md").read_bytes()
        with Path(file).open("ab") as summary:
            summary.write(summary_text(report, summary.tell()))
    except OSError:
        return
