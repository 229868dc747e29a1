"""moto's other services see our buckets and state machines, and what they make is ours: CloudFormation makes both, a
Lambda function's code and a template lie in a bucket, Athena and Firehose write to one.

Imported with moto, so not at the start. What moto repeats after a restart is in the data folder already: it is not done
again.
"""

from __future__ import annotations

from mlci_emulator.server.moto_services.bridge import Ours
from mlci_emulator.server.moto_services.cloudformation import Formation
from mlci_emulator.server.moto_services.cloudformation_codebuild import Connection, Project
from mlci_emulator.server.moto_services.cloudformation_iam import OidcProvider
from mlci_emulator.server.moto_services.cloudformation_s3 import Bucket, BucketPolicy
from mlci_emulator.server.moto_services.cloudformation_stepfunctions import Machine
from mlci_emulator.server.moto_services.s3_bridge import Buckets


def join(ours: Ours) -> None:
    """To be called once, after moto's import and before its first request."""
    from moto.cloudformation.models import cloudformation_backends
    from moto.cloudformation.parsing import get_model_map
    from moto.s3.models import s3_backends

    s3_backends.backend = type("JoinedBuckets", (Buckets,), {"ours": ours})
    cloudformation_backends.backend = Formation
    models = get_model_map()
    for alone in (Connection, Project, OidcProvider):
        models[alone.cloudformation_type()] = alone
    for joined in (Bucket, BucketPolicy, Machine):
        models[joined.cloudformation_type()] = type(f"Joined{joined.__name__}", (joined,), {"ours": ours})


__all__ = ["Ours", "join"]
