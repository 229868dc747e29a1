"""CloudWatch Logs: the log of a job, read on from where the last call ended.

Source: https://docs.aws.amazon.com/sagemaker/latest/dg/logging-cloudwatch.html
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import field

from mlci.backends.aws.api_calls import Api, AwsError
from mlci.backends.aws.sagemaker_jobs import JOBS, Job, trial_number
from mlci_dataclasses import dataclass

#: The most events that GetLogEvents returns at a time.
#: Source: https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_GetLogEvents.html
PAGE_LINES = 10_000
#: The most that is read of a stream at a time, so that one that grows quickly does not hold up the run.
_MAX_PAGES = 50


@dataclass
class LogPosition:
    """The place in each stream of a job's log up to which it was read."""

    tokens: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Logs:
    api: Api

    def lines(self, job: Job, position: LogPosition) -> list[str]:
        """Return the lines of a job's log after a position, and advance it; an empty list if there is no log yet.

        Lines of a job with several instances begin with the name of their host.
        """
        group = JOBS[job.kind].log_group
        try:
            streams = sorted(self._streams(group, job))
            return [
                _numbered(job, stream) + _host_prefix(stream, job) + line
                for stream in streams
                for line in self._lines(group, stream, position)
            ]
        except AwsError as error:
            if error.code == "ResourceNotFoundException":
                return []
            raise

    def _streams(self, group: str, job: Job) -> Iterator[str]:
        pages = self.api.pages(
            "describe_log_streams",
            ("nextToken", "nextToken"),
            logGroupName=group,
            logStreamNamePrefix=job.name + JOBS[job.kind].log_streams,
        )
        for page in pages:
            yield from (stream["logStreamName"] for stream in page.get("logStreams", ()))

    def _lines(self, group: str, stream: str, position: LogPosition) -> Iterator[str]:
        """Yield the new lines of a stream. At its end, GetLogEvents returns the token that it was given."""
        for _ in range(_MAX_PAGES):
            token = position.tokens.get(stream)
            page = self.api.call(
                "get_log_events",
                logGroupName=group,
                logStreamName=stream,
                startFromHead=True,
                limit=PAGE_LINES,
                **({"nextToken": token} if token else {}),
            )
            yield from (str(event["message"]).rstrip("\n") for event in page["events"])
            following = page.get("nextForwardToken")
            if not following or following == token:
                return
            position.tokens[stream] = following


def _host_prefix(stream: str, job: Job) -> str:
    """Return what precedes the lines of a stream: `<job>/<host>-<time>`.

    >>> _host_prefix("job/algo-2-1700000000", Job("training", "job", 2)), _host_prefix("job/algo-1-1", Job("a", "job"))
    ('[algo-2] ', '')
    """
    return f"[{stream.rpartition('/')[2].rpartition('-')[0]}] " if job.instance_count > 1 else ""


def _numbered(job: Job, stream: str) -> str:
    """Return the beginning of the lines of one trial of a tuning job; "" for a job without trials.

    >>> _numbered(Job("tuning", "t-0-0"), "t-0-0-012-0123abcd/algo-1-1700000000")
    '[012] '
    """
    return f"[{trial_number(job, stream):>03}] " if JOBS[job.kind].has_trials else ""
