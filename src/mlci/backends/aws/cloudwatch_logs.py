"""CloudWatch Logs: the log of a job.

Source: https://docs.aws.amazon.com/sagemaker/latest/dg/logging-cloudwatch.html
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from mlci.backends.aws.api_calls import Api, AwsError
from mlci.backends.aws.sagemaker_jobs import JOBS, Job

#: The most events that GetLogEvents returns at a time; as many of a job's last lines are stored.
#: Source: https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_GetLogEvents.html
MAX_LINES = 10_000


@dataclass(frozen=True)
class Logs:
    api: Api

    def lines(self, job: Job) -> list[str]:
        """Return the last lines of a job's log, at most MAX_LINES of each instance; an empty list if it has no log."""
        group = JOBS[job.kind].log_group
        try:
            streams = sorted(self._streams(group, job))
            return [line for stream in streams for line in self._lines(group, stream)]
        except AwsError as error:
            if error.code == "ResourceNotFoundException":
                return []
            raise

    def _streams(self, group: str, job: Job) -> Iterator[str]:
        pages = self.api.pages(
            "describe_log_streams",
            ("nextToken", "nextToken"),
            logGroupName=group,
            logStreamNamePrefix=f"{job.name}/",
        )
        for page in pages:
            yield from (stream["logStreamName"] for stream in page.get("logStreams", ()))

    def _lines(self, group: str, stream: str) -> list[str]:
        """Return the latest lines of a stream. One call returns at most 1 MB or MAX_LINES; the console has the rest."""
        page = self.api.call(
            "get_log_events", logGroupName=group, logStreamName=stream, startFromHead=False, limit=MAX_LINES
        )
        return [str(event["message"]).rstrip("\n") for event in page["events"]]
