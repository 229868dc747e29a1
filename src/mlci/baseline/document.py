"""The format of a baseline: one JSON object, with a field for each of `Baseline`'s.

Those of older mlci lack some of the fields, which are empty then.
Without metrics, and without a run, it says that the baseline was reset.
"""

from __future__ import annotations

import json
from datetime import datetime

from mlci.baseline.history_document import parse_history, render_history
from mlci.baseline.rule_document import UnknownRule, parse_rule, render_rule
from mlci.errors import CloudError
from mlci.flow.models import Json, Rule, Scalar
from mlci.plan.models import Baseline

#: The version of the format. It changes when a reader of the old format would be misled by the new one. One that knows
#: fewer fields is not misled.
SCHEMA = 1


def render_baseline(baseline: Baseline) -> bytes:
    """Returns the bytes of a baseline."""
    document = {
        "schema": SCHEMA,
        "run_id": baseline.run_id or None,
        "commit": baseline.commit,
        "committed": baseline.committed.isoformat() if baseline.committed else None,
        "origin": baseline.origin,
        "metrics": dict(baseline.metrics),
        "outputs": {step: dict(uris) for step, uris in baseline.outputs.items()},
        "cases": dict(baseline.cases),
        "trained_on": dict(baseline.trained_on),
        "gate": [render_rule(rule) for rule in baseline.gate] if baseline.is_gate_known else None,
        "params": dict(baseline.params),
        "acceptances": list(baseline.acceptances),
        "keys": baseline.keys,
        "history": render_history(baseline.history),
    }
    return json.dumps(document, indent=2).encode()


def parse_baseline(data: bytes, uri: str) -> Baseline:
    """Returns the baseline that these bytes hold.

    Raises: CloudError, for a baseline that is damaged or of another schema.
    """
    try:
        document = json.loads(data)
        schema, metrics = document["schema"], document.get("metrics")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise _damaged(uri) from error
    if schema != SCHEMA:
        raise CloudError(
            f"the baseline {uri} has schema {json.dumps(schema)[:40]}, and this version of mlci reads schema {SCHEMA}.",
            hint="Upgrade mlci, or reset the baseline: `mlci baseline reset`.",
        )
    if not isinstance(metrics, dict):
        raise _damaged(uri)
    return Baseline(
        metrics,
        _text(document.get("run_id")),
        _text(document.get("commit")) or None,
        _time(document.get("committed")),
        document["origin"] if document.get("origin") in ("set", "reset") else "run",
        _outputs(document.get("outputs")),
        _texts(document.get("cases")),
        _texts(document.get("trained_on")),
        _gate(document.get("gate"), uri),
        _params(document.get("params"), uri),
        _acceptances(document.get("acceptances")),
        document.get("gate") is not None,
        _text(document.get("keys")),
        history=parse_history(document.get("history")),
    )


def _outputs(value: Json) -> dict[str, dict[str, str]]:
    """Returns the URIs of outputs as far as the document has any."""
    steps = value.items() if isinstance(value, dict) else ()
    return {step: _texts(uris) for step, uris in steps if isinstance(uris, dict)}


def _texts(value: Json) -> dict[str, str]:
    """Returns the texts of an object, by their names."""
    found = value.items() if isinstance(value, dict) else ()
    return {name: text for name, text in found if isinstance(text, str)}


def _gate(value: Json, uri: str) -> tuple[Rule, ...]:
    """Returns the rules of a gate. One that is not understood is an error: without it, what it forbids would pass."""
    if value is None:
        return ()
    if not isinstance(value, list):
        raise _damaged(uri)
    try:
        return tuple(map(parse_rule, value))
    except UnknownRule as error:
        raise CloudError(
            f"the baseline {uri} has a rule that this version of mlci does not know: {error}.",
            hint="Upgrade mlci, or reset the baseline: `mlci baseline reset`.",
        ) from error


def _params(value: Json, uri: str) -> dict[str, Scalar]:
    if value is None:
        return {}
    if not isinstance(value, dict) or not all(isinstance(param, str | int | float) for param in value.values()):
        raise _damaged(uri)
    return {name: param for name, param in value.items() if isinstance(param, str | int | float)}


def _acceptances(value: Json) -> tuple[str, ...]:
    return tuple(each for each in value if isinstance(each, str)) if isinstance(value, list) else ()


def _text(value: Json) -> str:
    return value if isinstance(value, str) else ""


def _time(value: Json) -> datetime | None:
    try:
        time = datetime.fromisoformat(_text(value))
    except ValueError:
        return None
    return time if time.tzinfo else None  # times without a zone can't be compared


def _damaged(uri: str) -> CloudError:
    hint = "Reset it, `mlci baseline reset`: the next passing run on the base branch writes it again."
    return CloudError(f"the baseline {uri} is damaged.", hint=hint)
