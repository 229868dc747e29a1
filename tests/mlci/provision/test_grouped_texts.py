"""A template in fewer characters says the same."""

from __future__ import annotations

import json
from typing import Any

import pytest
from moto.cloudformation.parsing import ResourceMap, clean_json

from mlci.provision.cloudformation_functions import Value, get_att, if_, ref, sub
from mlci.provision.grouped_texts import grouped

BUCKET = if_("MakesBucket", ref("Made"), ref("Given"))
PARAMETERS = {"Given": "given", "Made": "made", "Depth": "7"}
LISTS: list[Value] = [
    [sub("arn:${AWS::Partition}:s3:::${B}/x/*", B=BUCKET), sub("arn:${AWS::Partition}:s3:::${B}/y/*", B=BUCKET)],
    [sub("arn:${AWS::Partition}:logs:${AWS::Region}:x"), sub("arn:${AWS::Partition}:logs:${AWS::Region}:x:*")],
    [sub("${Given}"), sub("${Given}-2"), sub("${Made}")],
    [sub("a|${Given}"), sub("b|${Given}")],
    [sub("${Given}/*"), "plain"],
    [sub("${Given}/*")],
    [ref("Given"), ref("Made")],
    [],
]


def resolved(value: Value) -> Any:
    parameters = {name: {"Type": "String"} for name in PARAMETERS}
    conditions = {"MakesBucket": {"Fn::Equals": [ref("Depth"), "8"]}}
    document = {"Parameters": parameters, "Conditions": conditions, "Resources": {}}
    resources = ResourceMap("1", "mlci-small", PARAMETERS, {}, "us-east-1", "000000000000", document, {})
    resources.load()
    return clean_json(value, resources)


@pytest.mark.parametrize("value", LISTS)
def test_a_list_says_the_same(value: Value) -> None:
    assert resolved(grouped(value)) == resolved(value)
    assert len(json.dumps(grouped(value))) <= len(json.dumps(value))


def test_lists_with_much_in_common_become_shorter() -> None:
    assert ["Fn::Split" in grouped(value) for value in LISTS] == [True, True, True, *[False] * 5]


def test_attributes_are_texts_as_well() -> None:
    assert grouped([get_att("A"), get_att("B")]) == {"Fn::Split": ["|", {"Fn::Sub": "${A.Arn}|${B.Arn}"}]}


def test_arguments_of_functions_stay() -> None:
    value = {"Fn::If": ["MakesBucket", LISTS[0], ref("AWS::NoValue")]}
    assert grouped({"Resource": value}) == {"Resource": value}
