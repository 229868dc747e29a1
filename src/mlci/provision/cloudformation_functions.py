"""CloudFormation's intrinsic functions and resources, as a template holds them.

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


def get_att(name: str, attribute: str = "Arn") -> Value:
    return {"Fn::GetAtt": [name, attribute]}


def sub(text: str, **values: Value) -> Value:
    """Return Fn::Sub of a text with `${…}`; `values` are for names that are neither parameters nor resources."""
    used = {name: value for name, value in values.items() if f"${{{name}}}" in text}
    return {"Fn::Sub": [text, used]} if used else {"Fn::Sub": text}


def if_(condition: str, then: Value, otherwise: Value = NO_VALUE) -> Value:
    return {"Fn::If": [condition, then, otherwise]}


def join(separator: str, *parts: Value) -> Value:
    return {"Fn::Join": [separator, list(parts)]}


def split(separator: str, text: Value) -> Value:
    return {"Fn::Split": [separator, text]}


def replace(text: Value, old: str, new: str) -> Value:
    """Return the text with every `old` replaced by `new`."""
    return {"Fn::Join": [new, {"Fn::Split": [old, text]}]}


def equals(parameter: str, value: str) -> Value:
    return {"Fn::Equals": [ref(parameter), value]}


def is_set(parameter: str) -> Value:
    """Return the condition that a parameter is not empty."""
    return not_(equals(parameter, ""))


def not_(condition: Value) -> Value:
    return {"Fn::Not": [condition]}


def and_(*conditions: Value) -> Value:
    return {"Fn::And": [{"Condition": name} if isinstance(name, str) else name for name in conditions]}


def substitute(value: Value, **values: Value) -> Value:
    """Return a document with `sub` applied to each of its texts that has a `${…}`, and `ref` to a pseudo parameter."""
    match value:
        case "${AWS::AccountId}":
            return ref("AWS::AccountId")  # a template has room for few more characters
        case str():
            return sub(value, **values) if "${" in value else value
        case dict():
            return {name: substitute(member, **values) for name, member in value.items()}
        case list() | tuple():
            return [substitute(element, **values) for element in value]
    return value


def resource(kind: str, properties: Value, **attributes: Value) -> Resource:
    """Return a resource; `attributes` stand beside its properties, such as Condition and DependsOn."""
    return {"Type": kind, **attributes, "Properties": properties}


def skip_checks(**reasons: str) -> Value:
    """Return the Metadata that makes checkov skip checks, each with its reason.

    Source: https://www.checkov.io/2.Basics/Suppressing%20and%20Skipping%20Policies.html
    """
    return {"checkov": {"skip": [{"id": check, "comment": reason} for check, reason in reasons.items()]}}
