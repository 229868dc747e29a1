"""The two query languages, as far as reading a definition goes: two classes with the same methods.

Each knows which fields are its own, and makes of a field the value, payload or rule that the model has. Nothing beyond
this module asks which language a state is in.
Source: https://docs.aws.amazon.com/step-functions/latest/dg/transforming-data.html
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

from mlci_asl import jsonata
from mlci_asl.choice_rules import read_rule
from mlci_asl.choices import Condition, Rule
from mlci_asl.dataflow import WHOLE, Flow, PathFlow, QueryFlow
from mlci_asl.fields import JSONPATH, REFERENCE_PATH, Fields
from mlci_asl.intrinsics import is_intrinsic
from mlci_asl.jsontext import Json, dump
from mlci_asl.paths import Path, parse_path
from mlci_asl.references import parse_reference
from mlci_asl.templates import Constant, Expression, QueryReader, Selected, Template, parse_expression, parse_template
from mlci_asl.timestamps import parse_timestamp
from mlci_asl.variables import Assignment, check_name

_PATHS = {"InputPath", "OutputPath"}
_RESULT = {"Parameters", "ResultSelector", "ResultPath"}
#: Distributed Map's; AWS's recorded answers show that an inline Map may have them, and the guide gives them no meaning
#: there: an iteration that fails fails the Map.
_DISTRIBUTED = {"ToleratedFailureCount", "ToleratedFailurePercentage"}

#: ErrorPath and CausePath take the functions that give a string.
#: Source: https://docs.aws.amazon.com/step-functions/latest/dg/state-fail.html
_STRING_FUNCTIONS = frozenset(
    f"States.{name}"
    for name in ("Format", "JsonToString", "ArrayGetItem", "Base64Encode", "Base64Decode", "Hash", "UUID")
)


def _no_timestamp(text: str) -> str | None:
    return None if parse_timestamp(text) else "String does not match RFC3339 timestamp"


def _misplaced(name: str, here: str, there: str) -> str:
    return f"The QueryLanguage is set to '{here}', but field '{name}' is only supported for the '{there}' QueryLanguage"


#: What a literal, a path (in a field whose name ends in `Path`) or an expression fills.
_SETTINGS = (
    "TimeoutSeconds",
    "HeartbeatSeconds",
    "Seconds",
    "Timestamp",
    "Error",
    "Cause",
    "Items",
    "MaxConcurrency",
    *sorted(_DISTRIBUTED),
)


class JsonPath:
    """JSONPath: each field that a path can fill has a sibling whose name ends in `Path`."""

    name = "JSONPath"
    catch_fields = frozenset({"ResultPath"})
    fields: Mapping[str, set[str]] = {
        "Task": _PATHS | _RESULT | {"Assign", "TimeoutSecondsPath", "HeartbeatSecondsPath"},
        "Pass": _PATHS | {"Parameters", "Result", "ResultPath", "Assign"},
        "Choice": _PATHS | {"Assign"},
        "Wait": _PATHS | {"Assign", "SecondsPath", "TimestampPath"},
        "Succeed": _PATHS,
        "Fail": {"ErrorPath", "CausePath"},
        "Parallel": _PATHS | _RESULT | {"Assign"},
        "Map": _PATHS
        | _RESULT
        | _DISTRIBUTED
        | {"Assign", "ItemsPath", "MaxConcurrencyPath", "ToleratedFailureCountPath", "ToleratedFailurePercentagePath"},
    }
    foreign: Mapping[str, str] = {
        name: _misplaced(name, "JSONPath", "JSONata") for name in ("Arguments", "Output", "Condition", "Items")
    }

    def flow(self, fields: Fields, *, parameters: str = "Parameters") -> PathFlow:
        return PathFlow(
            input_path=fields.parsed_or_null("InputPath", parse_path, WHOLE),
            parameters=self.payload(fields, parameters) if parameters else None,
            result_selector=self.payload(fields, "ResultSelector"),
            result_path=fields.parsed_or_null("ResultPath", _writable, WHOLE, REFERENCE_PATH),
            output_path=fields.parsed_or_null("OutputPath", parse_path, WHOLE),
            assign=self._assign(fields),
        )

    def catch_flow(self, fields: Fields, where: str) -> PathFlow:
        return PathFlow(
            result_path=fields.parsed_or_null("ResultPath", _writable, WHOLE, REFERENCE_PATH),
            assign=self._assign(fields),
        )

    def rule(self, fields: Fields, state: Flow, where: str) -> tuple[Rule | None, Flow]:
        """A choice rule, and what is handed on where it holds; `state` is the Choice's own."""
        assert isinstance(state, PathFlow)
        return read_rule(fields, self.foreign, is_top=True), state._replace(assign=self._assign(fields))

    def number(self, fields: Fields, name: str, least: int) -> Template | None:
        """A field that counts something."""
        fields.at_most_one(name, f"{name}Path")
        if name in fields:
            return Constant(fields.integer(name, least, least))
        return self._path(fields, f"{name}Path")

    def moment(self, fields: Fields, name: str) -> Template | None:
        if name in fields:
            text = fields.text(name)
            fields.complain_of(_no_timestamp(text), name)
            return Constant(text)
        return self._path(fields, f"{name}Path")

    def text(self, fields: Fields, name: str) -> Template | None:
        fields.at_most_one(name, f"{name}Path")
        if name in fields:
            return Constant(fields.text(name))
        expression: Expression | None = fields.parsed(
            f"{name}Path", _string_expression, None, f"{JSONPATH} or a valid intrinsic function call"
        )
        return None if expression is None else Selected(f"{name}Path", expression)

    def items(self, fields: Fields) -> Template | None:
        return self._path(fields, "ItemsPath") or Selected("ItemsPath", WHOLE)

    def payload(self, fields: Fields, name: str) -> Template | None:
        if name not in fields:
            return None
        value = fields.members[name]
        if name == "ResultSelector" and not isinstance(value, dict):
            fields.problem(f'"{name}" must be an object', name)
            return None
        return parse_template(value, f"{fields.place}/{name}", fields.problem_at)

    def _path(self, fields: Fields, name: str) -> Template | None:
        path: Path | None = fields.parsed(name, parse_reference, None, REFERENCE_PATH)
        return None if path is None else Selected(name, path)

    def _assign(self, fields: Fields) -> Assignment:
        def read(name: str, value: Json, place: str) -> tuple[str, Template]:
            member = parse_template({name: value}, place.rpartition("/")[0], fields.problem_at)
            bare = name.removesuffix(".$")
            return bare, (Constant(value) if isinstance(member, Constant) else member.members[0][1])  # type: ignore[union-attr]

        return _read_assign(fields, read)


