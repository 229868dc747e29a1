"""The reference of flow.yaml: every key of the schema, and docs/flow.md as `mlci schema --markdown` prints it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from mlci.flow import load, schema
from mlci.flow.reference import reference

PAGE = (Path(__file__).parents[3] / "docs" / "flow.md").read_text()


def test_docs_flow_md_holds_the_reference_as_the_schema_has_it() -> None:
    printed = PAGE.partition("<!-- begin reference -->\n")[2].partition("<!-- end reference -->")[0]
    assert printed.strip() == reference(schema()).strip(), "update docs/flow.md with `mlci schema --markdown`"


def test_every_key_has_a_row() -> None:
    document: Any = schema()
    definitions = [document, *document["$defs"].values()]
    keys = {key for definition in definitions for key in definition.get("properties", {})}
    assert [key for key in sorted(keys) if f"| `{key}` |" not in reference(document)] == []


def test_the_example_of_the_page_is_a_flow() -> None:
    example = PAGE.partition("```yaml\n")[2].partition("```")[0]
    assert set(yaml.safe_load(example)["steps"]) == set(load(example.encode(), "flow.yaml", {}, {}).steps)
