"""The aws backend from options, the environment, the flow and SSM: settings, the caller's identity and clients."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from mlci.aws_settings import AwsSettingName
from mlci.backends.aws.backend import AwsCloud, AwsTarget, aws_cloud
from mlci.backends.aws.caller_identity import Identity, identify
from mlci.backends.aws.executions import Executions
from mlci.backends.aws.model_registry import AwsRegistry
from mlci.backends.aws.s3_objects import Objects
from mlci.backends.aws.s3_uploads import S3Uploads
from mlci.backends.aws.session import Session, default_region
from mlci.backends.aws.session import open_session as new_session
from mlci.backends.aws.settings import ReadParameters, Settings, resolve
from mlci.backends.aws.ssm_parameters import Parameters
from mlci.backends.aws.stored_objects import AwsObjects
from mlci.backends.protocol import BackendOptions, Location, RegistryApi
from mlci.errors import CloudError, InputError
from mlci.flow.models import Flow
from mlci_dataclasses import dataclass

#: The time between two looks of a state machine at something that takes minutes. Each look is paid, and takes events of
#: the 25,000 that an execution may have; a local server in AWS's place is asked each second.
#: Source: https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html
_POLL_S = 30
#: `mlci config` must not keep a person waiting for SSM.
_SSM_S = 10.0


@dataclass(frozen=True)
class AwsBackend:
    """The aws backend with its settings, before a run."""

    options: BackendOptions
    settings: Settings

    @property
    def location(self) -> Location:
        settings = self.settings
        identity = caller_identity(settings["region"])
        return Location(
            settings["bucket"],
            settings["job_role"],
            settings["region"],
            self.options.is_protected,
            identity.partition,
            identity.registry(settings["region"]),
            poll_s=_POLL_S if open_session(settings["region"]).api("stepfunctions").is_aws else 1,
        )

    @contextmanager
    def registry(self) -> Iterator[RegistryApi]:
        region = self.settings["region"]
        session, identity = open_session(region), caller_identity(region)
        yield AwsRegistry(session.api("sagemaker"), Objects(session.api("s3"), identity.account), identity)

    @contextmanager
    def stored(self) -> Iterator[AwsObjects]:
        region = self.settings["region"]
        session, identity = open_session(region), caller_identity(region)
        objects = Objects(session.api("s3"), identity.account)
        objects.check_bucket(self.settings["bucket"], region)
        machine = functools.partial(identity.state_machine, region)
        yield AwsObjects(objects, Executions(session.api("stepfunctions")), session.api("sagemaker"), machine)

    @contextmanager
    def open(self, log_file: Callable[[str], Path], log: Callable[[str], None]) -> Iterator[AwsCloud]:
        cloud = open_cloud(self.options, self.settings, log_file, log)
        if not self.options.flow.build_steps:
            yield cloud
            return
        from mlci.backends.build_jobs import open_build_jobs

        objects = S3Uploads(cloud.objects, log=log)
        others = S3Uploads(replace(cloud.objects, owner=""))
        with open_build_jobs(self.options, objects, others, log_file, log) as jobs:
            yield replace(cloud, build_jobs=jobs)


def configure(options: BackendOptions) -> AwsBackend:
    """Returns the backend. The credentials are checked first.

    Raises: InputError, for a setting that is wrong or missing.
    """
    return AwsBackend(options, checked_settings(options.flow, options.settings, options.environment))


def open_cloud(
    options: BackendOptions, settings: Settings, log_file: Callable[[str], Path], log: Callable[[str], None]
) -> AwsCloud:
    """Returns the cloud of a run. Checks that its bucket exists.

    Raises: InputError.
    """
    region = settings["region"]
    target = AwsTarget(
        caller_identity(region),
        region,
        settings["workflow_role"],
        options.repository,
        settings.get("log_group"),
        options.is_protected,
    )
    session, environment = open_session(region), options.environment
    cloud = aws_cloud(session, target, options.flow.step_types_on_aws, log_file, log, environment, options.cache)
    cloud.objects.check_bucket(settings["bucket"], region)
    return cloud


def resolve_settings(
    flow: Flow,
    options: Mapping[AwsSettingName, str | None],
    environment: Mapping[str, str],
    ssm: Callable[[str], ReadParameters] | None = None,
    needs_profile: bool = True,
) -> Settings:
    """Returns each setting with its origin. `ssm` reads parameters of a region, by default with the credentials.

    Where the caller asks AWS for nothing, the profile need not exist.

    Raises: InputError, if SSM is needed and there are no credentials.
    """
    region = default_region(environment, needs_profile)
    return resolve(flow, options, environment, region, ssm or _ssm_parameters)


def settings_to_show(
    flow: Flow, options: Mapping[AwsSettingName, str | None], environment: Mapping[str, str]
) -> Settings:
    """Returns the settings for `mlci config`: one that can't be read from SSM is unset, and its origin says why."""

    def ssm(region: str) -> ReadParameters:
        def read(names: Sequence[str]) -> Mapping[str, str]:
            try:
                return _ssm_parameters(region)(names)
            except InputError as error:
                raise CloudError(str(error)) from error

        return read

    return resolve_settings(flow, options, environment, ssm, needs_profile=False)


def checked_settings(
    flow: Flow, options: Mapping[AwsSettingName, str | None], environment: Mapping[str, str]
) -> Settings:
    """Returns all settings that a run on AWS needs. The credentials are checked first.

    Raises: InputError, for a setting that is wrong or missing.
    """
    settings = resolve_settings(flow, options, environment)
    region = settings.get("region")
    if region:
        caller_identity(region)
    settings.check(flow)
    return settings


@functools.cache
def caller_identity(region: str) -> Identity:
    """Returns the identity that the credentials belong to.

    Raises: InputError, if there are no valid credentials.
    """
    return identify(open_session(region))


@functools.cache
def open_session(region: str) -> Session:
    """Returns the one session of a region.

    Raises: InputError.
    """
    return new_session(region)


def _ssm_parameters(region: str) -> ReadParameters:
    caller_identity(region)
    return Parameters(open_session(region).with_max_wait(_SSM_S).api("ssm")).get
