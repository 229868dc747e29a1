"""The names of metrics: what they lead to, what is refused, and the way back."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlci.flow.invalid_value import InvalidValue
from mlci.flow.metric_paths import MetricPath, format_metric, parse_metric
from support.examples import examples

keys = st.text(st.characters(categories=["L", "N", "P", "S", "Zs"]), min_size=1) | st.integers(0, 999_999_999)
paths = st.lists(keys, min_size=1, max_size=5).map(tuple)


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("evaluate.auc", ("auc",)),
        ("evaluate.classes.malignant.recall", ("classes", "malignant", "recall")),
        ('evaluate["a.b"][0].f1', ("a.b", 0, "f1")),
        ("evaluate['a.b']", ("a.b",)),
        (r"evaluate['it\'s']", ("it's",)),
        (r'evaluate["a\"b"]', ('a"b',)),
        (r'evaluate["é"]', ("é",)),
        ("evaluate.0", ("0",)),
        ("evaluate.macro avg.f1-score", ("macro avg", "f1-score")),
        ("evaluate[0]", (0,)),
        ('evaluate."quoted"', ('"quoted"',)),
    ],
)
def test_a_name_leads_to_a_value(text: str, path: MetricPath) -> None:
    assert parse_metric(text) == ("evaluate", path)


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("evaluate", "a dot"),
        ("evaluate.", "a dot"),
        (".auc", "a dot"),
        ("evaluate..auc", "a dot"),
        ("evaluate[auc]", "in quotes"),
        ("evaluate[-1]", "in quotes"),
        ("evaluate[01]", "in quotes"),
        ("evaluate[0", "in quotes"),
        ("evaluate[0]auc", "in quotes"),
        ("evaluate[]", "in quotes"),
        ('evaluate[""]', "in quotes"),
        ("evaluate['']", "in quotes"),
        ("evaluate[1000000000]", "in quotes"),
        (r'evaluate["\x"]', "escapes of JSON"),
        ("evaluate.a\nb", "a dot"),
        ("[0].auc", "a dot"),
    ],
)
def test_what_is_no_name_is_refused(text: str, hint: str) -> None:
    with pytest.raises(InvalidValue) as refused:
        parse_metric(text)
    assert "does not name a metric" in refused.value.what
    assert hint in refused.value.hint


@given(paths)
@settings(max_examples=examples(300))
def test_each_path_has_a_name_that_leads_to_it(path: MetricPath) -> None:
    assert parse_metric(format_metric("evaluate", path)) == ("evaluate", path)


@given(st.text(st.sampled_from("ab.[]0'\"\\ ")))
@settings(max_examples=examples(500))
def test_a_text_is_a_name_with_a_canonical_form_or_is_refused(rest: str) -> None:
    try:
        step, path = parse_metric(f"evaluate{rest}")
    except InvalidValue:
        return
    assert parse_metric(format_metric(step, path)) == (step, path)
