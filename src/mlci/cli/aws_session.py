"""The aws backend of a command: its settings, the caller's identity, and clients."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mlci.errors import CloudError, InputError

if TYPE_CHECKING:
    from mlci.backends.aws.backend import AwsCloud
    from mlci.backends.aws.caller_identity import Identity
    from mlci.backends.aws.session import Session
    from mlci.configuration import Ask, Name, Settings
    from mlci.flow.models import Flow


def resolve_settings(
    flow: Flow, options: Mapping[Name, str | None], ssm: Callable[[str], Ask] | None = None
) -> Settings:
    """Each setting of the aws backend, with its origin. `ssm` reads parameters of a region.

    Raises: InputError, if SSM is needed and there are no credentials.
    """
    from mlci.backends.aws.session import usual_region
    from mlci.configuration import settle

    return settle(flow, options, os.environ, usual_region(os.environ), ssm or _ssm_parameters)


def settings_to_show(flow: Flow, options: Mapping[Name, str | None]) -> Settings:
    """The settings for `mlci config`: a setting that can't be read from SSM has no value, and its origin says why."""

    def ssm(region: str) -> Ask:
        def read(names: Sequence[str]) -> Mapping[str, str]:
            try:
                return _ssm_parameters(region)(names)
            except InputError as error:
                raise CloudError(str(error)) from error

        return read

    return resolve_settings(flow, options, ssm)


def checked_settings(flow: Flow, options: Mapping[Name, str | None]) -> Settings:
    """All settings that a run on AWS needs. The credentials are checked first.

    Raises: InputError, for whatever is wrong or missing.
    """
    settings = resolve_settings(flow, options)
    region = settings.get("region")
    if region:
        caller_identity(region)
    settings.check(flow)
    return settings


@functools.cache
def caller_identity(region: str) -> Identity:
    """The identity that the credentials belong to.

    Raises: InputError, if there are no valid credentials.
    """
    from mlci.backends.aws.caller_identity import identify

    return identify(open_session(region))


@functools.cache
def open_session(region: str) -> Session:
    """The session of a region; there is one for each region.

    Raises: InputError.
    """
    from mlci.backends.aws import session

    return session.open_session(region)


def open_aws(
    flow: Flow,
    settings: Settings,
    repository: str | None,
    log_file: Callable[[str], Path],
    message: Callable[[str], None],
    is_protected: bool = False,
) -> AwsCloud:
    """The aws backend. Checks that its bucket exists.

    Raises: InputError.
    """
    from mlci.backends.aws.backend import Place, aws_cloud

    region = settings["region"]
    location = Place(
        caller_identity(region), region, settings["workflow_role"], repository, settings.get("log_group"), is_protected
    )
    cloud = aws_cloud(open_session(region), location, flow.step_types, log_file, message)
    cloud.objects.check_bucket(settings["bucket"], region)
    return cloud


def _ssm_parameters(region: str) -> Ask:
    from mlci.backends.aws.ssm_parameters import Parameters

    caller_identity(region)
    return Parameters(open_session(region).impatient(10.0).api("ssm")).get
