"""The ranges of a tuning step: what AWS and training images can't take of them, and the API's form. Pure.

SageMaker hands the values of a trial to its training job as texts, beside the hyperparameters that all trials share. It
sends a category as it is written, so mlci writes it in JSON, as SageMaker's SDK does for its framework images
(sagemaker-python-sdk 2, src/sagemaker/tuner.py: `_prepare_parameter_ranges_for_tuning`, and parameter.py:
`as_json_range`). mlci can't send a trial's value under another name, as it does with hyperparameters that a shell would
change (`hyperparameters.py`): the names and categories of ranges must be safe in a shell.

Sources: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_ParameterRanges.html (30 of a form, and 30
values); https://docs.aws.amazon.com/sagemaker/latest/dg/automatic-model-tuning-define-ranges.html (scales);
https://docs.aws.amazon.com/sagemaker/latest/dg/automatic-model-tuning-limits.html
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping

from mlci.step_types.hyperparameters import travels_plain
from mlci.step_types.keys import Json
from mlci.step_types.xgboost_values import value_text

#: The most ranges of a tuning job, and the most values of a categorical one.
MAX_RANGES, MAX_VALUES = 30, 30
_MAX_VALUE_CHARS = 256
#: The API's names of scales.
_SCALES = {"auto": "Auto", "linear": "Linear", "log": "Logarithmic", "reverse-log": "ReverseLogarithmic"}

_Problem = tuple[tuple[str | int, ...], str, str]


def range_problems(value: Json) -> Iterator[_Problem]:
    """Yield what is wrong with `ranges`: the path in it, a sentence and a remedy.

    >>> [found[:2] for found in range_problems({"depth": {"min": 8, "max": 2}})]
    [(('depth',), 'the range "depth" goes from 8 to 2')]
    """
    ranges = value if isinstance(value, dict) else {}
    if len(ranges) > MAX_RANGES:
        yield (), f"there are {len(ranges)} ranges", f"AWS allows {MAX_RANGES}"
    for name, given in ranges.items():
        if not travels_plain(name, "1") or name.startswith("sagemaker_"):
            what = f'"{name[:80]}" is not a name for a tuned hyperparameter'
            yield (name,), what, "Write letters, digits, _, . and -, beginning with a letter or digit, not sagemaker_"
        elif isinstance(given, list):
            yield from _category_problems(name, given)
        elif isinstance(given, dict):
            yield from _interval_problems(name, given)


def _category_problems(name: str, values: list[Json]) -> Iterator[_Problem]:
    if not values:
        yield (name,), f'the range "{name}" has no value', "List the values to try"
    if len(values) > MAX_VALUES:
        yield (name,), f'the range "{name}" has {len(values)} values', f"AWS allows {MAX_VALUES}"
    for index, value in enumerate(values):
        written = json.dumps(value)
        if value in values[:index] and written in map(json.dumps, values[:index]):
            yield (name, index), f"{written} is in the range twice", "Remove one"
        elif len(written) > _MAX_VALUE_CHARS:
            what = f"a value of the range has {len(written)} characters"
            yield (name, index), what, f"AWS allows {_MAX_VALUE_CHARS}"
        elif not travels_plain(name, written):
            what = f"{written[:80]} does not reach the script of every image as it is: some pass it through a shell"
            yield (name, index), what, "Write letters, digits and @%+=:,./-_ alone, and let the script map the value"


def _interval_problems(name: str, given: Mapping[str, Json]) -> Iterator[_Problem]:
    low, high, scale = given.get("min"), given.get("max"), given.get("scale", "auto")
    if not isinstance(low, (int, float)) or not isinstance(high, (int, float)):
        return
    if not math.isfinite(low) or not math.isfinite(high):
        yield (name,), f'the range "{name}" has no end', "Give two numbers"
    elif low >= high:
        hint = "Give min the smaller number"
        if low == high:
            hint = "Give a single value under hyperparameters"
        yield (name,), f'the range "{name}" goes from {low} to {high}', hint
    elif scale == "log" and low <= 0:
        yield (name, "min"), f'the scale log needs values above 0, and "{name}" begins at {low}', "Raise min"
    elif scale == "reverse-log" and is_integer(given):
        hint = "Write linear, or min and max with a decimal point"
        yield (name, "scale"), f'the scale reverse-log is for numbers that are not whole, and "{name}" is', hint
    elif scale == "reverse-log" and not 0 <= low < high < 1:
        hint = "Write min: 0.9 and max: 0.999, for example"
        yield (name, "scale"), f'the scale reverse-log needs values from 0 to below 1, and "{name}" has others', hint


def is_integer(given: Mapping[str, Json]) -> bool:
    """Return True if an interval is of whole numbers: as both of its ends are written."""
    return all(isinstance(given.get(end), int) and not isinstance(given.get(end), bool) for end in ("min", "max"))


def parameter_ranges(ranges: Mapping[str, Json], is_script: bool = True) -> dict[str, Json]:
    """Return the API's ParameterRanges. Categories are in JSON for a script, and as text for an algorithm's image.

    >>> parameter_ranges({"depth": {"min": 2, "max": 8}, "booster": ["gbtree", "dart"]})["CategoricalParameterRanges"]
    [{'Name': 'booster', 'Values': ['"gbtree"', '"dart"']}]
    """
    found: dict[str, list[Json]] = {}
    for name, given in ranges.items():
        match given:
            case list():
                values: list[Json] = [json.dumps(value) if is_script else _text(value) for value in given]
                found.setdefault("CategoricalParameterRanges", []).append({"Name": name, "Values": values})
            case dict():
                form = "Integer" if is_integer(given) else "Continuous"
                found.setdefault(f"{form}ParameterRanges", []).append(
                    {
                        "Name": name,
                        "MinValue": json.dumps(given["min"]),
                        "MaxValue": json.dumps(given["max"]),
                        "ScalingType": _SCALES[str(given.get("scale", "auto"))],
                    }
                )
    return {name: list(items) for name, items in found.items()}


def _text(value: Json) -> str:
    return value_text(value) if isinstance(value, (str, int, float)) else json.dumps(value)


def combinations(ranges: Mapping[str, Json]) -> int | None:
    """Return the number of combinations of all categories; None if a range is an interval."""
    counts = [len(given) if isinstance(given, list) else None for given in ranges.values()]
    return None if None in counts else math.prod(count or 0 for count in counts)
