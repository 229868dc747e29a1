"""moto's other services see our buckets and state machines, and what they make is ours: CloudFormation makes both, a
Lambda function's code and a template lie in a bucket, Athena and Firehose write to one.

Imported with moto, so not at the start. What moto repeats after a restart is in the data folder already: it is not done
again.
"""

from __future__ import annotations

from mlci.cloud.serve.joined.buckets import Buckets
from mlci.cloud.serve.joined.building import Connection, Project
from mlci.cloud.serve.joined.formation import Formation
from mlci.cloud.serve.joined.identity import OidcProvider
from mlci.cloud.serve.joined.machines import Machine
from mlci.cloud.serve.joined.ours import Ours
from mlci.cloud.serve.joined.storage import Bucket, BucketPolicy


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
