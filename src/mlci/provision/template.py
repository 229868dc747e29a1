"""The CloudFormation template of a flow's stack, as YAML.

Names and policies follow from the flow; the choices of a platform engineer are parameters. An exception for a checker
stands with its reason beside the resource.
Source: https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/template-anatomy.html
"""

from __future__ import annotations

import functools
from collections.abc import Mapping

import yaml

from mlci.aws_settings import PROVISIONED_SETTINGS, AwsSettingName
from mlci.provision.access_requirements import AccessRequirements
from mlci.provision.cloudformation_functions import Resource, Value, and_, equals, get_att, is_set, not_, ref, resource
from mlci.provision.codebuild_projects import codebuild_projects
from mlci.provision.iam_roles import ACTIONS, BUCKET, CONNECTION, OIDC_AUDIENCE, iam_roles, policies_of
from mlci.provision.image_repositories import image_repositories
from mlci.provision.reporter_project import reporter
from mlci.provision.stack_names import GITHUB_OIDC_HOST, capitalized, connection_name, logical_id
from mlci.provision.stack_parameters import GITHUB, PARAMETERS, Parameter
from mlci.provision.storage_resources import storage_resources

_CONDITIONS: dict[str, Value] = {
    "HasBoundary": is_set("PermissionsBoundary"),
    "HasBuildLimit": is_set("ConcurrentBuilds"),
    "HasChangedFiles": is_set("ChangedFiles"),
    "HasImageRepository": is_set("EcrRepository"),
    "HasKey": is_set("KmsKey"),
    "HasReporter": is_set("GitHubSecret"),
    "IsEnterpriseServer": not_(equals("GitHubHost", GITHUB)),
    "IsConnected": equals("Connected", "true"),
    "IsInVpc": is_set("VpcId"),
    "MaintainersApprove": equals("Approvers", "maintain"),
    "MakesBucket": equals("ExistingBucket", ""),
    "MakesConnection": equals("Connection", ""),
    "MakesOidcProvider": and_("UsesActions", equals("OidcProvider", "")),
    "ReportsFromVpc": and_("HasReporter", "IsEnterpriseServer", "IsInVpc"),
    "UsesActions": equals("Trigger", "actions"),
    "UsesWebhook": equals("Trigger", "webhook"),
    "WritersApprove": equals("Approvers", "write"),
}


#: The resources of the stack that settings name.
_SETTING_VALUES: Mapping[AwsSettingName, Value] = {
    "bucket": BUCKET,
    "workflow_role": get_att(logical_id("workflow")),
    "job_role": get_att(logical_id("job")),
}


def template(requirements: AccessRequirements) -> str:
    """Return the template as YAML. The same flow gives the same text.

    Raises: InputError, if its policies are more than IAM attaches to a role.
    """
    roles = iam_roles(requirements)
    policies = functools.partial(policies_of, resources=roles)
    document = {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": f"mlci: continuous integration of the flow {requirements.flow}",
        # cfn-lint reads the empty default of a conditional list as an invalid subnet.
        "Metadata": {"cfn-lint": {"config": {"ignore_checks": ["W1033"]}}},
        "Parameters": {parameter.name: _parameter(parameter) for parameter in PARAMETERS},
        "Conditions": _CONDITIONS,
        "Resources": {
            **storage_resources(requirements.flow),
            **(image_repositories(requirements.flow) if requirements.builds_images else {}),
            **roles,
            **codebuild_projects(requirements.flow, requirements.builds_images, policies),
            **reporter(requirements.flow),
            **_settings(requirements.flow),
            "GitHubConnection": resource(
                "AWS::CodeConnections::Connection",
                {"ConnectionName": connection_name(requirements.flow), "ProviderType": "GitHub"},
                Condition="MakesConnection",
            ),
            "GitHubOidcProvider": resource(
                "AWS::IAM::OIDCProvider",
                {"Url": f"https://{GITHUB_OIDC_HOST}", "ClientIdList": [OIDC_AUDIENCE]},
                Condition="MakesOidcProvider",
                # An account has at most one: stacks of other flows, and other tools, may use it.
                DeletionPolicy="RetainExceptOnCreate",
                UpdateReplacePolicy="Retain",
            ),
        },
        "Outputs": _outputs(),
    }
    return yaml.dump(document, Dumper=_TemplateDumper, sort_keys=False, width=200, allow_unicode=True)


def _parameter(parameter: Parameter) -> Value:
    document: dict[str, Value] = {"Type": "Number" if parameter.is_number else "String", "Description": parameter.help}
    if parameter.default or parameter.accepts(""):
        document["Default"] = int(parameter.default) if parameter.is_number else parameter.default
    if parameter.allowed:
        document["AllowedValues"] = list(parameter.allowed)
    elif parameter.is_number:
        document |= {"MinValue": parameter.minimum, "MaxValue": parameter.maximum}
    else:
        document["AllowedPattern"] = f"^({parameter.pattern})$"
    return {**document, "ConstraintDescription": f"must be {parameter.requirement}"}


def _settings(flow: str) -> dict[str, Resource]:
    """Return the SSM parameters that runs read, if no option and no variable sets the value."""
    return {
        f"{capitalized(setting.name)}Setting": resource(
            "AWS::SSM::Parameter",
            {"Name": setting.parameter(flow), "Type": "String", "Value": _SETTING_VALUES[setting.name]},
        )
        for setting in PROVISIONED_SETTINGS
    }


def _outputs() -> Value:
    return {
        "Bucket": {"Value": BUCKET},
        "ConnectionArn": {"Value": CONNECTION},
        **{name: {"Condition": "IsConnected", "Value": ref(name)} for name in ("PullRequestProject", "BaseProject")},
        **{logical_id(role): {"Condition": "UsesActions", "Value": get_att(logical_id(role))} for role in ACTIONS},
    }


class _TemplateDumper(yaml.SafeDumper):
    """Writes no anchors, which CloudFormation rejects, and indents lists."""

    def ignore_aliases(self, data: object) -> bool:
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        return super().increase_indent(flow, False)
