"""The two CodeBuild projects: pull requests, and the base branch.

Source: https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-codebuild-project.html;
events and filters: https://docs.aws.amazon.com/codebuild/latest/userguide/github-webhook.html; comment approval:
https://docs.aws.amazon.com/codebuild/latest/userguide/pull-request-build-policy.html
"""

from __future__ import annotations

from collections.abc import Callable

from mlci.plan.names import Names, install_prefix
from mlci.provision.cloudformation_functions import (
    Resource,
    Value,
    get_att,
    if_,
    join,
    ref,
    replace,
    resource,
    skip_checks,
    split,
    sub,
)
from mlci.provision.iam_roles import BUCKET, CONNECTION
from mlci.provision.stack_names import Role, build_log_group, logical_id, project_name, tags

_OPENED = "PULL_REQUEST_CREATED, PULL_REQUEST_UPDATED, PULL_REQUEST_REOPENED"
#: The base branch as a regular expression. Of the characters that its name may have, only the dot is special.
_BASE = join("", "^refs/heads/", replace(ref("BaseBranch"), ".", r"\."), "$")
#: The roles that approve a build by a comment. Pull requests of their own are built without one.
_APPROVERS = if_(
    "WritersApprove",
    ["GITHUB_WRITE", "GITHUB_MAINTAIN", "GITHUB_ADMIN"],
    if_("MaintainersApprove", ["GITHUB_MAINTAIN", "GITHUB_ADMIN"], ["GITHUB_ADMIN"]),
)

VPC_CONFIG: Value = {
    "VpcId": ref("VpcId"),
    "Subnets": split(",", ref("SubnetIds")),
    "SecurityGroupIds": split(",", ref("SecurityGroupIds")),
}


def codebuild_projects(flow: str, builds_images: bool, policies: Callable[[Role], list[str]]) -> dict[str, Resource]:
    """Return the projects and their logs. A build that builds images runs a Docker daemon, which takes privileged mode.
    `policies` returns the logical IDs of a role's policies.

    Source: https://docs.aws.amazon.com/codebuild/latest/userguide/sample-docker.html
    """
    return {
        "PullRequestLog": build_log(project_name(flow, is_base=False)),
        "BaseLog": build_log(project_name(flow, is_base=True)),
        "PullRequestProject": _project(
            flow,
            is_base=False,
            builds_images=builds_images,
            policies=policies,
            Description="mlci: each pull request, and the gate's verdict on it",
            # Pull requests share a cache, so builds of the base branch have none.
            Cache={"Type": "LOCAL", "Modes": ["LOCAL_CUSTOM_CACHE"]},
            # Builds above the limit fail instead of queueing, and the limit may not exceed the account's.
            ConcurrentBuildLimit=if_("HasBuildLimit", ref("ConcurrentBuilds")),
            Triggers=_pull_requests(),
        ),
        "BaseProject": _project(
            flow,
            is_base=True,
            builds_images=builds_images,
            policies=policies,
            Description="mlci: each push to the base branch; its runs write the baseline",
            Cache={"Type": "NO_CACHE"},
            Triggers=_pushes(),
        ),
    }


def build_log(name: str) -> Resource:
    """Return the log group of a project."""
    return resource(
        "AWS::Logs::LogGroup",
        {"LogGroupName": build_log_group(name), "RetentionInDays": ref("LogRetention")},
        DeletionPolicy="Delete",
        UpdateReplacePolicy="Delete",
        Metadata=skip_checks(CKV_AWS_158="CloudWatch Logs encrypts by default; another key would need a key policy"),
    )


