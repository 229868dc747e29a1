"""The reference of flow.yaml's keys as Markdown, from the JSON schema: a part of docs/flow.md."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from mlci.step_types import STEP_TYPES

_REFERENCE_PATTERN = r"\$\{\{.*\}\}"


def reference(schema: Mapping[str, Any]) -> str:
    """Returns a table for each part of a flow, with the name, the type, a description and an example of each key."""
    definitions = schema["$defs"]
    sections = [
        "### The file",
        _table(schema, schema["properties"]),
        "### `defaults`",
        _described(definitions["DefaultsModel"]),
        "### A step",
        _described(definitions["StepModel"]),
        "Each type of step takes some of these keys:",
        _keys_by_type(definitions["StepModel"]),
        "### `matrix`",
        _described(definitions["MatrixModel"]),
        "### An input, in a step's `inputs`",
        _described(definitions["InputModel"]),
        "### `select`, in an input",
        _described(definitions["SelectModel"]),
        "### `image`, built from a folder",
        _described(definitions["ImageModel"]),
        "### `reuse`, with an age",
        _described(definitions["ReuseModel"]),
        "### A rule, in `gate` and in a step's `if`",
        _described(definitions["RuleModel"]),
        "### A condition, in a step's `if`",
        "\n\n".join(_described(definitions[name]) for name in ("AnyModel", "AllModel", "NotModel")),
        "### A secret, in `secrets`",
        _described(definitions["SecretModel"]),
        "### An item of `metric_definitions`",
        _described(definitions["MetricDefinitionModel"]),
        "### `vpc`",
        _described(definitions["VpcModel"]),
        "### A range, in `ranges`",
        _described(definitions["RangeModel"]),
        "### `objective`",
        _described(definitions["ObjectiveModel"]),
        "### `local`",
        _described(definitions["LocalModel"]),
        "### `aws`",
        _described(definitions["AwsModel"]),
    ]
    return "\n\n".join(sections) + "\n"


def _described(definition: Mapping[str, Any]) -> str:
    return f"{definition['description']}\n\n{_table(definition, definition['properties'])}"


def _table(definition: Mapping[str, Any], properties: Mapping[str, Any]) -> str:
    required = definition.get("required", ())
    rows = ["| key | value | description |", "| --- | --- | --- |"]
    for name, key in properties.items():
        needed = " Required." if name in required else ""
        description = key.get("description") or f"See below: [`{name}`](#{name})."
        rows.append(f"| `{name}` | {_type(key)} | {_cell(description)}{needed}{_examples(key)} |")
    return "\n".join(rows)


def _keys_by_type(step: Mapping[str, Any]) -> str:
    allowed = {
        rule["if"]["properties"]["uses"]["const"]: (rule["then"]["propertyNames"]["enum"], rule["then"]["required"])
        for rule in step["allOf"]
    }
    rows = [f"| key | {' | '.join(f'`{name}`' for name in STEP_TYPES)} |", f"| --- |{' --- |' * len(STEP_TYPES)}"]
    for key in step["properties"]:
        cells = [
            "required" if key in allowed[name][1] else "yes" if key in allowed[name][0] else "" for name in allowed
        ]
        if not all(cells):
            rows.append(f"| `{key}` | {' | '.join(cells)} |")
    return "\n".join(rows)


def _type(key: Mapping[str, Any]) -> str:
    if "enum" in key:
        return ", ".join(f"`{value}`" for value in key["enum"])
    if "$ref" in key:
        return _name(key["$ref"])
    choices = key.get("anyOf") or key.get("oneOf")
    if choices:
        return " or ".join(dict.fromkeys(_type(choice) for choice in choices if not _is_reference(choice)))
    match key.get("type"):
        case "array":
            return f"list of {_plural(_type(key['items']))}"
        case "object":
            values = key.get("additionalProperties")
            return f"map of {_plural(_type(values))}" if isinstance(values, dict) else "map"
        case list() as types:
            return " or ".join(_word(name) for name in types)
        case None:
            return "any value"
        case name:
            return _word(name) + "".join(_bounds(key))


def _bounds(key: Mapping[str, Any]) -> Iterator[str]:
    low, high = key.get("minimum"), key.get("maximum")
    if low is not None and high is not None:
        yield f" from {low:,} to {high:,}"
    elif low is not None:
        yield f" of at least {low:,}"


def _is_reference(choice: Mapping[str, Any]) -> bool:
    return choice.get("pattern") == _REFERENCE_PATTERN


def _name(ref: str) -> str:
    name = ref.rpartition("/")[2]
    names = {"RuleModel": "rule", "StepModel": "step", "InputModel": "map", "MetricDefinitionModel": "map"}
    return names.get(name, "any value" if name == "JsonValue" else "map")


def _word(name: str) -> str:
    return {"string": "text", "boolean": "true or false"}.get(name, name)


def _plural(name: str) -> str:
    irregular = {"any value": "any values", "text": "texts", "rule": "rules", "step": "steps", "map": "maps"}
    return irregular.get(name, "values" if " or " in name else name)


def _examples(key: Mapping[str, Any]) -> str:
    examples = key.get("examples")
    if not examples:
        return ""
    shown = (example if isinstance(example, str) else json.dumps(example) for example in examples)
    return f" Example: {', '.join(f'`{example}`' for example in shown)}."


def _cell(text: str) -> str:
    """Returns a description as a cell of a table, with references and placeholders as code."""
    return re.sub(r"\$\{\{.*?\}\}|--\w+ name=value|s3://", r"`\g<0>`", text).replace("|", "\\|")
