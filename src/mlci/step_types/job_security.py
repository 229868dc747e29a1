"""Keys of jobs for networks and encryption, and the fields of a request that they become.

Sources: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_VpcConfig.html, API_NetworkConfig.html,
API_CreateTrainingJob.html, API_OutputDataConfig.html, API_ResourceConfig.html and API_ProcessingOutputConfig.html; the
numbers are those of the API model that botocore carries.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from mlci.step_types.keys import Json, Key
from mlci.step_types.request_parts import field_at

_ID = r"[A-Za-z0-9-]{1,32}"
_KEY_ID = r"(arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:)?(key/[A-Za-z0-9-]+|alias/[A-Za-z0-9/_-]+|(?<!:)[A-Za-z0-9-]+)"
_MAX_SUBNETS, _MAX_SECURITY_GROUPS = 16, 5


def security_keys(output: tuple[str, ...], cluster: tuple[str, ...], network: tuple[str, ...]) -> tuple[Key, ...]:
    """Return the keys of a type of job. The paths lead to the configuration of outputs, machines and network."""

    def vpc(value: Json) -> dict[str, Json]:
        subnets, groups = (value["subnets"], value["security_groups"]) if isinstance(value, dict) else ([], [])
        return field_at(*network, "VpcConfig")({"SecurityGroupIds": groups, "Subnets": subnets})

    return (
        Key(
            "network_isolation",
            "boolean",
            "The container has no network but that between the instances of its job: no S3, no package index.",
            examples=(True,),
            in_defaults=True,
            becomes=field_at(*network, "EnableNetworkIsolation"),
        ),
        Key(
            "vpc",
            "vpc",
            "The network of your own that the job runs in. Without it, SageMaker's.",
            examples=({"subnets": ["subnet-1a2b3c4d"], "security_groups": ["sg-1a2b3c4d"]},),
            in_defaults=True,
            problems=_vpc_problems,
            becomes=vpc,
        ),
        Key(
            "encrypt_traffic",
            "boolean",
            "What the instances of the job send each other is encrypted, which takes longer.",
            examples=(True,),
            in_defaults=True,
            becomes=field_at(*network, "EnableInterContainerTrafficEncryption"),
        ),
        Key(
            "kms_key",
            "text",
            "The KMS key that outputs in S3 are encrypted by: its ID, ARN or alias. By default, the bucket's.",
            examples=("alias/models",),
            in_defaults=True,
            problems=_key_problems,
            becomes=field_at(*output, "KmsKeyId"),
        ),
        Key(
            "volume_kms_key",
            "text",
            "The KMS key that the disks of the instances are encrypted by: its ID or ARN.",
            examples=("1234abcd-12ab-34cd-56ef-1234567890ab",),
            in_defaults=True,
            problems=_volume_key_problems,
            becomes=field_at(*cluster, "VolumeKmsKeyId"),
        ),
    )


def _vpc_problems(value: Json) -> Iterator[tuple[tuple[str | int, ...], str, str]]:
    kinds = (("subnets", "subnet", _MAX_SUBNETS), ("security_groups", "sg", _MAX_SECURITY_GROUPS))
    for name, start, most in kinds:
        ids = value.get(name) if isinstance(value, dict) else None
        for index, each in enumerate(ids if isinstance(ids, list) else ()):
            if isinstance(each, str) and not re.fullmatch(_ID, each):
                yield (name, index), f'"{each[:80]}" is not an ID', f"Such as {start}-1a2b3c4d"
        if isinstance(ids, list) and not 1 <= len(ids) <= most:
            yield (name,), f'"{name}" has {len(ids)} IDs', f"AWS allows 1 to {most}"


def _key_problems(value: Json) -> Iterator[tuple[tuple[str | int, ...], str, str]]:
    if isinstance(value, str) and not re.fullmatch(_KEY_ID, value):
        yield (), f'"{value[:80]}" is not a KMS key', "Use a key ID, alias/…, or the ARN of a key or an alias"


def _volume_key_problems(value: Json) -> Iterator[tuple[tuple[str | int, ...], str, str]]:
    """Yield what is no key of a volume. API_ResourceConfig.html has no alias among the formats of VolumeKmsKeyId."""
    yield from _key_problems(value)
    if isinstance(value, str) and "alias/" in value:
        yield (), f'"{value[:80]}" is an alias, which AWS takes for no volume', "Use the key's ID or ARN"
