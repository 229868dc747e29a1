"""The cells of a matrix: every combination of its values, without those excluded, and with those included.

The rules are those of GitHub Actions.

Source: https://docs.github.com/actions/reference/workflows-and-actions/workflow-syntax#jobsjob_idstrategymatrix
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence

from mlci.flow.models import Cell, Scalar
from mlci.flow.references import format_scalar
from mlci_dataclasses import dataclass

#: "A matrix will generate a maximum of 256 jobs per workflow run."
#: Source: https://docs.github.com/actions/how-tos/write-workflows/choose-what-workflows-do/run-job-variations
MAX_CELLS = 256
#: What of a value a cell's name keeps: it names files, folders, objects in S3 and values of tags.
#: Source: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_Tag.html
_NOT_PLAIN = re.compile(r"[^A-Za-z0-9._+-]+")
_VALUE_MAX_CHARS = 40


@dataclass(frozen=True)
class Combination:
    """The values of a cell. One that `is_added` comes from `include` alone."""

    values: Mapping[str, Scalar]
    is_added: bool = False


def combinations(
    axes: Mapping[str, Sequence[Scalar]],
    include: Sequence[Mapping[str, Scalar]] = (),
    exclude: Sequence[Mapping[str, Scalar]] = (),
) -> list[Combination]:
    """Return the combinations of a matrix in order: the last key changes fastest, and what `include` adds comes last.

    An item of `exclude` removes each combination that has all of its values. An item of `include` goes into each
    combination whose original values it agrees with; if there is none, it is a combination of its own. Values that an
    earlier item added are overwritten.

    >>> [found.values for found in combinations({"fold": [1, 2]}, include=[{"fold": 2, "note": "last"}])]
    [{'fold': 1}, {'fold': 2, 'note': 'last'}]
    """
    product = [dict(zip(axes, values, strict=True)) for values in itertools.product(*axes.values())] if axes else []
    kept = [values for values in product if not any(_has_all(values, item) for item in exclude)]
    merged = [dict(values) for values in kept]
    added: list[dict[str, Scalar]] = []
    for item in include:
        fitting = [index for index, original in enumerate(kept) if _agrees(original, item)]
        for index in fitting:
            merged[index].update(item)
        if not fitting:
            added.append(dict(item))
    return [*map(Combination, merged), *(Combination(values, is_added=True) for values in added)]


def _has_all(values: Mapping[str, Scalar], item: Mapping[str, Scalar]) -> bool:
    return all(key in values and same_value(values[key], value) for key, value in item.items())


def _agrees(original: Mapping[str, Scalar], item: Mapping[str, Scalar]) -> bool:
    return all(key not in original or same_value(original[key], value) for key, value in item.items())


def same_value(one: Scalar, other: Scalar) -> bool:
    """Return whether two values read alike where a reference stands for them: 1 and "1" do."""
    return format_scalar(one) == format_scalar(other)


def cells(step: str, keys: Sequence[str], found: Sequence[Combination]) -> tuple[Cell, ...]:
    """Return the combinations as cells of a step. `keys` are the keys of the matrix, apart from `include`.

    A matrix that consists of `include` alone has the keys of its items.
    """
    keys = keys or tuple(dict.fromkeys(key for combination in found for key in combination.values))
    return tuple(_cell(step, index, keys, combination) for index, combination in enumerate(found))


def _cell(step: str, index: int, keys: Sequence[str], combination: Combination) -> Cell:
    """A cell is identified by the matrix's own keys, and one that `include` adds by all of its keys."""
    values = combination.values
    extra = [key for key in values if key not in keys] if combination.is_added else []
    identity = tuple((key, format_scalar(values[key])) for key in (*keys, *extra) if key in values)
    parts = [f"{key}={plain_value(values[key]) if key in values else ''}" for key in keys]
    rest = [f"{key}={plain_value(values[key])}" for key in extra]
    folder = "/".join([*parts[:-1], ",".join([*parts[-1:], *rest])])
    label = ",".join(f"{key}={plain_value(values[key])}" for key, _ in identity)
    return Cell(step, index, f"{step}({label})", dict(values), identity, tuple(keys), folder)


def plain_value(value: Scalar) -> str:
    """Return a value as names have it.

    >>> plain_value(0.1), plain_value(True), plain_value("configs/a b.yaml")
    ('0.1', 'true', 'configs-a-b.yaml')
    """
    return _NOT_PLAIN.sub("-", format_scalar(value))[:_VALUE_MAX_CHARS]