def _project(
    flow: str, is_base: bool, builds_images: bool, policies: Callable[[Role], list[str]], **differing: Value
) -> Resource:
    """Return a project. CodeBuild uses the connection with the role at creation, so the role's policy comes first."""
    role: Role = "base_build" if is_base else "pull_request_build"
    name = project_name(flow, is_base)
    return resource(
        "AWS::CodeBuild::Project",
        {
            "Name": name,
            **differing,
            "ServiceRole": get_att(logical_id(role)),
            "Artifacts": {"Type": "NO_ARTIFACTS"},
            "Environment": {
                "Type": "LINUX_CONTAINER",
                "ComputeType": ref("ComputeType"),
                "Image": ref("BuildImage"),
                "PrivilegedMode": builds_images,
                "EnvironmentVariables": _environment(flow, is_base),
            },
            "LogsConfig": {"CloudWatchLogs": {"Status": "ENABLED", "GroupName": build_log_group(name)}},
            "Source": {
                "Type": if_("IsEnterpriseServer", "GITHUB_ENTERPRISE", "GITHUB"),
                "Location": sub("https://${GitHubHost}/${Repository}.git"),
                "Auth": {"Type": "CODECONNECTIONS", "Resource": CONNECTION},
                "BuildSpec": "buildspec.yaml",
                "GitCloneDepth": 0,  # the whole history: a shallow clone may lack the base branch
                "ReportBuildStatus": True,
                "BuildStatusConfig": {
                    "Context": f"mlci/{flow}/base" if is_base else f"mlci/{flow}",
                    "TargetUrl": _report_url(flow, is_base),
                },
            },
            "TimeoutInMinutes": ref("BuildTimeout"),
            "VpcConfig": if_("IsInVpc", VPC_CONFIG),
            "Tags": tags(flow),
        },
        Condition="IsConnected",
        DependsOn=[*policies(role), "BaseLog" if is_base else "PullRequestLog"],
        Metadata=skip_checks(
            CKV_AWS_147="CodeBuild stores nothing: there are no artifacts",
            **({"CKV_AWS_316": "The flow builds images, which takes a Docker daemon"} if builds_images else {}),
        ),
    )


def _report_url(flow: str, is_base: bool) -> Value:
    """Return the address of a build's report, which the status links. CodeBuild puts the build's ID in.

    Source: https://docs.aws.amazon.com/codebuild/latest/userguide/create-project.html (build status: target URL)
    """
    key = Names(flow, is_base).report_page("$CODEBUILD_BUILD_ID")
    address = f"https://${{AWS::Region}}.console.aws.amazon.com/s3/object/${{BucketName}}?region=${{AWS::Region}}&prefix={key}"
    return sub(address, BucketName=BUCKET)


def _environment(flow: str, is_base: bool) -> list[Value]:
    """Return a build's variables. The base branch has names and roles of its own; other builds read SSM parameters."""
    variables: dict[str, Value] = {
        "MLCI_FLOW": ref("FlowFile"),
        "MLCI_BASE_BRANCH": ref("BaseBranch"),
        "MLCI_GITHUB_HOST": ref("GitHubHost"),
        "MLCI_BUILD_TIMEOUT": sub("${BuildTimeout}m"),
        "MLCI_INSTALL_URI": sub(f"s3://${{BucketName}}/{install_prefix(flow)}", BucketName=BUCKET),
    }
    if is_base:
        variables |= {
            "MLCI_PROTECTED": "true",
            "MLCI_BUCKET": BUCKET,
            "MLCI_WORKFLOW_ROLE": get_att(logical_id("protected_workflow")),
            "MLCI_JOB_ROLE": get_att(logical_id("protected_job")),
        }
    return [{"Name": name, "Value": value} for name, value in variables.items()]


def _pull_requests() -> Value:
    """Return the webhook of pull requests to the base branch, with its approval policy."""
    filters = [{"Type": "EVENT", "Pattern": _OPENED}, {"Type": "BASE_REF", "Pattern": _BASE}]
    files = {"Type": "FILE_PATH", "Pattern": ref("ChangedFiles")}
    return _webhook(
        if_("HasChangedFiles", [[*filters, files]], [filters]),
        PullRequestBuildPolicy={"RequiresCommentApproval": ref("CommentApproval"), "ApproverRoles": _APPROVERS},
    )


def _pushes() -> Value:
    return _webhook([[{"Type": "EVENT", "Pattern": "PUSH"}, {"Type": "HEAD_REF", "Pattern": _BASE}]])


def _webhook(groups: Value, **more: Value) -> Value:
    return if_("UsesWebhook", {"Webhook": True, "BuildType": "BUILD", "FilterGroups": groups, **more})
