"""The reporter: the project that posts what pull requests show of builds, and the EventBridge rule that starts it.

It is a project of CodeBuild, so that it installs mlci as builds do, by the same hash; on Lambda compute, which starts
within seconds, waits in no queue and takes none of the account's concurrent builds. Lambda compute is in no VPC, so
where builds reach a GitHub Enterprise Server from a VPC, the reporter is a container there. It has no source: nothing
of a pull request runs in it.

Sources: https://docs.aws.amazon.com/codebuild/latest/userguide/lambda.html,
https://docs.aws.amazon.com/codebuild/latest/userguide/sample-build-notifications.html#sample-build-notifications-ref
(the events) and https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-events-rule.html
"""

from __future__ import annotations

from mlci.plan.names import Names, install_prefix
from mlci.provision.cloudformation_functions import (
    NO_VALUE,
    Resource,
    Value,
    get_att,
    if_,
    ref,
    resource,
    skip_checks,
    sub,
)
from mlci.provision.codebuild_projects import VPC_CONFIG, build_log
from mlci.provision.iam_roles import BUCKET
from mlci.provision.stack_names import build_log_group, logical_id, project_name, reporter_name, tags

#: Images of Lambda compute have Python, the AWS CLI, and no folder to write but /tmp.
_IMAGE = "aws/codebuild/amazonlinux-x86_64-lambda-standard:python3.12"
#: It selects no runtime: images of one's own, which trust a server's certificate, can't; others have a default.
#: Source: https://docs.aws.amazon.com/codebuild/latest/userguide/runtime-versions.html and available-runtimes.html
_BUILDSPEC = """\
version: 0.2
phases:
  build:
    commands:
      - cd /tmp
      - aws s3 cp --only-show-errors $MLCI_INSTALL_URI/SHA256SUMS .
      - echo "$MLCI_INSTALL_SHA256  SHA256SUMS" | sha256sum --check --quiet
      - while read -r _ file; do aws s3 cp --only-show-errors $MLCI_INSTALL_URI/$file .; done < SHA256SUMS
      - sha256sum --check --quiet SHA256SUMS
      - python3 -m venv /tmp/mlci
      - '/tmp/mlci/bin/pip install -q --require-hashes --no-deps --only-binary :all: -r slim.txt -r github.txt'
      - /tmp/mlci/bin/mlci report
"""


def reporter(flow: str) -> dict[str, Resource]:
    """Return the reporter, its log and its rule: each change of a pull request's build starts it."""
    name = reporter_name(flow)
    return {
        "ReporterLog": {**build_log(name), "Condition": "HasReporter"},
        "ReporterProject": resource(
            "AWS::CodeBuild::Project",
            {
                "Name": name,
                "Description": "mlci: posts the reports of pull requests",
                "ServiceRole": get_att(logical_id("reporter")),
                "Artifacts": {"Type": "NO_ARTIFACTS"},
                "Environment": {
                    "Type": _from_vpc("LINUX_CONTAINER", "LINUX_LAMBDA_CONTAINER"),
                    "ComputeType": _from_vpc("BUILD_GENERAL1_SMALL", "BUILD_LAMBDA_1GB"),
                    "Image": _from_vpc(ref("BuildImage"), _IMAGE),
                    "EnvironmentVariables": _environment(flow),
                },
                "VpcConfig": _from_vpc(VPC_CONFIG),
                "LogsConfig": {"CloudWatchLogs": {"Status": "ENABLED", "GroupName": build_log_group(name)}},
                "Source": {"Type": "NO_SOURCE", "BuildSpec": _BUILDSPEC},
                "Tags": tags(flow),
            },
            Condition="HasReporter",
            DependsOn=["ReporterLog", "ReporterPolicy"],
            Metadata=skip_checks(CKV_AWS_147="CodeBuild stores nothing: there are no artifacts"),
        ),
        "ReporterRule": resource(
            "AWS::Events::Rule",
            {
                "Name": name,
                "EventPattern": {
                    "source": ["aws.codebuild"],
                    "detail-type": ["CodeBuild Build State Change"],
                    "detail": {"project-name": [project_name(flow, is_base=False)]},
                },
                "Targets": [
                    {
                        "Id": "reporter",
                        "Arn": get_att("ReporterProject"),
                        "RoleArn": get_att(logical_id("reporter_events")),
                        "InputTransformer": {
                            "InputPathsMap": {"build": "$.detail.build-id"},
                            "InputTemplate": '{"environmentVariablesOverride":[{"name":"MLCI_BUILD","value":<build>}]}',
                        },
                    }
                ],
            },
            Condition="HasReporter",
        ),
    }


def _from_vpc(value: Value, otherwise: Value = NO_VALUE) -> Value:
    return if_("ReportsFromVpc", value, otherwise)


def _environment(flow: str) -> list[Value]:
    variables: dict[str, Value] = {
        "MLCI_INSTALL_URI": sub(f"s3://${{BucketName}}/{install_prefix(flow)}/${{InstallFiles}}", BucketName=BUCKET),
        "MLCI_INSTALL_SHA256": ref("InstallFiles"),
        "MLCI_REPORTS": sub(f"s3://${{BucketName}}/{Names(flow).reports('')}", BucketName=BUCKET),
        "MLCI_GITHUB_SECRET": ref("GitHubSecret"),
        "MLCI_COMMENT": ref("GitHubComment"),
    }
    return [{"Name": name, "Value": value} for name, value in variables.items()]
