"""The resources of a stack that would claim work which nothing performs: their creation fails.

The same holds for the types that neither the emulator nor moto has, and for custom resources. Types that do nothing on
AWS either are accepted as records.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from moto.cloudformation import parsing
from moto.core.common_models import CloudFormationModel

from mlci_emulator.server.moto_services.cloudformation_resource import StackResource
from mlci_emulator.server.moto_services.refused_operations import refusal

#: Resources that have no effect on AWS, either.
_RECORDS = ("AWS::CDK::Metadata", "AWS::CloudFormation::WaitConditionHandle")
_NO_TYPE = (
    "mlci serve has no resources of the type {}. Leave it out with a condition, or create what it stands for yourself."
)
#: The operations that a resource stands for; the table of refused operations decides about it.
_OPERATIONS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "AWS::AutoScaling::AutoScalingGroup": ("autoscaling", "CreateAutoScalingGroup"),
        "AWS::AutoScaling::ScheduledAction": ("autoscaling", "PutScheduledUpdateGroupAction"),
        "AWS::CloudWatch::Alarm": ("cloudwatch", "PutMetricAlarm"),
        "AWS::DataPipeline::Pipeline": ("datapipeline", "ActivatePipeline"),
        "AWS::EC2::FlowLog": ("ec2", "CreateFlowLogs"),
        "AWS::EC2::Instance": ("ec2", "RunInstances"),
        "AWS::EC2::SpotFleet": ("ec2", "RequestSpotFleet"),
        "AWS::ECS::Service": ("ecs", "CreateService"),
        "AWS::EMR::Cluster": ("emr", "RunJobFlow"),
        "AWS::Lambda::EventSourceMapping": ("lambda", "CreateEventSourceMapping"),
        "AWS::Logs::MetricFilter": ("logs", "PutMetricFilter"),
        "AWS::Pipes::Pipe": ("pipes", "StartPipe"),
        "AWS::Scheduler::Schedule": ("scheduler", "CreateSchedule"),
        "AWS::Synthetics::Canary": ("synthetics", "CreateCanary"),
    }
)
_SENTENCES: Mapping[str, str] = MappingProxyType(
    {
        "AWS::ApiGateway::Deployment": "mlci serve serves no APIs. Invoke the function itself.",
        "AWS::CloudFormation::CustomResource": "mlci serve calls no functions for custom resources. Do their work "
        "yourself, and pass the result as a parameter.",
        "AWS::CloudFormation::WaitCondition": "mlci serve has no address at which a wait condition would be signalled.",
        "AWS::SageMaker::NotebookInstance": "mlci serve runs no notebooks. Run Jupyter yourself.",
    }
)


class UnavailableResourceError(Exception):
    """A resource that cannot be created here; the text is the reason."""


class RefusedResource(StackResource):
    """A resource whose creation fails."""

    reason = ""

    @classmethod
    def has_cfn_attr(cls, attr: str) -> bool:
        return True

    @classmethod
    def create_from_cloudformation_json(
        cls, resource_name: str, cloudformation_json: Any, account_id: str, region_name: str, **kwargs: Any
    ) -> RefusedResource:
        raise UnavailableResourceError(cls.reason)

    @classmethod
    def delete_from_cloudformation_json(
        cls, resource_name: str, cloudformation_json: Any, account_id: str, region_name: str
    ) -> None:
        """Do nothing: no such resource exists."""


class RecordResource(RefusedResource):
    """A resource without an effect."""

    @classmethod
    def create_from_cloudformation_json(
        cls, resource_name: str, cloudformation_json: Any, account_id: str, region_name: str, **kwargs: Any
    ) -> RecordResource:
        return cls(resource_name)

    @classmethod
    def update_from_cloudformation_json(
        cls,
        original_resource: RecordResource,
        new_resource_name: str,
        cloudformation_json: Any,
        account_id: str,
        region_name: str,
    ) -> RecordResource:
        return original_resource


def resource_reason(kind: str, properties: Mapping[str, Any]) -> str | None:
    """Return the reason why a resource cannot be created, by its type and its resolved properties, or None."""
    if kind.startswith("Custom::"):
        return _SENTENCES["AWS::CloudFormation::CustomResource"]
    if kind in _SENTENCES:
        return _SENTENCES[kind]
    if kind in _OPERATIONS:
        return refusal(*_OPERATIONS[kind], properties.get)
    if kind == "AWS::Events::Rule":
        return refusal("events", "PutRule", properties.get) or refusal("events", "PutTargets", properties.get)
    if kind == "AWS::SNS::Topic":
        return next(filter(None, map(_subscription_reason, properties.get("Subscription") or ())), None)
    if kind not in _RECORDS and kind not in parsing.get_model_map():
        return _NO_TYPE.format(kind)
    return None


def _subscription_reason(subscription: Mapping[str, Any]) -> str | None:
    return refusal("sns", "Subscribe", subscription.get)


def resource_class(find: Callable[[str], type[CloudFormationModel]]) -> Callable[[str], type[CloudFormationModel]]:
    """Return moto's lookup of a type's class, which finds a class for each type and never none."""

    def lookup(resource_type: str) -> type[CloudFormationModel]:
        if resource_type in _RECORDS:
            return RecordResource
        reason = resource_reason(resource_type, {})
        if reason is not None:
            return type("RefusedResource", (RefusedResource,), {"reason": reason})
        return find(resource_type)

    return lookup
