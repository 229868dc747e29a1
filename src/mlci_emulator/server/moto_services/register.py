"""Registers the emulator's services with moto's other services, and the guard in front of moto's operations.

CloudFormation creates buckets, state machines, models and endpoints, a Lambda function's code and a template lie in a
bucket, and Athena and Firehose write to one. The module imports moto, so it is imported late. What moto repeats after a
restart is in the data folder already and is not done again.
"""

from __future__ import annotations

from mlci_emulator.identity import ACCOUNT
from mlci_emulator.server.moto_services.bridge import BridgedServices
from mlci_emulator.server.moto_services.cloudformation import MotoCloudFormation
from mlci_emulator.server.moto_services.cloudformation_codebuild import ConnectionResource, ProjectResource
from mlci_emulator.server.moto_services.cloudformation_ecr import RepositoryResource
from mlci_emulator.server.moto_services.cloudformation_iam import OidcProviderResource
from mlci_emulator.server.moto_services.cloudformation_refused import resource_class
from mlci_emulator.server.moto_services.cloudformation_rollback import report_resources
from mlci_emulator.server.moto_services.cloudformation_s3 import BucketPolicyResource, BucketResource
from mlci_emulator.server.moto_services.cloudformation_sagemaker import sagemaker_resources
from mlci_emulator.server.moto_services.cloudformation_stepfunctions import StateMachineResource
from mlci_emulator.server.moto_services.event_targets import deliver_whole_events
from mlci_emulator.server.moto_services.operation_guard import guard_operations
from mlci_emulator.server.moto_services.s3_bridge import MotoS3
from mlci_emulator.server.moto_services.sts_identity import MotoSts


def register(services: BridgedServices) -> None:
    """Give moto the emulator's services; call it once, after moto's import and before its first request."""
    from moto.cloudformation import parsing
    from moto.cloudformation.models import cloudformation_backends
    from moto.cloudformation.parsing import get_model_map
    from moto.iam.models import iam_backends
    from moto.s3.models import s3_backends
    from moto.sts.models import sts_backends

    guard_operations()
    deliver_whole_events()
    s3_backends.backend = type("BridgedS3", (MotoS3,), {"services": services})
    sts_backends.backend = MotoSts
    cloudformation_backends.backend = MotoCloudFormation
    models = get_model_map()
    for resource in (ConnectionResource, ProjectResource, OidcProviderResource, RepositoryResource):
        models[resource.cloudformation_type()] = resource
    for created in sagemaker_resources(services):
        models[created.cloudformation_type()] = created
    for bridged in (BucketResource, BucketPolicyResource, StateMachineResource):
        models[bridged.cloudformation_type()] = type(bridged.__name__, (bridged,), {"services": services})
    parsing.resource_class_from_type = resource_class(parsing.resource_class_from_type)  # type: ignore[assignment]
    report_resources(services.failures)
    # IAM draws the ids of AWS's own policies when it is created, which must not depend on the first request.
    iam_backends[ACCOUNT]["aws"]
