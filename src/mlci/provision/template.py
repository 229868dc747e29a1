"""The CloudFormation template of a flow's stack, as YAML.

What the flow fixes (names, policies) is written out; what a platform engineer chooses is a parameter. Where a checker
is asked to make an exception, the reason stands beside what it is made for.
Source: https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/template-anatomy.html
"""

from __future__ import annotations

import yaml

from mlci.backends.aws.preflight import GITHUB
from mlci.provision.access_requirements import Needs
from mlci.provision.cloudformation_functions import Resource, Value, equals, every, get, has, ref, resource
from mlci.provision.codebuild_projects import builds
from mlci.provision.iam_roles import ACTIONS, BUCKET, CONNECTION, roles
from mlci.provision.stack_names import capitalized, logical_id, stack_name
from mlci.provision.stack_parameters import PARAMETERS, Parameter
from mlci.provision.storage_resources import storage

#: Of a connection's name. Source: https://docs.aws.amazon.com/codeconnections/latest/APIReference/API_CreateConnection.html
_CONNECTION_MAX_CHARS = 32

_CONDITIONS: dict[str, Value] = {
    "HasBoundary": has("PermissionsBoundary"),
    "HasChangedFiles": has("ChangedFiles"),
    "HasImageRepository": has("EcrRepository"),
    "HasKey": has("KmsKey"),
    "IsConnected": equals("Connected", "true"),
    "IsInVpc": has("VpcId"),
    "MakesBucket": equals("ExistingBucket", ""),
    "MakesConnection": equals("Connection", ""),
    "MakesOidcProvider": every("UsesActions", equals("OidcProvider", "")),
    "UsesActions": equals("Trigger", "actions"),
    "UsesWebhook": equals("Trigger", "webhook"),
}


def template(needs: Needs) -> str:
    """The template as YAML. The same flow gives the same text."""
    whole = {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": f"mlci: continuous integration of the flow {needs.flow}",
        # Of the empty default of lists that stand under a condition, cfn-lint says that it is no subnet.
        "Metadata": {"cfn-lint": {"config": {"ignore_checks": ["W1033"]}}},
        "Parameters": {parameter.name: _parameter(parameter) for parameter in PARAMETERS},
        "Conditions": _CONDITIONS,
        "Resources": {
            **storage(needs.flow),
            **roles(needs),
            **builds(needs.flow),
            **_settings(needs.flow),
            "GitHubConnection": resource(
                "AWS::CodeConnections::Connection",
                {"ConnectionName": stack_name(needs.flow)[:_CONNECTION_MAX_CHARS], "ProviderType": "GitHub"},
                Condition="MakesConnection",
            ),
            "GitHubOidcProvider": resource(
                "AWS::IAM::OIDCProvider",
                {"Url": f"https://{GITHUB}", "ClientIdList": ["sts.amazonaws.com"]},
                Condition="MakesOidcProvider",
                # An account has one at most: the stacks of other flows, and whatever else, may use it by now.
                DeletionPolicy="RetainExceptOnCreate",
                UpdateReplacePolicy="Retain",
            ),
        },
        "Outputs": _outputs(),
    }
    return yaml.dump(whole, Dumper=_Plain, sort_keys=False, width=200, allow_unicode=True)


def _parameter(parameter: Parameter) -> Value:
    told: dict[str, Value] = {"Type": "Number" if parameter.is_number else "String", "Description": parameter.help}
    if parameter.default or parameter.takes(""):
        told["Default"] = int(parameter.default) if parameter.is_number else parameter.default
    if parameter.allowed:
        told["AllowedValues"] = list(parameter.allowed)
    elif parameter.is_number:
        told |= {"MinValue": parameter.least, "MaxValue": parameter.most}
    else:
        told["AllowedPattern"] = f"^({parameter.pattern})$"
    return {**told, "ConstraintDescription": f"must be {parameter.must}"}


def _settings(flow: str) -> dict[str, Resource]:
    """The SSM parameters that runs read, where no option and no variable says otherwise."""
    values = {"bucket": BUCKET, "workflow_role": get(logical_id("workflow")), "job_role": get(logical_id("job"))}
    return {
        f"{capitalized(name)}Setting": resource(
            "AWS::SSM::Parameter", {"Name": f"/mlci/{flow}/{name}", "Type": "String", "Value": value}
        )
        for name, value in values.items()
    }


def _outputs() -> Value:
    return {
        "Bucket": {"Value": BUCKET},
        "ConnectionArn": {"Value": CONNECTION},
        **{name: {"Condition": "IsConnected", "Value": ref(name)} for name in ("PullRequestProject", "BaseProject")},
        **{logical_id(role): {"Condition": "UsesActions", "Value": get(logical_id(role))} for role in ACTIONS},
    }


class _Plain(yaml.SafeDumper):
    """Without anchors, which CloudFormation does not take, and with lists indented."""

    def ignore_aliases(self, data: object) -> bool:
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        return super().increase_indent(flow, False)
