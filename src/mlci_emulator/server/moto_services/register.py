"""Registers the emulator's buckets and state machines with moto's other services.

CloudFormation creates both, a Lambda function's code and a template lie in a bucket, and Athena and Firehose write to
one. The module imports moto, so it is imported late. What moto repeats after a restart is in the data folder already
and is not done again.
"""

from __future__ import annotations

from mlci_emulator.server.moto_services.bridge import BridgedServices
from mlci_emulator.server.moto_services.cloudformation import MotoCloudFormation
from mlci_emulator.server.moto_services.cloudformation_codebuild import ConnectionResource, ProjectResource
from mlci_emulator.server.moto_services.cloudformation_iam import OidcProviderResource
from mlci_emulator.server.moto_services.cloudformation_s3 import BucketPolicyResource, BucketResource
from mlci_emulator.server.moto_services.cloudformation_stepfunctions import StateMachineResource
from mlci_emulator.server.moto_services.s3_bridge import MotoS3


def register(services: BridgedServices) -> None:
    """Give moto the emulator's services; call it once, after moto's import and before its first request."""
    from moto.cloudformation.models import cloudformation_backends
    from moto.cloudformation.parsing import get_model_map
    from moto.s3.models import s3_backends

    s3_backends.backend = type("BridgedS3", (MotoS3,), {"services": services})
    cloudformation_backends.backend = MotoCloudFormation
    models = get_model_map()
    for resource in (ConnectionResource, ProjectResource, OidcProviderResource):
        models[resource.cloudformation_type()] = resource
    for bridged in (BucketResource, BucketPolicyResource, StateMachineResource):
        models[bridged.cloudformation_type()] = type(bridged.__name__, (bridged,), {"services": services})
