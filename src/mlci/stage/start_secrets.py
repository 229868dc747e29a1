"""The secrets of a step in its start document: the place of each, and the variables that hold it. No value is known."""

from __future__ import annotations

from mlci.flow.models import Flow, Json, SecretValue, Step, Text


def secrets_feature(flow: Flow, step: Step) -> dict[str, Json]:
    """Return the part of the start document that `starter/mlci_start_secrets.py` reads.

    A secret's name stands in a list of its own among the texts of a variable.
    """
    sources: dict[str, Json] = {
        secret.name: {"service": secret.service, "id": secret.id, "variable": secret.variable}
        for secret in flow.secrets_of(step.name)
    }
    return {"sources": sources, "variables": {name: _parts(text) for name, text in step.secrets.items()}}


def _parts(text: Text) -> list[Json]:
    return [[part.name] if isinstance(part, SecretValue) else str(part) for part in text]
