"""The aws backend's settings: from options, the environment, flow.yaml and SSM parameters, in that order."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from mlci.aws_settings import AWS_SETTINGS, AwsSetting, AwsSettingName
from mlci.errors import CloudError, InputError
from mlci.flow.models import Flow
from mlci_dataclasses import dataclass

#: Returns the values of SSM parameters, by name; those that do not exist are left out.
ReadParameters = Callable[[Sequence[str]], Mapping[str, str]]


@dataclass(frozen=True)
class SettingValue:
    """The value of a setting, None if it is not set, and its origin in a few words."""

    value: str | None
    origin: str


@dataclass(frozen=True)
class Settings:
    """The value of every setting."""

    values: Mapping[AwsSettingName, SettingValue]

    def __getitem__(self, name: AwsSettingName) -> str:
        value = self.values[name].value
        assert value is not None, "check() comes before"
        return value

    def get(self, name: AwsSettingName) -> str | None:
        return self.values[name].value

    def origin(self, name: AwsSettingName) -> str:
        return self.values[name].origin

    def check(self, flow: Flow) -> None:
        """Raises InputError, with all settings that a run on AWS lacks."""
        missing = [setting for setting in AWS_SETTINGS.values() if setting.is_required and not self.get(setting.name)]
        if not missing:
            return
        first = missing[0]
        why = next((f" ({self.origin(setting.name)})" for setting in missing if self.origin(setting.name)), "")
        raise InputError(
            f"a run on AWS needs {_listed([setting.title for setting in missing])}, which nothing sets{why}",
            f"Set each with an option ({first.option}), the environment ({first.variable}), "
            f"{flow.file} (aws: {{{first.name}: …}}) or the SSM parameter {first.parameter(flow.name)}; "
            "`mlci config` shows what is set. To run without AWS: --cloud local.",
        )


def resolve(
    flow: Flow,
    options: Mapping[AwsSettingName, str | None],
    environment: Mapping[str, str],
    sdk_region: tuple[str, str] | None,
    ssm: Callable[[str], ReadParameters],
) -> Settings:
    """Returns each setting from the first source that has it.

    `sdk_region` is the region that the AWS SDK would take, and its origin. `ssm(region)` is called only if a setting is
    still open.

    Raises: InputError, if `ssm` does. A CloudError of SSM is no error: the other sources may be enough.
    """
    values: dict[AwsSettingName, SettingValue] = {}
    for name, setting in AWS_SETTINGS.items():
        at = flow.position("aws", name)
        sources = [
            (options.get(name), setting.option),
            (environment.get(setting.variable), setting.variable),
            sdk_region if name == "region" and sdk_region else (None, ""),
            (flow.aws.get(name), f"{at.file}:{at.line}"),
        ]
        value, origin = next(((value, origin) for value, origin in sources if value), (None, ""))
        values[name] = SettingValue(value, origin)
    region = values["region"].value
    unset = [setting for name, setting in AWS_SETTINGS.items() if values[name].value is None]
    if region and unset:
        values.update(_from_parameters(flow, unset, lambda names: ssm(region)(names)))
    return Settings(values)


def _from_parameters(
    flow: Flow, settings: Sequence[AwsSetting], read: ReadParameters
) -> dict[AwsSettingName, SettingValue]:
    """Returns settings from SSM. If it can't be read, they stay unset, and their origin says why."""
    names = {setting.parameter(flow.name): setting.name for setting in settings}
    try:
        parameters = read(list(names))
    except CloudError as error:
        reason = str(error).splitlines()[0].rstrip(".")
        return {setting.name: SettingValue(None, f"SSM can't be read: {reason}") for setting in settings}
    return {
        setting: SettingValue(parameters[name], f"SSM {name}") for name, setting in names.items() if name in parameters
    }


def _listed(words: Sequence[str]) -> str:
    """The words in a sentence.

    >>> _listed(["bucket", "job role", "region"])
    'a bucket, a job role and a region'
    """
    each = [f"a {word}" for word in words]
    return each[0] if len(each) == 1 else f"{', '.join(each[:-1])} and {each[-1]}"
