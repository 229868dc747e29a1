"""Where the AWS console shows an execution, a job and its log, and the connections to GitHub."""

from __future__ import annotations

from urllib.parse import quote

from mlci.backends.aws.sagemaker_jobs import JOBS, Job

_CONSOLES = {
    "aws": "console.aws.amazon.com",
    "aws-cn": "console.amazonaws.cn",
    "aws-us-gov": "console.amazonaws-us-gov.com",
}


def execution_link(arn: str) -> str:
    """The page of an execution.

    >>> execution_link("arn:aws:states:eu-west-1:123456789012:execution:mlci-x:r1")
    'https://eu-west-1.console.aws.amazon.com/states/home?region=eu-west-1#/v2/executions/details/arn:aws:states:eu-west-1:123456789012:execution:mlci-x:r1'
    """
    _, partition, _, region, *_ = arn.split(":")
    return f"{_home(partition, region, 'states')}#/v2/executions/details/{arn}"


def job_link(job: Job, partition: str, region: str) -> str:
    """The page of a job."""
    return f"{_home(partition, region, 'sagemaker')}#/{JOBS[job.kind].console_page}/{job.name}"


def log_link(job: Job, partition: str, region: str) -> str:
    """The log streams of a job. The console wants what stands in its fragment encoded twice, `%` as `$`."""
    group = quote(quote(JOBS[job.kind].log_group, safe=""), safe="").replace("%", "$")
    prefix = quote(f"?logStreamNameFilter={job.name}/", safe="").replace("%", "$")
    return f"{_home(partition, region, 'cloudwatch')}#logsV2:log-groups/log-group/{group}{prefix}"


def connections_link(partition: str, region: str) -> str:
    """The list of connections to hosts of repositories.

    >>> connections_link("aws", "eu-west-1")
    'https://eu-west-1.console.aws.amazon.com/codesuite/settings/connections?region=eu-west-1'
    """
    host = _CONSOLES.get(partition, _CONSOLES["aws"])
    return f"https://{region}.{host}/codesuite/settings/connections?region={region}"


def _home(partition: str, region: str, service: str) -> str:
    return f"https://{region}.{_CONSOLES.get(partition, _CONSOLES['aws'])}/{service}/home?region={region}"
