"""Reads the fields that differ between the query languages: two classes with the same methods.

Each knows its fields, and reads a field into the value, payload template or condition that the model has. No other
module depends on the language of a state.
Source: https://docs.aws.amazon.com/step-functions/latest/dg/transforming-data.html
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

from mlci_asl import jsonata
from mlci_asl.choice_rules import read_condition
from mlci_asl.choices import ChoiceCondition, JsonataCondition
from mlci_asl.dataflow import WHOLE_INPUT, DataFlow, JsonataDataFlow, JsonPathDataFlow
from mlci_asl.fields import JSONPATH, REFERENCE_PATH, Fields
from mlci_asl.intrinsics import is_intrinsic
from mlci_asl.jsontext import Json, dump
from mlci_asl.paths import Path, parse_path
from mlci_asl.references import parse_reference
from mlci_asl.templates import (
    ConstantTemplate,
    Expression,
    JsonataTemplateReader,
    PathTemplate,
    PayloadTemplate,
    parse_expression,
    parse_template,
)
from mlci_asl.timestamps import parse_timestamp
from mlci_asl.variables import Assignment, check_name

_INPUT_OUTPUT_PATHS = {"InputPath", "OutputPath"}
_PAYLOAD_FIELDS = {"Parameters", "ResultSelector", "ResultPath"}
#: Fields of a distributed Map. As recorded from AWS, an inline Map may have them; they have no effect there, and an
#: iteration that fails fails the Map.
_DISTRIBUTED = {"ToleratedFailureCount", "ToleratedFailurePercentage"}

#: ErrorPath and CausePath take the functions that return a string.
#: Source: https://docs.aws.amazon.com/step-functions/latest/dg/state-fail.html
_STRING_FUNCTIONS = frozenset(
    f"States.{name}"
    for name in ("Format", "JsonToString", "ArrayGetItem", "Base64Encode", "Base64Decode", "Hash", "UUID")
)


def _no_timestamp(string: str) -> str | None:
    return None if parse_timestamp(string) else "String does not match RFC3339 timestamp"


def _wrong_language(name: str, actual: str, required: str) -> str:
    supported = f"field '{name}' is only supported for the '{required}' QueryLanguage"
    return f"The QueryLanguage is set to '{actual}', but {supported}"


class JsonPathLanguage:
    """JSONPath: a field that takes a path has a name that ends in `Path`, next to the one that takes a literal."""

    name = "JSONPath"
    catch_fields = frozenset({"ResultPath"})
    fields: Mapping[str, set[str]] = {
        "Task": _INPUT_OUTPUT_PATHS | _PAYLOAD_FIELDS | {"Assign", "TimeoutSecondsPath", "HeartbeatSecondsPath"},
        "Pass": _INPUT_OUTPUT_PATHS | {"Parameters", "Result", "ResultPath", "Assign"},
        "Choice": _INPUT_OUTPUT_PATHS | {"Assign"},
        "Wait": _INPUT_OUTPUT_PATHS | {"Assign", "SecondsPath", "TimestampPath"},
        "Succeed": _INPUT_OUTPUT_PATHS,
        "Fail": {"ErrorPath", "CausePath"},
        "Parallel": _INPUT_OUTPUT_PATHS | _PAYLOAD_FIELDS | {"Assign"},
        "Map": _INPUT_OUTPUT_PATHS
        | _PAYLOAD_FIELDS
        | _DISTRIBUTED
        | {"Assign", "ItemsPath", "MaxConcurrencyPath", "ToleratedFailureCountPath", "ToleratedFailurePercentagePath"},
    }
    unsupported_fields: Mapping[str, str] = {
        name: _wrong_language(name, "JSONPath", "JSONata") for name in ("Arguments", "Output", "Condition", "Items")
    }

    def flow(self, fields: Fields, *, parameters: str = "Parameters") -> JsonPathDataFlow:
        return JsonPathDataFlow(
            input_path=fields.parsed_or_null("InputPath", parse_path, WHOLE_INPUT),
            parameters=self.payload(fields, parameters) if parameters else None,
            result_selector=self.payload(fields, "ResultSelector"),
            result_path=fields.parsed_or_null("ResultPath", _writable, WHOLE_INPUT, REFERENCE_PATH),
            output_path=fields.parsed_or_null("OutputPath", parse_path, WHOLE_INPUT),
            assign=self._assign(fields),
        )

    def catch_flow(self, fields: Fields, field_prefix: str) -> JsonPathDataFlow:
        return JsonPathDataFlow(
            result_path=fields.parsed_or_null("ResultPath", _writable, WHOLE_INPUT, REFERENCE_PATH),
            assign=self._assign(fields),
        )

    def choice_condition(
        self, fields: Fields, state: DataFlow, field_prefix: str
    ) -> tuple[ChoiceCondition | None, DataFlow]:
        """The condition and the data flow of a choice rule; `state` is the data flow of the Choice."""
        assert isinstance(state, JsonPathDataFlow)
        return read_condition(fields, self.unsupported_fields, is_top=True), state._replace(assign=self._assign(fields))

    def number(self, fields: Fields, name: str, minimum: int) -> PayloadTemplate | None:
        """An integer field."""
        fields.at_most_one(name, f"{name}Path")
        if name in fields:
            return ConstantTemplate(fields.integer(name, minimum, minimum))
        return self._path(fields, f"{name}Path")

    def timestamp(self, fields: Fields, name: str) -> PayloadTemplate | None:
        if name in fields:
            string = fields.string(name)
            fields.add_problem_if(_no_timestamp(string), name)
            return ConstantTemplate(string)
        return self._path(fields, f"{name}Path")

    def string(self, fields: Fields, name: str) -> PayloadTemplate | None:
        fields.at_most_one(name, f"{name}Path")
        if name in fields:
            return ConstantTemplate(fields.string(name))
        expression: Expression | None = fields.parsed(
            f"{name}Path", _string_expression, None, f"{JSONPATH} or a valid intrinsic function call"
        )
        return None if expression is None else PathTemplate(f"{name}Path", expression)

    def items(self, fields: Fields) -> PayloadTemplate | None:
        return self._path(fields, "ItemsPath") or PathTemplate("ItemsPath", WHOLE_INPUT)

    def payload(self, fields: Fields, name: str) -> PayloadTemplate | None:
        if name not in fields:
            return None
        value = fields.members[name]
        if name == "ResultSelector" and not isinstance(value, dict):
            fields.add_problem(f'"{name}" must be an object', name)
            return None
        return parse_template(value, f"{fields.location}/{name}", fields.add_problem_at)

    def _path(self, fields: Fields, name: str) -> PayloadTemplate | None:
        path: Path | None = fields.parsed(name, parse_reference, None, REFERENCE_PATH)
        return None if path is None else PathTemplate(name, path)

    def _assign(self, fields: Fields) -> Assignment:
        def read_variable(name: str, value: Json, location: str) -> tuple[str, PayloadTemplate]:
            member = parse_template({name: value}, location.rpartition("/")[0], fields.add_problem_at)
            variable = name.removesuffix(".$")
            return variable, (ConstantTemplate(value) if isinstance(member, ConstantTemplate) else member.members[0][1])  # type: ignore[union-attr]

        return _read_assign(fields, read_variable)


class JsonataLanguage:
    """JSONata: the same field takes a literal or an expression."""

    name = "JSONata"
    catch_fields = frozenset({"Output"})
    fields: Mapping[str, set[str]] = {
        "Task": {"Arguments", "Output", "Assign"},
        "Pass": {"Output", "Assign"},
        "Choice": {"Output", "Assign"},
        "Wait": {"Output", "Assign"},
        "Succeed": {"Output"},
        "Fail": set(),
        "Parallel": {"Arguments", "Output", "Assign"},
        "Map": {"Output", "Assign", "Items"} | _DISTRIBUTED,
    }
    unsupported_fields: Mapping[str, str] = {
        name: _wrong_language(name, "JSONata", "JSONPath")
        for name in (
            *_INPUT_OUTPUT_PATHS,
            *_PAYLOAD_FIELDS,
            "Result",
            "Variable",
            *(
                f"{name}Path"
                for name in ("TimeoutSeconds", "HeartbeatSeconds", "Seconds", "Timestamp", "Error", "Cause")
            ),
            *(f"{name}Path" for name in ("Items", "MaxConcurrency", "ToleratedFailureCount")),
            "ToleratedFailurePercentagePath",
        )
    }

    def flow(self, fields: Fields, *, parameters: str = "") -> JsonataDataFlow:
        has_result = fields.members.get("Type") in ("Task", "Parallel", "Map")
        unavailable = frozenset({"errorOutput"} if has_result else {"errorOutput", "result"})
        return JsonataDataFlow(
            self.payload(fields, "Arguments"),
            self.payload(fields, "Output", unavailable),
            self._assign(fields, unavailable),
        )

    def catch_flow(self, fields: Fields, field_prefix: str) -> JsonataDataFlow:
        unavailable = frozenset({"result"})
        return JsonataDataFlow(
            None,
            self.payload(fields, "Output", unavailable, field_prefix),
            self._assign(fields, unavailable, field_prefix),
        )

    def choice_condition(
        self, fields: Fields, state: DataFlow, field_prefix: str
    ) -> tuple[ChoiceCondition | None, DataFlow]:
        """The condition and the data flow of a choice rule, which has an Output and Assign of its own."""
        fields.check_known(("Comment", "Next", "Condition", "Output", "Assign"), self.unsupported_fields)
        flow = JsonataDataFlow(
            None,
            self.payload(fields, "Output", _NO_RESULT, field_prefix),
            self._assign(fields, _NO_RESULT, field_prefix),
        )
        if not fields.require("Condition"):
            return None, flow
        value = fields.members["Condition"]
        if not isinstance(value, bool) and not _is_expression(value):
            fields.add_problem(f'"Condition" must be an expression or a boolean, not {dump(value)[:80]}', "Condition")
        template = self.payload(fields, "Condition", _NO_RESULT, field_prefix)
        return (None if template is None else JsonataCondition(template)), flow

    def number(self, fields: Fields, name: str, minimum: int) -> PayloadTemplate | None:
        """An integer field."""
        if name not in fields or _is_expression(fields.members[name]):
            return self.payload(fields, name)
        return ConstantTemplate(fields.integer(name, minimum, minimum))

    def timestamp(self, fields: Fields, name: str) -> PayloadTemplate | None:
        if name in fields and not _is_expression(fields.members[name]):
            fields.add_problem_if(_no_timestamp(fields.string(name)), name)
        return self.payload(fields, name)

    def string(self, fields: Fields, name: str) -> PayloadTemplate | None:
        fields.string(name)
        return self.payload(fields, name)

    def items(self, fields: Fields) -> PayloadTemplate | None:
        value = fields.members.get("Items", [])
        if not isinstance(value, list) and not _is_expression(value):
            fields.add_problem(f'"Items" must be an expression or an array, not {dump(value)[:80]}', "Items")
        return self.payload(fields, "Items")

    def payload(
        self,
        fields: Fields,
        name: str,
        unavailable: frozenset[str] = frozenset({"result", "errorOutput"}),
        field_prefix: str = "",
    ) -> PayloadTemplate | None:
        if name not in fields:
            return None
        reader = JsonataTemplateReader(fields.add_problem_at, unavailable)
        return reader.payload(fields.members[name], f"{fields.location}/{name}", f"{field_prefix}{name}")

    def _assign(self, fields: Fields, unavailable: frozenset[str], field_prefix: str = "") -> Assignment:
        reader = JsonataTemplateReader(fields.add_problem_at, unavailable)
        return _read_assign(
            fields,
            lambda name, value, location: (name, reader.payload(value, location, f"{field_prefix}Assign/{name}")),
        )


_NO_RESULT = frozenset({"result", "errorOutput"})

QueryLanguage: TypeAlias = "JsonPathLanguage | JsonataLanguage"
QUERY_LANGUAGES: Mapping[str, QueryLanguage] = {"JSONPath": JsonPathLanguage(), "JSONata": JsonataLanguage()}


def read_query_language(fields: Fields, default: QueryLanguage) -> QueryLanguage:
    """The QueryLanguage of an object of the definition, or the default."""
    if "QueryLanguage" not in fields:
        return default
    name = fields.string("QueryLanguage", default.name)
    if name not in QUERY_LANGUAGES:
        fields.add_problem("Value should be one of the following: [JSONPath, JSONata]", "QueryLanguage")
    elif default.name == "JSONata" and name != "JSONata":
        fields.add_problem("'QueryLanguage' can not be 'JSONPath' if set to 'JSONata' for whole state machine")
    return QUERY_LANGUAGES.get(name, default)


def _is_expression(value: Json) -> bool:
    return isinstance(value, str) and (jsonata.is_expression(value) or jsonata.is_half_open(value))


def _read_assign(fields: Fields, read_variable: Callable[[str, Json, str], tuple[str, PayloadTemplate]]) -> Assignment:
    child = fields.child("Assign")
    if child is None:
        return Assignment()
    assignments = [read_variable(name, value, f"{child.location}/{name}") for name, value in child.members.items()]
    names = [name for name, _ in assignments]
    for name in dict.fromkeys(names):
        child.add_problem_if(check_name(name), name)
        if names.count(name) > 1:
            child.add_problem(f'"{name}" and "{name}.$" are the same variable')
    return Assignment(tuple(assignments))


def _writable(string: str) -> Path:
    return parse_reference(string, is_for_writing=True)


def _string_expression(string: str) -> Expression:
    if not is_intrinsic(string):
        return parse_reference(string)
    expression = parse_expression(string)
    if not isinstance(expression, Path) and expression.function not in _STRING_FUNCTIONS:
        raise ValueError(f"{expression.function} does not return a string")
    return expression
