"""boto3 clients of one region: the usual credential chain, and the same timeouts and attempts for all."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import field, replace
from typing import Any  # boto3 has no types

from mlci import __version__
from mlci.backends.aws.api_calls import Api, RetryPolicy
from mlci.errors import InputError
from mlci.flow import nearest
from mlci_dataclasses import dataclass

#: Longer than a call takes on a slow line, and short enough for a build to notice a dead one.
CONNECT_TIMEOUT_S, READ_TIMEOUT_S = 10, 60
#: As many as upload at a time, and some to spare.
CONNECTIONS = 20
ATTEMPTS = 4
_PROFILES = "AWS_PROFILE names it; `aws configure list-profiles` lists the existing ones."
_REGION = re.compile(r"[a-z]{2,}(-[a-z]+)+-\d+")


@dataclass(frozen=True)
class Session:
    """A boto3 session in a region. `attempts` is how often botocore itself tries a call."""

    boto: Any
    region: str
    retry_policy: RetryPolicy = field(default_factory=RetryPolicy)
    attempts: int = ATTEMPTS

    def api(self, service: str, retry_policy: RetryPolicy | None = None) -> Api:
        """Return the client of a service. `AWS_ENDPOINT_URL` and the other usual settings apply."""
        from botocore.config import Config

        config = Config(
            connect_timeout=CONNECT_TIMEOUT_S,
            read_timeout=READ_TIMEOUT_S,
            max_pool_connections=CONNECTIONS,
            retries={"mode": "standard", "total_max_attempts": self.attempts},
            user_agent_extra=f"mlci/{__version__}",
        )
        client = self.boto.client(service, region_name=self.region, config=config)
        return Api(client, retry_policy or self.retry_policy)

    def with_max_wait(self, seconds: float) -> Session:
        """Return the session with shorter retries, for calls that a user waits for."""
        return replace(self, attempts=2, retry_policy=replace(self.retry_policy, max_wait_s=seconds))


def open_session(region: str) -> Session:
    """Return a session in a region.

    Raises: InputError, if the region or the profile does not exist.
    """
    import boto3
    from botocore.exceptions import ProfileNotFound

    try:
        boto = boto3.Session(region_name=region)
    except ProfileNotFound as error:
        raise InputError(str(error), _PROFILES) from error
    if not _REGION.fullmatch(region):
        raise InputError(f'"{region}" is no AWS region', region_hint(region, boto))
    return Session(boto, region)


def default_region(environment: Mapping[str, str], needs_profile: bool = True) -> tuple[str, str] | None:
    """Return the region that the AWS SDKs would use, and its source; None if there is none.

    boto3 itself reads AWS_DEFAULT_REGION alone; all other SDKs read AWS_REGION. A profile that does not exist has no
    region, and is an error where the profile is needed for more.

    Raises: InputError.
    """
    for name in ("AWS_DEFAULT_REGION", "AWS_REGION"):
        if environment.get(name):
            return environment[name], name
    import boto3
    from botocore.exceptions import ProfileNotFound

    try:
        region = boto3.Session().region_name
    except ProfileNotFound as error:
        if not needs_profile:
            return None
        raise InputError(str(error), _PROFILES) from error
    return (str(region), "the AWS profile") if region else None


def region_hint(region: str, boto: Any) -> str:
    """Return a hint for a region that can't be reached."""
    partitions = boto.get_available_partitions()
    known = [name for partition in partitions for name in boto.get_available_regions("stepfunctions", partition)]
    meant = nearest(region, known)
    return f'Did you mean "{meant}"?' if meant and meant != region else "Check the region and the network connection."
