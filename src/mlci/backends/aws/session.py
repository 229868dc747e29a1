"""Clients of AWS: the usual credential chain, one region, and the same limits of time and attempts for all."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any  # boto3 has no types

from mlci import __version__
from mlci.backends.aws.api_calls import Api, Patience
from mlci.errors import InputError
from mlci.flow import nearest

#: Beyond what a call takes on a slow line, and short enough for a build to notice that the line is dead.
CONNECT_TIMEOUT_S, READ_TIMEOUT_S = 10, 60
#: As many as upload at a time, and some to spare.
CONNECTIONS = 16
ATTEMPTS = 4
_PROFILES = "AWS_PROFILE names it; `aws configure list-profiles` lists those that there are."
_REGION = re.compile(r"[a-z]{2,}(-[a-z]+)+-\d+")


@dataclass(frozen=True)
class Session:
    """`boto` is a boto3 session; `attempts` is how often botocore itself tries a call."""

    boto: Any
    region: str
    patience: Patience = field(default_factory=Patience)
    attempts: int = ATTEMPTS

    def api(self, service: str, patience: Patience | None = None) -> Api:
        """A service of this region; `AWS_ENDPOINT_URL` and the rest of the usual settings are honoured."""
        from botocore.config import Config

        config = Config(
            connect_timeout=CONNECT_TIMEOUT_S,
            read_timeout=READ_TIMEOUT_S,
            max_pool_connections=CONNECTIONS,
            retries={"mode": "standard", "total_max_attempts": self.attempts},
            user_agent_extra=f"mlci/{__version__}",
        )
        client = self.boto.client(service, region_name=self.region, config=config)
        return Api(client, patience or self.patience)

    def impatient(self, seconds: float) -> Session:
        """The same for a first look, which must not keep a person waiting."""
        return replace(self, attempts=2, patience=replace(self.patience, longest_s=seconds))


def open_session(region: str) -> Session:
    """A session in a region.

    Raises: InputError, for a region or a profile that can't be.
    """
    import boto3
    from botocore.exceptions import ProfileNotFound

    try:
        boto = boto3.Session(region_name=region)
    except ProfileNotFound as error:
        raise InputError(str(error), _PROFILES) from error
    if not _REGION.fullmatch(region):
        raise InputError(f'"{region}" is no AWS region', near(region, boto))
    return Session(boto, region)


def usual_region(environment: Mapping[str, str]) -> tuple[str, str] | None:
    """The region that the AWS SDKs would take, and where they have it from; None where they have none.

    boto3 itself reads AWS_DEFAULT_REGION alone; all other SDKs read AWS_REGION.
    """
    for name in ("AWS_DEFAULT_REGION", "AWS_REGION"):
        if environment.get(name):
            return environment[name], name
    import boto3
    from botocore.exceptions import ProfileNotFound

    try:
        region = boto3.Session().region_name
    except ProfileNotFound as error:
        raise InputError(str(error), _PROFILES) from error
    return (str(region), "the AWS profile") if region else None


def near(region: str, boto: Any) -> str:
    """What to do about a region that leads nowhere."""
    partitions = boto.get_available_partitions()
    known = [name for partition in partitions for name in boto.get_available_regions("stepfunctions", partition)]
    meant = nearest(region, known)
    return f'Did you mean "{meant}"?' if meant and meant != region else "Check the region, and the way to the network."
