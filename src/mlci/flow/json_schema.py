"""The JSON schema of `flow.yaml`, which editors check and complete with."""

from __future__ import annotations

import re
from typing import Any, cast

from mlci.flow import limits
from mlci.flow.models import Json
from mlci.step_types import STEP_TYPES, all_keys

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_REFERENCE: Json = {"type": "string", "pattern": r"\$\{\{.*\}\}", "description": "A reference: ${{ params.name }}."}
_NOT_TEXT = ("integer", "number", "boolean")


def schema() -> dict[str, Json]:
    """The schema, draft 2020-12. It accepts every flow that `load` accepts; `load` then checks much more."""
    from mlci.flow.references import TEMPLATE_PREFIX

    opened = _plain(_document_schema())
    assert isinstance(opened, dict)
    _name_keys(opened)
    _add_step_types(opened)
    opened["patternProperties"] = {
        f"^{re.escape(TEMPLATE_PREFIX)}": {"description": "For YAML anchors and templates; mlci does not read it."}
    }
    return {"$schema": DIALECT, **opened, "title": "mlci flow"}


def _document_schema() -> dict[str, Json]:
    """The schema of the whole document as pydantic has it, with steps that may have the keys of any type."""
    from pydantic import Field, create_model  # it takes 0.15 s to import, which only this and load need

    from mlci.flow.schema_models import FlowModel, step_model

    description = FlowModel.model_fields["steps"].description
    fields: dict[str, Any] = {"steps": (dict[str, step_model(None)], Field(description=description))}  # type: ignore[misc]
    document = create_model("FlowModel", __base__=FlowModel, __doc__=FlowModel.__doc__, **fields)
    return cast("dict[str, Json]", document.model_json_schema(by_alias=True))


def _add_step_types(document: dict[str, Json]) -> None:
    """Adds the keys that each type of step requires and allows."""
    step = cast("dict[str, dict[str, Json]]", document["$defs"])["StepModel"]
    common = [name for name in cast("dict[str, Json]", step["properties"]) if name not in all_keys()]
    step["allOf"] = [
        {
            "if": {"properties": {"uses": {"const": name}}, "required": ["uses"]},
            "then": {
                "required": [key.name for key in kind.keys if key.is_required],
                "propertyNames": {"enum": [*common, *(key.name for key in kind.keys)]},
            },
        }
        for name, kind in STEP_TYPES.items()
    ]


def _plain(node: Json) -> Json:
    """Without pydantic's titles and nulls (a key has a value, or is not there), and open to references."""
    if isinstance(node, list):
        return [_plain(part) for part in node]
    if not isinstance(node, dict):
        return node
    short = _with_types_as_one(_without_null(node))
    return _with_reference({key: _under(key, part) for key, part in short.items() if not _is_title(key, part)})


def _is_title(key: str, part: Json) -> bool:
    return key == "title" and isinstance(part, str)


def _under(key: str, part: Json) -> Json:
    if key in ("properties", "$defs") and isinstance(part, dict):
        return {name: _plain(inner) for name, inner in part.items()}
    return part if key in ("examples", "default") else _plain(part)


def _without_null(node: dict[str, Json]) -> dict[str, Json]:
    choices = node.get("anyOf")
    if not isinstance(choices, list) or {"type": "null"} not in choices:
        return node
    left = [choice for choice in choices if choice != {"type": "null"}]
    rest = {key: part for key, part in node.items() if key not in ("anyOf", "default")}
    if len(left) == 1 and isinstance(left[0], dict):
        return {**left[0], **rest}
    return {**rest, "anyOf": left}


def _with_types_as_one(node: dict[str, Json]) -> dict[str, Json]:
    """A choice of plain types as one list of types, where text, and so a reference, is among them."""
    choices = node.get("anyOf")
    if not isinstance(choices, list):
        return node
    types = [choice.get("type") for choice in choices if isinstance(choice, dict) and choice.keys() == {"type"}]
    if "string" not in types or len(types) < len(choices):
        return node
    kept: list[Json] = [name for name in types if not (name == "integer" and "number" in types)]
    return {**{key: part for key, part in node.items() if key != "anyOf"}, "type": kept}


def _with_reference(node: dict[str, Json]) -> dict[str, Json]:
    if node.get("type") not in _NOT_TEXT:
        return node
    shown: dict[str, Json] = {key: node[key] for key in ("description", "examples", "default") if key in node}
    return {**shown, "anyOf": [{key: part for key, part in node.items() if key not in shown}, _REFERENCE]}


def _name_keys(found: dict[str, Json]) -> None:
    """Adds what names may be: the one thing that pydantic's models leave to `names`."""
    properties = cast("dict[str, dict[str, Json]]", found["properties"])
    properties["flow"]["pattern"] = f"^{limits.FLOW_NAME.pattern}$"
    properties["flow"]["maxLength"] = limits.MAX_FLOW_NAME_CHARS
    properties["steps"]["minProperties"] = 1
    properties["steps"]["propertyNames"] = {
        "pattern": f"^{limits.STEP_NAME.pattern}$",
        "maxLength": limits.MAX_STEP_NAME_CHARS,
    }
