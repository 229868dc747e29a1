"""CloudFormation's functions, as they stand in a template.

Source: https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/intrinsic-function-reference.html
"""

from __future__ import annotations

from typing import Any, TypeAlias  # a template is plain JSON

#: A value in a template: JSON, with functions in it.
Value: TypeAlias = "Any"
Resource: TypeAlias = "dict[str, Any]"

NO_VALUE: Value = {"Ref": "AWS::NoValue"}


def ref(name: str) -> Value:
    return {"Ref": name}


def get(name: str, attribute: str = "Arn") -> Value:
    return {"Fn::GetAtt": [name, attribute]}


def sub(text: str, **values: Value) -> Value:
    """The text with `${…}` filled in; `values` are for names that are neither parameters nor resources."""
    used = {name: value for name, value in values.items() if f"${{{name}}}" in text}
    return {"Fn::Sub": [text, used]} if used else {"Fn::Sub": text}


def either(condition: str, then: Value, otherwise: Value = NO_VALUE) -> Value:
    return {"Fn::If": [condition, then, otherwise]}


def joined(separator: str, *parts: Value) -> Value:
    return {"Fn::Join": [separator, list(parts)]}


def replaced(text: Value, old: str, new: str) -> Value:
    """The text with one piece of it in another's place."""
    return {"Fn::Join": [new, {"Fn::Split": [old, text]}]}


def equals(parameter: str, value: str) -> Value:
    return {"Fn::Equals": [ref(parameter), value]}


def has(parameter: str) -> Value:
    """Whether a parameter is given."""
    return {"Fn::Not": [equals(parameter, "")]}


def every(*conditions: Value) -> Value:
    return {"Fn::And": [{"Condition": name} if isinstance(name, str) else name for name in conditions]}


def filled(value: Value, **values: Value) -> Value:
    """A document with `sub` for each of its texts that has a `${…}`."""
    match value:
        case str():
            return sub(value, **values) if "${" in value else value
        case dict():
            return {name: filled(member, **values) for name, member in value.items()}
        case list() | tuple():
            return [filled(element, **values) for element in value]
    return value


def resource(kind: str, properties: Value, **attributes: Value) -> Resource:
    """A resource; `attributes` are those beside its properties, such as Condition and DependsOn."""
    return {"Type": kind, **attributes, "Properties": properties}


def excepted(**reasons: str) -> Value:
    """The Metadata by which checkov leaves checks out, each with its reason.

    Source: https://www.checkov.io/2.Basics/Suppressing%20and%20Skipping%20Policies.html
    """
    return {"checkov": {"skip": [{"id": check, "comment": reason} for check, reason in reasons.items()]}}
