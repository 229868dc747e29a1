"""The settings of the aws backend: one table for options, variables, flow.yaml's `aws:` and SSM parameters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Literal

from mlci_dataclasses import dataclass

AwsSettingName = Literal["region", "bucket", "workflow_role", "job_role", "log_group"]


@dataclass(frozen=True)
class AwsSetting:
    """One setting. `description` is a sentence for the help of its option and for the schema of flow.yaml.

    A run on AWS needs every required setting. `mlci bootstrap` writes the provisioned ones to SSM.
    """

    name: AwsSettingName
    description: str
    examples: tuple[str, ...] = ()
    is_required: bool = True
    is_provisioned: bool = field(default=False, kw_only=True)

    @property
    def option(self) -> str:
        return f"--{self.name.replace('_', '-')}"

    @property
    def variable(self) -> str:
        return f"MLCI_{self.name.upper()}"

    @property
    def title(self) -> str:
        """The setting in a sentence: "job role"."""
        return self.name.replace("_", " ")

    def parameter(self, flow: str) -> str:
        """The name of the SSM parameter that `mlci bootstrap` writes for a flow.

        >>> AWS_SETTINGS["job_role"].parameter("breast-cancer")
        '/mlci/breast-cancer/job_role'
        """
        return f"{parameter_folder(flow)}{self.name}"


def parameter_folder(flow: str) -> str:
    """Return the start of the names of a flow's SSM parameters."""
    return f"/mlci/{flow}/"


_SETTINGS = (
    AwsSetting("region", "The AWS region.", ("eu-central-1",)),
    AwsSetting("bucket", "The S3 bucket for code, data and results.", is_provisioned=True),
    AwsSetting("workflow_role", "The ARN of the state machine's role.", is_provisioned=True),
    AwsSetting("job_role", "The ARN of the jobs' role.", is_provisioned=True),
    AwsSetting(
        "log_group",
        "The ARN (ending in :*) of a log group for the state machine's log. Default: left as it is.",
        is_required=False,
    ),
)

#: By name, in the order in which they are listed.
AWS_SETTINGS: Mapping[AwsSettingName, AwsSetting] = {setting.name: setting for setting in _SETTINGS}
#: The settings that `mlci bootstrap` writes.
PROVISIONED_SETTINGS = tuple(setting for setting in _SETTINGS if setting.is_provisioned)