class Jsonata:
    """JSONata: a field that an expression can fill takes it in place of a literal."""

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
    foreign: Mapping[str, str] = {
        name: _misplaced(name, "JSONata", "JSONPath")
        for name in (
            *_PATHS,
            *_RESULT,
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

    def flow(self, fields: Fields, *, parameters: str = "") -> QueryFlow:
        has_result = fields.members.get("Type") in ("Task", "Parallel", "Map")
        lacking = frozenset({"errorOutput"} if has_result else {"errorOutput", "result"})
        return QueryFlow(
            self.payload(fields, "Arguments"), self.payload(fields, "Output", lacking), self._assign(fields, lacking)
        )

    def catch_flow(self, fields: Fields, where: str) -> QueryFlow:
        lacking = frozenset({"result"})
        return QueryFlow(None, self.payload(fields, "Output", lacking, where), self._assign(fields, lacking, where))

    def rule(self, fields: Fields, state: Flow, where: str) -> tuple[Rule | None, Flow]:
        """A choice rule, and what is handed on where it holds: not what the Choice itself says."""
        fields.check_known(("Comment", "Next", "Condition", "Output", "Assign"), self.foreign)
        flow = QueryFlow(None, self.payload(fields, "Output", _NEITHER, where), self._assign(fields, _NEITHER, where))
        if not fields.require("Condition"):
            return None, flow
        value = fields.members["Condition"]
        if not isinstance(value, bool) and not _is_expression(value):
            fields.problem(f'"Condition" must be an expression or a boolean, not {dump(value)[:80]}', "Condition")
        template = self.payload(fields, "Condition", _NEITHER, where)
        return (None if template is None else Condition(template)), flow

    def number(self, fields: Fields, name: str, least: int) -> Template | None:
        """A field that counts something."""
        if name not in fields or _is_expression(fields.members[name]):
            return self.payload(fields, name)
        return Constant(fields.integer(name, least, least))

    def moment(self, fields: Fields, name: str) -> Template | None:
        if name in fields and not _is_expression(fields.members[name]):
            fields.complain_of(_no_timestamp(fields.text(name)), name)
        return self.payload(fields, name)

    def text(self, fields: Fields, name: str) -> Template | None:
        fields.text(name)
        return self.payload(fields, name)

    def items(self, fields: Fields) -> Template | None:
        value = fields.members.get("Items", [])
        if not isinstance(value, list) and not _is_expression(value):
            fields.problem(f'"Items" must be an expression or an array, not {dump(value)[:80]}', "Items")
        return self.payload(fields, "Items")

    def payload(
        self, fields: Fields, name: str, lacking: frozenset[str] = frozenset({"result", "errorOutput"}), where: str = ""
    ) -> Template | None:
        if name not in fields:
            return None
        reader = QueryReader(fields.problem_at, lacking)
        return reader.payload(fields.members[name], f"{fields.place}/{name}", f"{where}{name}")

    def _assign(self, fields: Fields, lacking: frozenset[str], where: str = "") -> Assignment:
        reader = QueryReader(fields.problem_at, lacking)
        return _read_assign(
            fields, lambda name, value, place: (name, reader.payload(value, place, f"{where}Assign/{name}"))
        )


_NEITHER = frozenset({"result", "errorOutput"})

Language: TypeAlias = "JsonPath | Jsonata"
LANGUAGES: Mapping[str, Language] = {"JSONPath": JsonPath(), "JSONata": Jsonata()}


def read_language(fields: Fields, default: Language) -> Language:
    """The query language that an object of the definition names, or the machine's."""
    if "QueryLanguage" not in fields:
        return default
    name = fields.text("QueryLanguage", default.name)
    if name not in LANGUAGES:
        fields.problem("Value should be one of the following: [JSONPath, JSONata]", "QueryLanguage")
    elif default.name == "JSONata" and name != "JSONata":
        fields.problem("'QueryLanguage' can not be 'JSONPath' if set to 'JSONata' for whole state machine")
    return LANGUAGES.get(name, default)


def _is_expression(value: Json) -> bool:
    return isinstance(value, str) and (jsonata.is_expression(value) or jsonata.is_half_open(value))


def _read_assign(fields: Fields, read: Callable[[str, Json, str], tuple[str, Template]]) -> Assignment:
    child = fields.child("Assign")
    if child is None:
        return Assignment()
    found = [read(name, value, f"{child.place}/{name}") for name, value in child.members.items()]
    names = [name for name, _ in found]
    for name in dict.fromkeys(names):
        child.complain_of(check_name(name), name)
        if names.count(name) > 1:
            child.problem(f'"{name}" and "{name}.$" are the same variable')
    return Assignment(tuple(found))


def _writable(text: str) -> Path:
    return parse_reference(text, is_for_writing=True)


def _string_expression(text: str) -> Expression:
    if not is_intrinsic(text):
        return parse_reference(text)
    expression = parse_expression(text)
    if not isinstance(expression, Path) and expression.function not in _STRING_FUNCTIONS:
        raise ValueError(f"{expression.function} does not give a string")
    return expression
