"""moto's other services see our buckets and state machines, and what they make is ours: CloudFormation makes both, a
Lambda function's code and a template lie in a bucket, Athena and Firehose write to one.

Imported with moto, so not at the start. What moto repeats after a restart is in the data folder already: it is not done
again.
"""

from __future__ import annotations

from mlci.cloud.serve.joined.buckets import Buckets
from mlci.cloud.serve.joined.building import Connection, Project
from mlci.cloud.serve.joined.formation import Formation
from mlci.cloud.serve.joined.machines import Machine
from mlci.cloud.serve.joined.ours import Ours


def join(ours: Ours) -> None:
    """To be called once, after moto's import and before its first request."""
    from moto.cloudformation.models import cloudformation_backends
    from moto.cloudformation.parsing import get_model_map
    from moto.s3.models import s3_backends

    s3_backends.backend = type("JoinedBuckets", (Buckets,), {"ours": ours})
    cloudformation_backends.backend = Formation
    for resource in (Connection, Project):
        get_model_map()[resource.cloudformation_type()] = resource
    get_model_map()[Machine.cloudformation_type()] = type("JoinedMachine", (Machine,), {"ours": ours})


__all__ = ["Ours", "join"]
