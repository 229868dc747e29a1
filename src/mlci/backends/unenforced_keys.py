"""The keys of a flow that have no effect on the local cloud: machines, networks and encryption of AWS."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from mlci.plan.models import Plan

#: The keys by the field of a request that each becomes.
_KEYS = {
    "EnableManagedSpotTraining": "spot",
    "KeepAlivePeriodInSeconds": "keep_alive",
    "VpcConfig": "vpc",
    "EnableInterContainerTrafficEncryption": "encrypt_traffic",
    "KmsKeyId": "kms_key",
    "VolumeKmsKeyId": "volume_kms_key",
}


def unenforced_keys(planned: Plan) -> str:
    """Return a sentence that names the keys without an effect here and their steps, or ""."""
    steps: dict[str, dict[str, None]] = {}
    for name, step in planned.steps.items():
        cell = planned.flow.steps[name].cell
        for field in _fields(step.request):
            steps.setdefault(_KEYS[field], {})[cell.step if cell else name] = None
    if not steps:
        return ""
    named = ", ".join(f"{key} ({', '.join(steps[key])})" for key in _KEYS.values() if key in steps)
    spot = " Spot jobs run as any other: nothing is saved, and nothing interrupts them." if "spot" in steps else ""
    return f"no effect on the local cloud: {named}.{spot}"


def _fields(value: Any) -> Iterator[str]:
    """Yield the fields without an effect, at any depth of a request."""
    if isinstance(value, Mapping):
        for name, member in value.items():
            if name in _KEYS and member:
                yield name
            yield from _fields(member)
