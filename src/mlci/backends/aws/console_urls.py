"""Links to the AWS console: executions, jobs and their logs, builds, objects, and connections to GitHub."""

from __future__ import annotations

from urllib.parse import quote

from mlci.backends.aws.sagemaker_jobs import JOBS, Job

_CONSOLES = {
    "aws": "console.aws.amazon.com",
    "aws-cn": "console.amazonaws.cn",
    "aws-us-gov": "console.amazonaws-us-gov.com",
}


def execution_link(arn: str) -> str:
    """Return the link to an execution.

    >>> execution_link("arn:aws:states:eu-west-1:123456789012:execution:mlci-x:r1")
    'https://eu-west-1.console.aws.amazon.com/states/home?region=eu-west-1#/v2/executions/details/arn:aws:states:eu-west-1:123456789012:execution:mlci-x:r1'
    """
    _, partition, _, region, *_ = arn.split(":")
    return f"{_home(partition, region, 'states')}#/v2/executions/details/{arn}"


def job_link(job: Job, partition: str, region: str) -> str:
    """Return the link to a job."""
    return f"{_home(partition, region, 'sagemaker')}#/{JOBS[job.kind].console_page}/{job.name}"


def log_link(job: Job, partition: str, region: str) -> str:
    """Return the link to a job's log streams. The console's fragment is encoded twice, with `$` for `%`."""
    group = quote(quote(JOBS[job.kind].log_group, safe=""), safe="").replace("%", "$")
    prefix = quote(f"?logStreamNameFilter={job.name}{JOBS[job.kind].log_streams}", safe="").replace("%", "$")
    return f"{_home(partition, region, 'cloudwatch')}#logsV2:log-groups/log-group/{group}{prefix}"


def object_link(bucket: str, key: str, partition: str, region: str) -> str:
    """Return the link to an object in S3, whose page opens it.

    >>> object_link("b", "mlci/iris/reports/b:1/report.html", "aws", "eu-west-1")
    'https://eu-west-1.console.aws.amazon.com/s3/object/b?region=eu-west-1&prefix=mlci/iris/reports/b:1/report.html'
    """
    return f"{_console(partition, region)}/s3/object/{bucket}?region={region}&prefix={quote(key, safe='/:')}"


def build_link(arn: str) -> str:
    """Return the link to a build of CodeBuild.

    >>> build_link("arn:aws:codebuild:eu-west-1:123456789012:build/iris:8f2c")
    'https://eu-west-1.console.aws.amazon.com/codesuite/codebuild/123456789012/projects/iris/build/iris%3A8f2c/?region=eu-west-1'
    """
    _, partition, _, region, account, resource = arn.split(":", 5)
    build = resource.removeprefix("build/")
    path = f"{account}/projects/{build.partition(':')[0]}/build/{quote(build, safe='')}"
    return f"{_console(partition, region)}/codesuite/codebuild/{path}/?region={region}"


def connections_link(partition: str, region: str) -> str:
    """Return the link to the list of connections.

    >>> connections_link("aws", "eu-west-1")
    'https://eu-west-1.console.aws.amazon.com/codesuite/settings/connections?region=eu-west-1'
    """
    return f"{_console(partition, region)}/codesuite/settings/connections?region={region}"


def _home(partition: str, region: str, service: str) -> str:
    return f"{_console(partition, region)}/{service}/home?region={region}"


def _console(partition: str, region: str) -> str:
    return f"https://{region}.{_CONSOLES.get(partition, _CONSOLES['aws'])}"
