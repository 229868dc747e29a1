"""A template in fewer characters: the texts of a list are one text that is split, so that what they share stands once.

Sources: https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/intrinsic-function-reference-split.html
and intrinsic-function-reference-sub.html
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from mlci.provision.cloudformation_functions import Value, split, sub

#: Divides the texts of a list, none of which has it.
_SEPARATOR = "|"
#: Stands for the beginning that the texts of a list share. No parameter and no resource has this name.
_BEGINNING = "P"


def grouped(value: Value) -> Value:
    """Return a document whose lists of texts with `Fn::Sub` or `Fn::GetAtt` are as short as they can be."""
    match value:
        case dict():
            return {name: member if name.startswith("Fn::") else grouped(member) for name, member in value.items()}
        case [_, _, *_] if all(_text_of(element) for element in value):
            return min([value, *_forms(value)], key=lambda form: len(json.dumps(form)))
        case list():
            return [grouped(element) for element in value]
        case _:
            return value


def _text_of(value: Value) -> str:
    """Return the text of `Fn::Sub`, or as it would have it; empty for anything else."""
    match value:
        case {"Fn::Sub": [str(text), _]} | {"Fn::Sub": str(text)} if len(value) == 1:
            return text
        case {"Fn::GetAtt": [str(name), str(attribute)]} if len(value) == 1:
            return f"${{{name}.{attribute}}}"
        case _:
            return ""


def _forms(elements: list[Value]) -> Iterator[Value]:
    """Yield other forms of a list: the texts as one, with and without a value for their beginning."""
    texts = [_text_of(element) for element in elements]
    values: dict[str, Value] = {}
    for element in elements:
        match element:
            case {"Fn::Sub": [_, dict(own)]}:
                values |= own
    if any(_SEPARATOR in text for text in texts):
        return
    yield split(_SEPARATOR, sub(_SEPARATOR.join(texts), **values))
    if beginning := _beginning(texts):
        rest = [f"${{{_BEGINNING}}}{text[len(beginning) :]}" for text in texts]
        yield split(_SEPARATOR, sub(_SEPARATOR.join(rest), **_with_beginning(beginning, values)))


def _with_beginning(beginning: str, values: Mapping[str, Value]) -> dict[str, Value]:
    return {**values, _BEGINNING: sub(beginning, **values)}


def _beginning(texts: list[str]) -> str:
    """Return what the texts begin with, up to a `${…}` that they do not share.

    >>> _beginning(["arn:${A}:${B}", "arn:${A}:${C}"])
    'arn:${A}:'
    """
    shared = texts[0]
    while not all(text.startswith(shared) for text in texts):
        shared = shared[:-1]
    opened = shared.rfind("${")
    return shared[:opened] if opened > shared.rfind("}") else shared.removesuffix("$")
