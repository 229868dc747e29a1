"""What a flow is: `flow.yaml` becomes a typed Flow, or an InputError with all of its problems.

The way through, in `load`: bytes → `document` (nodes, scalars: values with positions, hostile texts refused) → `params`
→ `references` (params filled in) → `spelling` and `translate` (each part by its pydantic model, errors in our words) →
`reach`, `rules`, `steps` (what is meant, and what AWS allows: `limits`, `names`, `paths`, `durations`) → `graph`.
`problems` gathers what is wrong on the way, `models` holds what comes out, and `schema` describes what goes in.

Everything here is pure. pydantic is imported only when a flow is loaded or the schema asked for.
"""

from __future__ import annotations

from mlci.flow.dependencies import dependencies
from mlci.flow.durations import format_duration, parse_duration
from mlci.flow.json_schema import schema
from mlci.flow.load import load
from mlci.flow.models import (
    BuildImage,
    Flow,
    InputPath,
    Json,
    Op,
    OutputPath,
    Position,
    Reference,
    RepositoryPath,
    Rule,
    S3Location,
    Scalar,
    Source,
    Step,
    StepOutput,
    Text,
)
from mlci.flow.params import param_overrides
from mlci.flow.problems import nearest
from mlci.flow.yaml_document import MAX_BYTES

__all__ = [
    "MAX_BYTES",
    "BuildImage",
    "Flow",
    "InputPath",
    "Json",
    "Op",
    "OutputPath",
    "Position",
    "Reference",
    "RepositoryPath",
    "Rule",
    "S3Location",
    "Scalar",
    "Source",
    "Step",
    "StepOutput",
    "Text",
    "dependencies",
    "format_duration",
    "load",
    "nearest",
    "param_overrides",
    "parse_duration",
    "schema",
]
