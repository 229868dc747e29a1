"""flow.yaml → Flow: the text becomes a typed Flow, or an InputError with all of its problems.

In the order in which `load` uses them:

    load.py                 the text of flow.yaml becomes a Flow; imports all that follows when it is called
    loading.py              the stages of that, in their order
    yaml_document.py        the text as plain values, with the line and column of every part
    yaml_nodes.py           YAML's nodes, composed within bounds, and PyYAML's syntax errors as problems
    yaml_scalars.py         the values of scalars without quotes
    problems.py             the problems of one file, collected and shown together; the nearest word
    invalid_value.py        the exception of all that reads one value
    params.py               params: defaults, and the options and variables that override them
    environment.py          variables of the environment that a flow may read
    references.py           the forms of `${{ … }}`, and the document with params and variables filled in
    matrix_cells.py         the cells of a matrix, by the rules of GitHub Actions
    matrix.py               a step's matrix, read and checked
    matrix_expansion.py     the document with a step for each cell
    schema_models.py        the pydantic models of each part of the file
    validation_messages.py  pydantic's errors as problems of a flow
    reference_check.py      checks that each reference names something that exists
    written_step.py         a step as the file has it, and what it is built with
    file_name_keys.py       `cases`, `trained_on` and `plots` of a step
    case_rules.py           the keys of rules on cases, and their level
    key_reader.py           reads the keys of a step, with the checks that all keys share
    machine_keys.py         on what a step runs: image, machines, time limit
    file_keys.py            the files of a step: inputs, outputs, metrics, and what is sent along
    value_keys.py           the values that a script or a request gets
    request_keys.py         the keys that become fields of a request
    reuse_keys.py           the key that says which results of earlier runs a step takes
    script_keys.py          the keys of a step that say how its script starts
    secret_variables.py     the variables of a step that hold secrets
    steps.py                a step, from its keys
    build_steps.py          notes on the steps that the build runs itself
    model_scripts.py        notes on models that no script serves
    secrets.py              the sources of secrets
    rules.py                the rules of the gate and of `if`
    conditions.py           `if`, with `any`, `all` and `not` of rules
    measured.py             the rules on what a run measures: time, size and cost
    counted_steps.py        the steps that a rule on a run's cost counts
    metric_sources.py       the files and the lines of output that hold a step's metrics
    metric_paths.py         the names of metrics in rules
    paths.py                paths of the repository, and locations in S3
    durations.py            durations such as 1h30m
    names.py                the names that a flow may give
    limits.py               the limits of AWS that any flow can break
    selections.py           the inputs that are of the best cell of a matrix
    cell_references.py      the cells that a reference to a step with a matrix means
    dependencies.py         the predecessors of each step, and cycles
    part.py                 the steps that --only, --from and --until choose
    models.py               Flow, Step, Rule and the other types that later stages share
    flow_document.py        a Flow as JSON, and back
    json_schema.py          the JSON schema of flow.yaml
    reference.py            the tables of docs/flow.md

Everything here is pure. PyYAML and pydantic are imported only when a flow is loaded or the schema is built.
"""

from __future__ import annotations

from mlci.flow.dependencies import dependencies
from mlci.flow.durations import format_duration, parse_duration
from mlci.flow.json_schema import schema
from mlci.flow.limits import MAX_BYTES
from mlci.flow.load import load
from mlci.flow.models import (
    BaselineOutput,
    Flow,
    InputPath,
    Json,
    MetricDefinition,
    MetricsFiles,
    Op,
    OutputPath,
    Position,
    Reference,
    RepositoryPath,
    Rule,
    S3Location,
    Scalar,
    Secret,
    SecretValue,
    Source,
    Step,
    StepOutput,
    Text,
)
from mlci.flow.params import param_overrides
from mlci.flow.problems import nearest

__all__ = [
    "MAX_BYTES",
    "BaselineOutput",
    "Flow",
    "InputPath",
    "Json",
    "MetricDefinition",
    "MetricsFiles",
    "Op",
    "OutputPath",
    "Position",
    "Reference",
    "RepositoryPath",
    "Rule",
    "S3Location",
    "Scalar",
    "Secret",
    "SecretValue",
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
